"""Joins ground truth with logged predictions inside a transaction, the same way in both databases."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from msgspec.structs import replace

from nilometer.predictions import PredictionRecord
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.joining import compared, decide
from nilometer_collector.ground_truth.truths import (
    KnownTruth,
    Outcome,
    Place,
    PredictionKey,
    ToldTruth,
    Truth,
    value_text,
)
from nilometer_collector.store.join_tables import JoinTables, predictions_of
from nilometer_collector.store.revising import revised
from nilometer_collector.store.truth_records import MOST_WAITING, RevisedWindow

FIRST_WAIT_NS = NANOSECONDS  # time until the first search for a late prediction
LONGEST_WAIT_NS = 3600 * NANOSECONDS  # longest time between two searches


def next_search_ns(arrived_ns: int, now_ns: int) -> int:
    """Return when to look for the prediction of a waiting row again: after as long as it has waited."""
    waited_ns = min(max(now_ns - arrived_ns, FIRST_WAIT_NS), LONGEST_WAIT_NS)
    return now_ns + waited_ns


@dataclass(slots=True)
class Joined:
    """What a join changes, for the store to save.

    Attributes:
        outcomes: Outcome of each row that arrived now.
        settled: Number of rows by outcome that do not wait, now arrived or before.
        labels: Labels to store, by prediction.
        new: Predictions in `labels` that had none before.
        windows: Windows with a new sample.
        waits: Rows that wait from now on, or for longer.
        began: Number of rows that wait from now on.
        released: Places of rows that do not wait any more.
    """

    outcomes: list[Outcome]
    settled: Counter[Outcome] = field(default_factory=Counter)
    labels: dict[PredictionKey, KnownTruth] = field(default_factory=dict)
    new: set[PredictionKey] = field(default_factory=set)
    windows: list[RevisedWindow] = field(default_factory=list)
    waits: dict[Place, ToldTruth] = field(default_factory=dict)
    began: int = 0
    released: set[Place] = field(default_factory=set)

    @property
    def totals(self) -> Counter[Outcome]:
        """Changes of the totals of the entity. `Outcome.WAITING` counts the rows that wait now."""
        return Counter({**self.settled, Outcome.WAITING: self.began - len(self.released)})


def join(
    tables: JoinTables,
    definition: PerformanceDefinition,
    arrived: Sequence[ToldTruth],
    due: Sequence[ToldTruth],
    now_ns: int,
) -> Joined:
    """Return what *arrived* and *due* rows change.

    Args:
        tables: Tables to read.
        definition: What is judged.
        arrived: Rows that arrived now.
        due: Waiting rows whose predictions may be in the log.
        now_ns: Wall time.
    """
    entity = definition.entity
    waiting = 0 if due else tables.count_waiting(entity)
    held: Mapping[Place, ToldTruth] = {one.place: one for one in due}
    if waiting:
        held = tables.waiting(entity, {one.place for one in arrived})
    keyed = [
        *_still_usable(definition, _keyed(tables, definition, [*held.values()])),
        *_keyed(tables, definition, arrived),
    ]
    certain = [(key, told) for key, told in keyed if isinstance(key, PredictionKey)]
    known = tables.known(entity, {key for key, _ in certain})
    news = {
        key for key, told in certain if key not in known or known[key].value != told.truth.value
    }
    decided = decide(certain, known, predictions_of(tables, entity, news))
    changed, windows = revised(tables, definition, decided)
    labels = {**decided.confirmed, **changed}
    next_outcome = iter(decided.outcomes)
    outcomes = [key if isinstance(key, Outcome) else next(next_outcome) for key, _ in keyed]
    joined = Joined(
        outcomes[len(held) :], labels=labels, new=labels.keys() - known.keys(), windows=windows
    )
    room = MOST_WAITING - waiting - len(arrived)
    _settle(definition, joined, outcomes, keyed, held, room, now_ns)
    return joined


def _keyed(
    tables: JoinTables, definition: PerformanceDefinition, rows: Sequence[ToldTruth]
) -> list[tuple[PredictionKey | Outcome, ToldTruth]]:
    """Return each row with the identity of its prediction, or with its outcome without one."""
    nearest = _of_subjects(
        tables, definition, [told.truth for told in rows if not told.truth.prediction_id]
    )
    return [
        (
            PredictionKey(told.truth.prediction_id, told.truth.row)
            if told.truth.prediction_id
            else nearest[told.truth.subject, told.truth.time_ns],
            told,
        )
        for told in rows
    ]


def _of_subjects(
    tables: JoinTables, definition: PerformanceDefinition, truths: Iterable[Truth]
) -> dict[tuple[str, int], PredictionKey | Outcome]:
    """Return the identity or the outcome of each subject and time.

    One read spans at most twice the longest time from a prediction to its row, however far apart the
    times of the rows are. So it never reads all predictions about a subject.
    """
    within_ns = int(definition.within_seconds * NANOSECONDS)
    asked = sorted({(one.time_ns, one.subject) for one in truths})
    found: dict[tuple[str, int], PredictionKey | Outcome] = {}
    at = 0
    while at < len(asked):
        first_ns = asked[at][0]
        near = asked[at : bisect_right(asked, first_ns + within_ns, at, key=itemgetter(0))]
        subjects = sorted({subject for _, subject in near})
        start_ns, end_ns = first_ns - within_ns, near[-1][0] + 1
        records = tables.of_subjects(definition.entity, subjects, start_ns, end_ns)
        for time_ns, subject in near:
            found[subject, time_ns] = _nearest(records.get(subject, []), time_ns, within_ns)
        at += len(near)
    return found


def _still_usable(
    definition: PerformanceDefinition, keyed: Sequence[tuple[PredictionKey | Outcome, ToldTruth]]
) -> list[tuple[PredictionKey | Outcome, ToldTruth]]:
    """Return rows that have waited, read again, because the definition may be a new one."""
    found: list[tuple[PredictionKey | Outcome, ToldTruth]] = []
    for key, told in keyed:
        value = value_text(definition, told.truth.value)
        if isinstance(value, Outcome):
            found.append((value, told))
        else:
            found.append((key, replace(told, truth=replace(told.truth, value=value))))
    return found


def _nearest(
    records: Sequence[PredictionRecord], time_ns: int, within_ns: int
) -> PredictionKey | Outcome:
    """Return the newest of *records* before *time_ns*; `Outcome.AMBIGUOUS` if there are several."""
    near = [one for one in records if time_ns - within_ns <= one.time_ns <= time_ns]
    if not near:
        return Outcome.WAITING
    newest = [one for one in near if one.time_ns == near[-1].time_ns]
    if len(newest) > 1:
        return Outcome.AMBIGUOUS
    one = newest[0]
    if one.prediction_id:
        return PredictionKey(one.prediction_id, one.row)
    return PredictionKey(one.subject, one.row, one.time_ns)


def _settle(
    definition: PerformanceDefinition,
    joined: Joined,
    outcomes: Sequence[Outcome],
    keyed: Sequence[tuple[PredictionKey | Outcome, ToldTruth]],
    held: Mapping[Place, ToldTruth],
    room: int,
    now_ns: int,
) -> None:
    """Add to *joined* which rows wait, and count the others."""
    wait_ns = int(definition.wait_seconds * NANOSECONDS)
    for told, outcome in zip(held.values(), outcomes, strict=False):
        if outcome is Outcome.WAITING and now_ns - told.arrived_ns < wait_ns:
            joined.waits[told.place] = told
            continue
        joined.released.add(told.place)
        joined.settled[Outcome.UNKNOWN if outcome is Outcome.WAITING else outcome] += 1
    for at, (_, told) in enumerate(keyed[len(held) :]):
        outcome = joined.outcomes[at]
        if outcome is Outcome.WAITING:
            outcome = _waits(joined.waits, told, has_room=room >= 0)
            joined.outcomes[at] = outcome
        if outcome is not Outcome.WAITING:
            joined.settled[outcome] += 1
    joined.began = len(joined.waits.keys() - held.keys())


def _waits(waits: dict[Place, ToldTruth], told: ToldTruth, *, has_room: bool) -> Outcome:
    """Add a row without a prediction to *waits*, or let it replace the row that waits there."""
    other = waits.get(told.place)
    if other is None:
        if not has_room:
            return Outcome.TOO_MANY_WAITING
        waits[told.place] = told
        return Outcome.WAITING
    outcome = compared(told, other.truth.value, other.truth.known_ns, other.source)
    if outcome is Outcome.CORRECTED:
        waits[told.place] = replace(told, arrived_ns=other.arrived_ns)
    return outcome
