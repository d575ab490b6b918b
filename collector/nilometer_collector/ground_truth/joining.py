"""Decides what becomes of rows of ground truth, given the log and what is known already.

A label is identified by its prediction. So it does not matter in which order labels and predictions
arrive, or how often: the stored label of a prediction is the one that became known last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from nilometer.predictions import PredictionRecord
from nilometer_collector.ground_truth.truths import (
    KnownTruth,
    Outcome,
    PredictionKey,
    ToldTruth,
)

NO_WINDOW = 0  # window of a label that is not counted yet

Found: TypeAlias = PredictionRecord | Outcome  # a prediction, or why none can be joined


class Changed(msgspec.Struct, gc=False):
    """A prediction whose label changes.

    Attributes:
        prediction: Logged prediction.
        before: Label that is counted now; None without one.
        after: Label that is counted afterwards.
        arrived_ns: Wall time at which its first label arrived.
        rows: Positions of the rows that made the change.
    """

    prediction: PredictionRecord
    before: KnownTruth | None
    after: KnownTruth
    arrived_ns: int
    rows: list[int]


@dataclass(slots=True)
class Decided:
    """What becomes of the rows of a chunk.

    Attributes:
        outcomes: Outcome of each row.
        changes: Labels to count, by prediction.
        confirmed: Labels that became known again later, by prediction.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    changes: dict[PredictionKey, Changed] = field(default_factory=dict)
    confirmed: dict[PredictionKey, KnownTruth] = field(default_factory=dict)


def decide(
    rows: Sequence[tuple[PredictionKey, ToldTruth]],
    known: Mapping[PredictionKey, KnownTruth],
    found: Mapping[PredictionKey, Found],
) -> Decided:
    """Return what becomes of *rows*, in order.

    Args:
        rows: Rows with the identity of their predictions.
        known: Stored labels of their predictions.
        found: Logged predictions. A key that is left out is not in the log.
    """
    decided = Decided()
    for at, (key, told) in enumerate(rows):
        change = decided.changes.get(key)
        current = decided.confirmed.get(key, known.get(key)) if change is None else change.after
        prediction = found.get(key)
        outcome = _outcome(told, current, prediction)
        decided.outcomes.append(outcome)
        if outcome is Outcome.REPEATED and current is not None:
            if told.truth.known_ns > current.known_ns:
                later = replace(current, known_ns=told.truth.known_ns)
                if change is None:
                    decided.confirmed[key] = later
                else:
                    change.after = later
            continue
        if outcome is not Outcome.JOINED and outcome is not Outcome.CORRECTED:
            continue
        if not isinstance(prediction, PredictionRecord):
            raise TypeError(f"{outcome} without a prediction")
        window = NO_WINDOW if current is None else current.window
        after = KnownTruth(told.truth.value, told.truth.known_ns, told.source, window)
        if change is None:
            change = Changed(prediction, current, after, told.arrived_ns, [])
            decided.changes[key] = change
        change.after = after
        change.rows.append(at)
    return decided


def compared(told: ToldTruth, value: str, known_ns: int, source: int) -> Outcome:
    """Return what a row is beside another label of the same prediction.

    Args:
        told: Row of ground truth.
        value: Value of the other label.
        known_ns: Time at which the other label became known; 0 if not told.
        source: Number of the source that told the other label.
    """
    if told.truth.value == value:
        return Outcome.REPEATED
    if told.truth.known_ns and told.truth.known_ns < known_ns:
        return Outcome.OUTDATED
    if told.source == source and told.truth.known_ns == known_ns:
        return Outcome.CONTRADICTORY
    return Outcome.CORRECTED


def _outcome(told: ToldTruth, current: KnownTruth | None, prediction: Found | None) -> Outcome:
    if current is not None:
        outcome = compared(told, current.value, current.known_ns, current.source)
        if outcome is not Outcome.CORRECTED:
            return outcome
        if prediction is None:
            return Outcome.EXPIRED
    if prediction is None:
        return Outcome.WAITING
    if isinstance(prediction, Outcome):
        return prediction
    return Outcome.JOINED if current is None else Outcome.CORRECTED
