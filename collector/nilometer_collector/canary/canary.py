"""Compares a candidate with the stable side, from merged stored windows. Nothing is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nilometer.alert.calibrated.baseline import LEAST_ROWS, Baseline, merged, window_length
from nilometer.alert.calibrated.columns import Floats, Total
from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.packing import unpacked
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.calibrated.two_samples import Outcome, Pair, compared
from nilometer.values.clock import Clock
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.canary.disclosure import disclosure_of, why_not_comparable
from nilometer_collector.canary.records import Question, Reason, SummaryVerdict, Verdict
from nilometer_collector.canary.sentences import sentence_of
from nilometer_collector.canary.sides import Sides, label_sets, sides_of
from nilometer_collector.errors import TooMuch
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import Level, SeriesRecord, Store
from nilometer_collector.watch.columns import columns_of, learned_column
from nilometer_collector.watch.memory import DAY_NS, Book
from nilometer_collector.watch.reading import Reader
from nilometer_collector.watch.watch import closed_until

MOST_DAYS = 7  # most days to compare, up to now
MOST_SAMPLES = 200_000  # most samples of both sides to read, estimated

_ORDER = (Outcome.FAIL, Outcome.HOLD, Outcome.PASS)
_ALONE = {
    Reason.NO_STABLE_DATA: "only the candidate has sent {}: nothing to compare it with",
    Reason.OTHER_PRIVACY: (
        "both sides disclose the names of {} differently, so they cannot be compared: set the same "
        "privacy for both"
    ),
    Reason.TOO_FEW: (
        "one side has sent no names of {}, because it has too few rows in a window of its agents: "
        "send it more traffic, or set a longer window"
    ),
}
_WORDS = {
    Reason.NO_CANDIDATE_DATA: "the candidate has sent nothing yet",
    Reason.NO_STABLE_DATA: "the stable side has no data: nothing to compare with",
    Reason.NO_WINDOW_YET: "no window of both sides is complete yet",
}


@dataclass(frozen=True, slots=True)
class _Known:
    """The column of a summary, and the baseline of its noise, if known."""

    counted: SummaryColumn
    baseline: Baseline | None = None


class Canaries:
    """Gives verdicts on candidates. Thread-safe.

    Args:
        store: Store to read.
        clock: Clock for wall time, to know which windows are complete.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._edges = ReferenceEdges(store.references)

    def verdict(self, question: Question, rule: WatchRule) -> Verdict:
        """Return the verdict on the candidate of *question*.

        Args:
            question: Entity, sides and summaries to compare.
            rule: Settings of the default alerter for the entity: budget and tolerances.

        Raises:
            Unknown: If an entity has no data.
            TooMuch: If too many samples would be read, or the comparison would be too long.
        """
        sides = sides_of(self._store.samples, question)
        start_ns, end_ns = self._span(question, sides)
        if not sides.candidate:
            return _without(Reason.NO_CANDIDATE_DATA, sides, start_ns)
        if not sides.stable:
            return _without(Reason.NO_STABLE_DATA, sides, start_ns)
        if end_ns <= start_ns:
            return _without(Reason.NO_WINDOW_YET, sides, start_ns)
        _require_bounded((*sides.candidate, *sides.stable), start_ns, end_ns)
        known = self._known(question.entity, sides.stable, start_ns, end_ns)
        columns = {summary: one.counted for summary, one in known.items()}
        span = (start_ns, end_ns)
        other = question.candidate_entity or question.entity
        stable = self._counts(question.entity, sides.stable, columns, span)
        candidate = self._counts(other, sides.candidate, columns, span)
        if not stable:  # its series are of another time
            return _without(Reason.NO_STABLE_DATA, sides, start_ns)
        if not self._size(sides.candidate, span):
            return _without(Reason.NO_CANDIDATE_DATA, sides, start_ns)
        shared = [summary for summary in sorted(known) if summary in stable]
        names = [name for name in shared if known[name].counted.names]
        apart = {name: self._why_not_comparable(question, sides, name, end_ns) for name in names}
        found = [
            _compared(
                summary,
                known[summary],
                stable[summary],
                candidate.get(summary, np.zeros_like(stable[summary])),
                question,
                rule,
                1 / len(shared),
            )
            for summary in shared
            if apart.get(summary) is None
        ]
        found += [_not_compared(name, why, counts=True) for name, why in apart.items() if why]
        found += self._alone(sides, stable, span)
        found.sort(key=lambda one: (_ORDER.index(one.outcome), one.summary))
        return _joined(found, sides, span)

    def _span(self, question: Question, sides: Sides) -> tuple[int, int]:
        """Return the time to compare: from the candidate's first window to the last complete one.

        Raises:
            TooMuch: If it begins more than `MOST_DAYS` ago.
        """
        now_ns = self._clock.now_ns()
        first_ns = min((one.first_start_ns for one in sides.candidate), default=now_ns)
        start_ns = max(first_ns, question.start_ns)
        if now_ns - start_ns > MOST_DAYS * DAY_NS:  # a later start would forget a failure
            raise TooMuch(
                f"start: the comparison would begin {(now_ns - start_ns) / DAY_NS:.1f} days ago, and "
                f"at most {MOST_DAYS} days are compared: ask for a later start",
                "start",
            )
        start_ns = start_ns // BASE_NS * BASE_NS
        entities = {question.entity, question.candidate_entity or question.entity}
        end_ns = min(
            closed_until(self._store.watching.heard(entity), start_ns, now_ns, 0)
            for entity in entities
        )
        return start_ns, min(end_ns, now_ns) // BASE_NS * BASE_NS

    def _known(
        self, entity: str, series: Sequence[SeriesRecord], start_ns: int, end_ns: int
    ) -> dict[str, _Known]:
        """Return the column of each summary, and its baseline.

        The default alerter knows both after a day. Before that, columns come from the
        newest reference, or are learned from the stable side.
        """
        record = self._store.watching.load(entity)
        found: dict[str, _Known] = {}
        if record is not None and record.baselines:
            for one in unpacked(record.baselines, Book).watched:
                if one.key == PartKey(one.key.summary):
                    found[one.key.summary] = _Known(one.counted, one.baseline)
        names = {one.summary for one in series}
        if names <= found.keys():
            return {name: found[name] for name in names}
        records = self._store.references.records(entity)
        read = (self._store.references.read(one) for one in records)
        columns = columns_of(one for one in read if one is not None)
        for name in names - found.keys():
            counted = columns.get(name)
            if counted is None:
                own = [one for one in series if one.summary == name]
                reader = self._reader(entity)
                learned = learned_column(name, list(reader.contents(own, start_ns, end_ns)))
                counted = None if learned is None else learned[0]
            if counted is not None:
                found[name] = _Known(counted)
        return {name: known for name, known in found.items() if name in names}

    def _counts(
        self,
        entity: str,
        series: Sequence[SeriesRecord],
        columns: Mapping[str, SummaryColumn],
        span: tuple[int, int],
    ) -> dict[str, Floats]:
        """Return the vectors of each summary in every base window of *span*, shape (W, width)."""
        start_ns, end_ns = span
        windows = (end_ns - start_ns) // BASE_NS
        found: dict[str, Floats] = {}
        for window in self._reader(entity).base_windows(series, columns, start_ns, end_ns):
            place = (window.end_ns - start_ns) // BASE_NS - 1
            for key, vector in window.counts.items():
                if key == PartKey(key.summary):
                    own = found.setdefault(key.summary, np.zeros((windows, len(vector))))
                    own[place] = vector
        return found

    def _alone(
        self, sides: Sides, counted: Mapping[str, Floats], span: tuple[int, int]
    ) -> list[SummaryVerdict]:
        """Return a verdict on each summary that only the candidate has sent in *span*.

        Args:
            sides: Series of both sides.
            counted: Counts of the stable side in *span*, by summary. Nothing is read for these.
            span: Time to compare.
        """
        found = []
        for name in sorted({one.summary for one in sides.candidate} - counted.keys()):
            stable = [one for one in sides.stable if one.summary == name]
            candidate = [one for one in sides.candidate if one.summary == name]
            if not self._size(stable, span) and self._size(candidate, span):
                found.append(_not_compared(name, Reason.NO_STABLE_DATA, counts=False))
        return found

    def _size(self, series: Sequence[SeriesRecord], span: tuple[int, int]) -> int:
        """Return 1 if *series* have a sample in *span*, otherwise 0."""
        return self._store.samples.size(series, *span, 1).samples if series else 0

    def _why_not_comparable(
        self, question: Question, sides: Sides, summary: str, end_ns: int
    ) -> Reason | None:
        """Return why the newest names of *summary* on both sides cannot be compared, or None."""
        forms = []
        for entity, side in (
            (question.entity, sides.stable),
            (question.candidate_entity or question.entity, sides.candidate),
        ):
            own = [one for one in side if one.summary == summary]
            newest_ns = min(max((one.last_end_ns for one in own), default=0), end_ns)
            found = self._reader(entity).contents(own, newest_ns - 12 * BASE_NS, newest_ns)
            forms.append(disclosure_of(found, own))
        return why_not_comparable(*forms)

    def _reader(self, entity: str) -> Reader:
        return Reader(self._store.samples, self._edges.of(entity), Level.FIVE_MINUTES)


def _compared(
    summary: str,
    known: _Known,
    stable: Floats,
    candidate: Floats,
    question: Question,
    rule: WatchRule,
    share: float,
) -> SummaryVerdict:
    rows, stable_rows = _rows(candidate), _rows(stable)
    length = window_length(np.minimum(rows, stable_rows))
    pair = Pair(
        column=known.counted.column,
        stable=merged(stable, length),
        candidate=merged(candidate, length),
        baseline=known.baseline,
        tolerance=rule.tolerance(summary),
        length=length,
        share=share,
        least_windows=question.least_windows,
    )
    found = compared(pair, rule.budget)
    counts = bool(stable_rows.sum() >= LEAST_ROWS)
    if found.windows:
        reason = _REASONS[found.outcome]
        sentence = sentence_of(summary, found)
    elif not rows.any():
        reason = Reason.NO_CANDIDATE_DATA
        sentence = f"the candidate has sent nothing of {summary}"
    else:
        reason = Reason.TOO_FEW
        sentence = (
            f"no window of {summary} has {LEAST_ROWS} rows on both sides: {rows.sum():.0f} of the "
            f"candidate, {stable_rows.sum():.0f} of the stable side so far"
        )
    return SummaryVerdict(
        summary=summary,
        outcome=found.outcome,
        reason=reason,
        sentence=sentence,
        counts=counts,
        difference=found if found.windows else None,
        window_ns=length * BASE_NS,
        candidate_rows=int(rows.sum()),
        stable_rows=int(stable_rows.sum()),
        learned=known.baseline is not None,
    )


def _not_compared(summary: str, reason: Reason, *, counts: bool) -> SummaryVerdict:
    return SummaryVerdict(
        summary=summary,
        outcome=Outcome.HOLD,
        reason=reason,
        sentence=_ALONE[reason].format(summary),
        counts=counts,
        difference=None,
        window_ns=BASE_NS,
        candidate_rows=0,
        stable_rows=0,
        learned=False,
    )


_REASONS = {
    Outcome.FAIL: Reason.DIFFERENT,
    Outcome.PASS: Reason.ALIKE,
    Outcome.HOLD: Reason.UNDECIDED,
}


def _joined(found: Sequence[SummaryVerdict], sides: Sides, span: tuple[int, int]) -> Verdict:
    """Return the verdict over all summaries."""
    counted = [one for one in found if one.counts]
    failed = [one for one in counted if one.outcome is Outcome.FAIL]
    waiting = [one for one in counted if one.outcome is Outcome.HOLD]
    if failed:
        outcome, reason, sentence = Outcome.FAIL, failed[0].reason, failed[0].sentence
        if len(failed) > 1:
            sentence += f"; also {', '.join(one.summary for one in failed[1:6])}"
    elif waiting or not counted:
        outcome = Outcome.HOLD
        reason = waiting[0].reason if waiting else Reason.NO_WINDOW_YET
        sentence = waiting[0].sentence if waiting else _WORDS[reason]
        if len(waiting) > 1:
            sentence += f"; {len(waiting)} of {len(counted)} summaries are not decided"
    else:
        outcome, reason = Outcome.PASS, Reason.ALIKE
        sentence = f"all {len(counted)} summaries are like those of the stable side"
    return Verdict(
        outcome=outcome,
        reason=reason,
        sentence=sentence,
        start_ns=span[0],
        end_ns=span[1],
        candidate=label_sets(sides.candidate),
        stable=label_sets(sides.stable),
        summaries=found,
    )


def _without(reason: Reason, sides: Sides, start_ns: int) -> Verdict:
    return Verdict(
        outcome=Outcome.HOLD,
        reason=reason,
        sentence=_WORDS[reason],
        start_ns=start_ns,
        end_ns=start_ns,
        candidate=label_sets(sides.candidate),
        stable=label_sets(sides.stable),
    )


def _rows(vectors: Floats) -> Floats:
    """Return the rows of each window: values, or all cells if most are missing."""
    totals = vectors[:, -len(Total) :]
    values = totals[:, Total.NUMBERS] + totals[:, Total.CATEGORIES]
    return np.asarray(np.maximum(values, totals[:, Total.CELLS]))


def _require_bounded(series: Sequence[SeriesRecord], start_ns: int, end_ns: int) -> None:
    total = 0.0
    for one in series:
        overlap_ns = min(end_ns, one.last_end_ns) - max(start_ns, one.first_start_ns)
        length_ns = max(one.last_end_ns - one.first_start_ns, 1)
        total += one.samples * max(overlap_ns, 0) / length_ns
    if total > MOST_SAMPLES:
        raise TooMuch(
            f"start: about {total:.0f} samples would be read, the limit is {MOST_SAMPLES}: ask for a "
            "later start, or for fewer summaries",
            "start",
        )
