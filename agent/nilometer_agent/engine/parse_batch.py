"""Parsing of batches from the worker sockets: returns a valid batch, or the reason to refuse it.

The structure of a message is checked before it is parsed, because two bytes of an empty sub-message
need about eighty bytes of memory. Then its fields are checked, because one number that the outbox
cannot store would block every commit that contains it.

A batch that breaks the contract is refused with the reason, and its connection stays open. The
observations inside a batch are not checked here, because they hold data of another program.
`Engine` counts unreadable observations as `malformed_batch`.
"""

from dataclasses import dataclass

from nilometer.values.entity import entity_name, entity_or_template
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.wire.batches import TOO_MANY_MESSAGES, TooManyMessages, batch_from_bytes
from nilometer.wire.frames import (
    MAX_COUNT,
    MAX_LABELS,
    MAX_PARTIALS,
    MAX_RULES,
    MAX_SEQUENCE,
    MAX_TIME_NS,
    MAX_WORKER_BYTES,
    Batch,
)
from nilometer.wire.lean import are_lean_samples


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a message was refused, worded for its sender.

    Attributes:
        reason: Reason in words.
        sequence: Sequence of the refused batch; 0 if the message is no batch.
    """

    reason: str
    sequence: int = 0


def parse_batch(content: bytes) -> Batch | Refusal:
    """Return the batch in the bytes of a ``CaptureBatch``, or the reason to refuse it. Never raises."""
    try:
        batch = batch_from_bytes(content)
    except TooManyMessages as error:
        return Refusal(str(error), error.sequence)
    except ValueError as error:
        return Refusal(str(error))
    reason = problem_of(batch)
    return Refusal(reason, batch.sequence) if reason else batch


def problem_of(batch: Batch) -> str:
    """Return what is wrong with a batch; empty if it is valid."""
    if not 1 <= len(batch.worker) <= MAX_WORKER_BYTES:
        return (
            f"worker has {len(batch.worker)} bytes: must be 1 to {MAX_WORKER_BYTES}, such as 16 "
            "random bytes for each process"
        )
    if not 1 <= batch.sequence <= MAX_SEQUENCE:
        return "sequence must count 1, 2, 3 ..., below 2 ** 63"
    if batch.count > MAX_COUNT:
        return f"count = {batch.count}: over {MAX_COUNT} observations"
    if batch.dropped_unix_nano > MAX_TIME_NS:
        return f"dropped_unix_nano = {batch.dropped_unix_nano}: must be Unix nanoseconds"
    if sum(batch.dropped.values()) > MAX_COUNT:
        return f"dropped: over {MAX_COUNT} observations"
    for what, count, most in (
        ("partials", len(batch.partials), MAX_PARTIALS),
        ("labels", len(batch.labels), MAX_LABELS),
        ("rules in include", len(batch.include), MAX_RULES),
    ):
        if count > most:
            return f"{count} {what}: at most {most}"
    try:
        # Workers decoded the bodies of partial profiles, so their entity is known.
        (entity_name if batch.partials else entity_or_template)(batch.entity)
        Labels.of(batch.labels)
    except ConfigError as error:
        return str(error)
    return "" if are_lean_samples(batch.partials) else TOO_MANY_MESSAGES
