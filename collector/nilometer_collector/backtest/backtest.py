"""Runs backtests: checks the amount of data, then replays the alerters of each entity."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from nilometer.alert import Alerter
from nilometer_collector.alerting.watch_rules import rule_of
from nilometer_collector.backtest import default_alerter, set_alerters
from nilometer_collector.backtest.records import Question, Replay
from nilometer_collector.errors import TooMuch
from nilometer_collector.judging.others import Others
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import LEVELS, UNDECLARED, Level, SeriesRecord, Store
from nilometer_collector.watch.reading import watched_series

MOST_SAMPLES = 1_000_000  # most samples one backtest reads, estimated; each takes some 100 us


class Backtests:
    """Replays alerters over the stored history and stores nothing. Thread-safe.

    Args:
        store: Store to read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._edges = ReferenceEdges(store.references)

    def run(self, question: Question) -> list[Replay]:
        """Return the replay of each alerter of *question*, the noisiest first.

        Raises:
            TooMuch: If too many samples would be read.
        """
        held = {one.level: one.held_from_ns for one in self._store.rollups.levels()}
        level = next((one for one in LEVELS if held.get(one, 0) <= question.start_ns), LEVELS[-1])
        series = {name: watched_series(self._store.samples, name) for name in question.entities}
        alerters = {
            name: list(own)
            for name, own in groupby(
                sorted(question.alerters, key=lambda one: (one.entity, one.name)),
                key=lambda one: one.entity,
            )
        }
        begun_ns = default_alerter.begun_for(question.start_ns, held.get(Level.FIVE_MINUTES, 0))
        self._require_bounded(question, series, alerters, level, begun_ns)
        found: list[Replay] = []
        for name in question.entities:
            own = alerters.get(name, [])
            if own:
                found += self._set(question, own, series[name], level)
            if question.rules is not None:
                said = self._store.entities.read(name)
                declared = UNDECLARED if said is None else said.declaration
                rule = rule_of(question.rules, name).declared(declared.time_zone)
                first_ns = min((one.first_start_ns for one in series[name]), default=begun_ns)
                found.append(
                    default_alerter.replayed(
                        name,
                        rule,
                        self._store,
                        self._edges,
                        default_alerter.begun_for(question.start_ns, max(begun_ns, first_ns)),
                        _covered(question, series[name]),
                    )
                )
        return sorted(found, key=lambda one: (-one.a_month(one.messages), one.entity, one.alerter))

    def _set(
        self,
        question: Question,
        alerters: Sequence[Alerter],
        series: Sequence[SeriesRecord],
        level: Level,
    ) -> list[Replay]:
        entity = alerters[0].entity
        length_ns = level.length_ns or 1
        start_ns = -(-question.start_ns // length_ns) * length_ns
        stored = set_alerters.Stored(self._store.samples, level, start_ns, question.end_ns)
        return set_alerters.replayed(
            alerters,
            series,
            stored,
            Others(self._store, self._edges, level),
            self._edges.of(entity),
            _covered(question, series),
        )

    def _require_bounded(
        self,
        question: Question,
        series: dict[str, list[SeriesRecord]],
        alerters: dict[str, list[Alerter]],
        level: Level,
        begun_ns: int,
    ) -> None:
        total = 0.0
        for name, own in series.items():
            watched = [
                one
                for one in own
                if any(alerter.watches(one.summary) for alerter in alerters.get(name, ()))
            ]
            total += _samples(watched, question.start_ns, question.end_ns, level)
            if question.rules is not None:
                total += _samples(own, begun_ns, question.end_ns, Level.FIVE_MINUTES)
        if total > MOST_SAMPLES:
            raise TooMuch(
                f"seconds: about {total:.0f} samples would be read, the limit is {MOST_SAMPLES}: ask "
                "for a shorter time, or for one entity",
                "seconds",
            )


def _samples(series: Iterable[SeriesRecord], start_ns: int, end_ns: int, level: Level) -> float:
    """Return an estimate of the samples of *level* that *series* have in a time span."""
    total = 0.0
    for one in series:
        overlap_ns = min(end_ns, one.last_end_ns) - max(start_ns, one.first_start_ns)
        length_ns = max(one.last_end_ns - one.first_start_ns, 1)
        shipped = one.samples * max(overlap_ns, 0) / length_ns
        rolled_up = max(overlap_ns, 0) / max(level.length_ns, one.last_window_ns, 1)
        total += min(shipped, rolled_up) if level.length_ns else shipped
    return total


def _covered(question: Question, series: Sequence[SeriesRecord]) -> tuple[int, int]:
    """Return the part of the tested time in which *series* have data; empty without data."""
    first_ns = min((one.first_start_ns for one in series), default=question.end_ns)
    last_ns = max((one.last_end_ns for one in series), default=question.start_ns)
    start_ns = max(question.start_ns, first_ns)
    return start_ns, max(min(question.end_ns, last_ns), start_ns)
