"""Batches of logged predictions in the protobuf message of a row."""

from nilometer.predictions import PredictionBatch, batch_to_bytes
from nilometer.v1.collector_pb2 import PredictionBatch as Message


def batch_to_row(batch: PredictionBatch) -> bytes:
    """Return *batch* as an encoded message, which names its entity."""
    message = Message(monitored_entity=batch.entity, content=batch_to_bytes(batch))
    return message.SerializeToString()
