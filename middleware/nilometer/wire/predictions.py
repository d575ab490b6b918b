"""Batches of logged predictions, and their ground truth, in the protobuf message of a row."""

from collections.abc import Sequence

from nilometer.predictions import (
    GroundTruth,
    PredictionBatch,
    batch_to_bytes,
    ground_truth_to_bytes,
)
from nilometer.v1.collector_pb2 import PredictionBatch as Message


def batch_to_row(batch: PredictionBatch) -> bytes:
    """Return *batch* as an encoded message, which names its entity."""
    message = Message(monitored_entity=batch.entity, content=batch_to_bytes(batch))
    return message.SerializeToString()


def ground_truth_to_row(entity: str, rows: Sequence[GroundTruth]) -> bytes:
    """Return *rows* of ground truth of *entity* as an encoded message."""
    message = Message(monitored_entity=entity, ground_truth=ground_truth_to_bytes(rows))
    return message.SerializeToString()
