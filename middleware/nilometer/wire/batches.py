"""Reads ``CaptureBatch``, the protobuf form of a batch that gRPC clients send."""

from nilometer.v1.agent_pb2 import CaptureBatch
from nilometer.wire.frames import Batch, Cost
from nilometer.wire.lean import MAX_MESSAGES, is_lean, number_in
from nilometer.wire.parse import parsed

TOO_MANY_MESSAGES = f"a batch may hold {MAX_MESSAGES} messages: send fewer partials at once"


class TooManyMessages(ValueError):
    """A batch contains more messages than `MAX_MESSAGES`.

    Attributes:
        sequence: Sequence of the batch; 0 if it has none.
    """

    def __init__(self, sequence: int) -> None:
        super().__init__(TOO_MANY_MESSAGES)
        self.sequence = sequence


def batch_from_bytes(content: bytes) -> Batch:
    """Return the batch in an encoded ``CaptureBatch``.

    Raises:
        TooManyMessages: If the batch contains more messages than `MAX_MESSAGES`.
        ValueError: If the bytes are invalid.
    """
    if not is_lean(content, CaptureBatch):
        raise TooManyMessages(number_in(content, CaptureBatch.SEQUENCE_FIELD_NUMBER))
    message = parsed(CaptureBatch, content)
    cost = message.cost
    return Batch(
        worker=message.worker,
        sequence=message.sequence,
        entity=message.entity,
        count=message.count,
        labels=dict(message.labels),
        event_time_field=message.event_time_field,
        dropped=dict(message.dropped),
        dropped_unix_nano=message.dropped_unix_nano,
        cost=Cost(
            cpu_seconds=cost.cpu_seconds,
            requests=cost.requests,
            exceeded_seconds=cost.exceeded_seconds,
            p99_seconds=cost.p99_seconds,
            share=cost.share,
        )
        if message.HasField("cost")
        else None,
        partials=[partial.SerializeToString() for partial in message.partials],
        observations=message.observations,
        event_time_unit=message.event_time_unit,
        event_time_zone=message.event_time_zone,
        include=list(message.include),
    )
