"""What the worker socket takes: a batch that is within bounds, or the reason why not.

A message is looked at before it is parsed, because two bytes of an empty sub-message become some
eighty of memory; then its fields are, because one number that the outbox cannot store would keep
everything that is committed with it from being stored, for ever.

What breaks the contract ends its stream with INVALID_ARGUMENT and is not acknowledged. Observations
inside of a batch are another matter: they are another program's data, and `Engine` books those that
cannot be read as `malformed_batch`.
"""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from nilometer.values.entity import entity_name
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.wire.lean import MAX_MESSAGES, is_lean
from nilometer.wire.services import CaptureBatch

MAX_WORKER_BYTES = 64
MAX_LABELS = 64
MAX_SEQUENCE = (1 << 63) - 1  # what a column of the outbox holds
MAX_TIME_NS = 1 << 62  # the year 2116
MAX_LOST = 1 << 48  # observations in one batch: sums over a window stay far from 2 ** 63


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message was not taken, in words for who sent it."""

    reason: str


def taken(content: bytes) -> CaptureBatch | Refusal:
    """The batch in *content*, or why it is not taken. Never raises."""
    if not is_lean(content, CaptureBatch):
        return Refusal(f"a batch may hold {MAX_MESSAGES} messages: send fewer partials at once")
    try:
        batch = CaptureBatch.FromString(content)
    except DecodeError as error:
        return Refusal(f"not a CaptureBatch of nilometer.v1: {error}")
    reason = _wrong(batch)
    return Refusal(f"batch {batch.sequence}: {reason}") if reason else batch


def _wrong(batch: CaptureBatch) -> str:
    """What is wrong with a batch; empty where nothing is."""
    if not 1 <= len(batch.worker) <= MAX_WORKER_BYTES:
        return (
            f"worker has {len(batch.worker)} bytes: name each process by 1 to {MAX_WORKER_BYTES}, "
            "such as 16 random ones"
        )
    if not 1 <= batch.sequence <= MAX_SEQUENCE:
        return "sequence must count 1, 2, 3 ..., below 2 ** 63"
    if batch.dropped_unix_nano > MAX_TIME_NS:
        return f"dropped_unix_nano = {batch.dropped_unix_nano}: must be Unix nanoseconds"
    if sum(batch.dropped.values()) > MAX_LOST:
        return f"dropped: over {MAX_LOST} observations"
    if len(batch.labels) > MAX_LABELS:
        return f"{len(batch.labels)} labels: at most {MAX_LABELS}"
    try:
        entity_name(batch.entity)
        Labels.of(dict(batch.labels))
    except ConfigError as error:
        return str(error)
    return ""
