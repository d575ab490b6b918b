"""Checks of logged predictions before they are stored, each prediction separately."""

from collections import Counter

from nilometer.predictions import PredictionRecord, batch_from_bytes, faults_in
from nilometer.values.entity import entity_name
from nilometer.values.labels import Labels
from nilometer_collector.errors import Refused
from nilometer_collector.limits.rows import check_labels


def checked_predictions(entity: str, content: bytes) -> tuple[list[PredictionRecord], Counter[str]]:
    """Return the allowed predictions of a batch, and the number of the others by reason.

    Args:
        entity: Entity that the sender names, for which its rights are known.
        content: Batch as MessagePack bytes.

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
    allowed = [record for at, record in enumerate(batch.records()) if at not in faults]
    return allowed, Counter(faults.values())
