"""Replays alerters that users set, with the same judgement and episodes as live.

The windows of all agents are judged together, as live.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nilometer.alert import Alerter, AlertStatus, EpisodeState, Evaluation, Verdict
from nilometer.profile import SummarySample
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf
from nilometer_collector.alerting.episodes import (
    Closed,
    Escalated,
    Opened,
    OpenEpisode,
    Standing,
    Worsened,
    heard_since_ns,
    judge,
    pause,
)
from nilometer_collector.alerting.episodes import (
    Others as OtherAgents,
)
from nilometer_collector.backtest.records import Firing, Replay
from nilometer_collector.judging.others import Others
from nilometer_collector.query.merging import merged_payloads
from nilometer_collector.store import Level, Samples, SeriesRecord

HOUR_NS = Level.HOUR.length_ns
DAY_NS = Level.DAY.length_ns
MOST_AT_ONCE = 200_000  # most samples of one series read at once
NOBODY_ELSE = OtherAgents(alerting_heard_ns=None, alerting_end_ns=None, now_ns=0)
SILENT = "no window arrived any more"


class Stored:
    """Reads the stored windows of a series, oldest first.

    Args:
        samples: Stored samples.
        level: Level to read; shorter windows are merged into windows of this level.
        start_ns: Start of the first windows, a multiple of the level's length.
        end_ns: End of the time to read.
    """

    def __init__(self, samples: Samples, level: Level, start_ns: int, end_ns: int) -> None:
        self._samples = samples
        self._level = level
        self._start_ns = start_ns
        self._end_ns = end_ns

    def windows(self, series: SeriesRecord, edges_of: EdgesOf) -> Iterator[SummarySample]:
        """Read the windows of *series* that lie inside the time, merged over all agents."""
        step = DAY_NS if self._level.length_ns else HOUR_NS
        start_ns = max(self._start_ns, series.first_start_ns // step * step)
        until_ns = min(self._end_ns, series.last_end_ns)
        while start_ns < until_ns:
            stop_ns = min(start_ns // step * step + step, self._end_ns)
            found = self._samples.read([series], start_ns, stop_ns, MOST_AT_ONCE, self._level)
            groups: dict[Window, list[bytes]] = {}
            for record in (one for stretch in found for one in stretch.records()):
                window = self._level.window_of(Window(record.window_start_ns, record.window_end_ns))
                if start_ns <= window.start_ns < stop_ns and window.end_ns <= self._end_ns:
                    groups.setdefault(window, []).append(record.payload)
            for window, payloads in sorted(groups.items()):
                sample = merged_payloads(payloads, window, series.labels, edges_of)
                if sample is not None:
                    yield sample
            start_ns = stop_ns


class _Track:
    """The state of one alerter on one summary and label set."""

    def __init__(self, alerter: Alerter, summary: str, labels: Labels) -> None:
        self._alerter = alerter
        self._summary = summary
        self._labels = labels
        self._state = EpisodeState()
        self._open: OpenEpisode | None = None
        self._opening: Opened | None = None
        self.firings: list[Firing] = []

    def take(self, evaluation: Evaluation) -> None:
        self._expire(evaluation.window)
        standing = Standing(agent=self._state, episode=self._open)
        changes = judge(standing, evaluation, NOBODY_ELSE)
        if changes.agent is not None:
            self._state = changes.agent
        match changes.episode:
            case Opened(turn=turn) as opening:
                self._opening = opening
                self._open = OpenEpisode(
                    id=1,
                    opened_ns=turn.at_ns,
                    worst=turn.value,
                    severity=turn.alerter.severity,
                )
            case Worsened(worst=worst):
                self._open = None if self._open is None else replace(self._open, worst=worst)
            case Escalated(worst=worst, turn=turn) if self._open is not None:
                severity = turn.alerter.severity
                self._open = replace(self._open, worst=worst, severity=severity)
            case Closed(closed_ns=closed_ns):
                self.end(closed_ns)
            case _:
                pass

    def end(self, closed_ns: int | None) -> None:
        """End the open episode, if there is one; None leaves it open at the end of the backtest."""
        if self._open is None or self._opening is None:
            return
        turn = self._opening.turn
        self.firings.append(
            Firing(
                summary=self._summary,
                labels=self._labels,
                since_ns=self._opening.since_ns,
                opened_ns=turn.at_ns,
                closed_ns=closed_ns,
                worst=self._open.worst,
                severity=self._open.severity.value,
                evidence=turn.evidence,
            )
        )
        self._open = self._opening = None

    def _expire(self, window: Window) -> None:
        """Close the episode if a live collector would have closed it before *window*."""
        last_ns = self._state.last_end_ns
        if self._open is None or last_ns >= heard_since_ns(window.end_ns, window):
            return
        closed = pause(self._open, self._alerter, "", last_ns, SILENT, AlertStatus.NO_DATA)
        self.end(closed.closed_ns)
        self._state = replace(self._state, status=AlertStatus.NO_DATA, breaches=0, fines=0)


class _Tested:
    """The counts and episodes of one alerter."""

    def __init__(self, alerter: Alerter) -> None:
        self.alerter = alerter
        self.judged = self.not_judged = self.window_ns = 0
        self.why = ""
        self.firings: list[Firing] = []

    def count(self, evaluation: Evaluation) -> None:
        if evaluation.verdict is Verdict.NOT_JUDGED:
            self.not_judged += 1
            self.why = evaluation.evidence
            return
        self.judged += 1
        window = evaluation.window
        self.window_ns = max(self.window_ns, window.end_ns - window.start_ns)


def replayed(
    alerters: Sequence[Alerter],
    series: Sequence[SeriesRecord],
    stored: Stored,
    others: Others,
    edges_of: EdgesOf,
    span: tuple[int, int],
) -> list[Replay]:
    """Return the replay of each of *alerters*.

    Args:
        alerters: Alerters of one entity.
        series: Series of this entity.
        stored: Reader of their windows.
        others: Finder of references, and of the other windows to compare with.
        edges_of: Function that finds the edges of the entity's references.
        span: Start and end of the tested time that has data.
    """
    tested = [_Tested(alerter) for alerter in alerters]
    for one in series:
        watching = [
            (test, _Track(test.alerter, one.summary, one.labels))
            for test in tested
            if test.alerter.watches(one.summary)
            and not others.is_other_side(test.alerter.condition, one)
        ]
        if not watching:
            continue
        for sample in stored.windows(one, edges_of):
            for test, track in watching:
                evaluation = others.evaluation(test.alerter, one, sample)
                test.count(evaluation)
                track.take(evaluation)
        for test, track in watching:
            track.end(None)
            test.firings += track.firings
    return [
        Replay(
            entity=test.alerter.entity,
            alerter=test.alerter.name,
            kind=test.alerter.condition.kind,
            start_ns=span[0],
            end_ns=span[1],
            window_ns=test.window_ns,
            judged=test.judged,
            not_judged=test.not_judged,
            firings=sorted(test.firings, key=lambda one: (one.opened_ns, one.summary)),
            notes=_notes(test, series),
        )
        for test in tested
    ]


def _notes(test: _Tested, series: Sequence[SeriesRecord]) -> list[str]:
    watched = [one for one in series if test.alerter.watches(one.summary)]
    if not watched:
        return [f"no summary of {test.alerter.entity} matches {test.alerter.summary!r}"]
    notes = []
    if not test.judged:
        notes.append(
            f"no window was judged: {test.why}" if test.why else "no window is stored for this time"
        )
    shipped_ns = min(one.last_window_ns for one in watched)
    if test.window_ns > shipped_ns:
        notes.append(
            f"windows of {shipped_ns / 1e9:g} s are no longer stored for all of this time: windows of "
            f"{test.window_ns / 1e9:g} s were judged, and windows_to_open counts those"
        )
    return notes
