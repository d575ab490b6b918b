"""Checks of logged predictions before they are stored, each prediction separately."""

from collections import Counter
from typing import NamedTuple

from nilometer.predictions import PredictionRecord, batch_from_bytes, faults_in
from nilometer.values.entity import entity_name
from nilometer.values.labels import Labels
from nilometer_collector.errors import Refused
from nilometer_collector.limits.rows import check_labels

FROM_FUTURE = (
    "the time is too far in the future: set the clock that is wrong, or raise the collector's "
    "`future_seconds`"
)


class CheckedPredictions(NamedTuple):
    """The predictions of a batch.

    Attributes:
        allowed: Predictions that may be stored.
        refused: Number of the others, by reason.
        from_future_ns: Earliest time that is too far in the future, Unix nanoseconds; None without.
    """

    allowed: list[PredictionRecord]
    refused: Counter[str]
    from_future_ns: int | None


def checked_predictions(entity: str, content: bytes, latest_ns: int) -> CheckedPredictions:
    """Check each prediction of a batch separately.

    Args:
        entity: Entity that the sender names, for which its rights are known.
        content: Batch as MessagePack bytes.
        latest_ns: Latest allowed time of a prediction, Unix nanoseconds.

    Raises:
        BatchUnreadable: If the bytes are not a batch.
        Refused: If the batch belongs to another entity, or its labels exceed a limit.
        ConfigError: If the entity's name or a label set is not allowed.
    """
    batch = batch_from_bytes(content)
    if batch.entity != entity_name(entity):
        raise Refused("the batch of predictions is of another entity than its row says")
    for pairs in batch.label_sets:
        check_labels(Labels.of(pairs))
    faults = faults_in(batch)
    allowed: list[PredictionRecord] = []
    early: list[int] = []
    for at, record in enumerate(batch.records()):
        if at not in faults:
            if record.time_ns <= latest_ns:
                allowed.append(record)
            else:
                early.append(record.time_ns)
    refused = Counter(faults.values())
    if early:
        refused[FROM_FUTURE] = len(early)
    return CheckedPredictions(allowed, refused, min(early, default=None))
