"""Ground truth of logged predictions as MessagePack bytes: what an agent ships of feedback.

The bytes are untrusted: `ground_truth_from_bytes` checks types and lengths. The collector checks ids
and values like those of ground truth that users send.
"""

from collections.abc import Sequence

import msgspec

from nilometer.predictions.batch import MAX_ROWS, BatchUnreadable
from nilometer.predictions.record import Scalar


class GroundTruth(msgspec.Struct, frozen=True, array_like=True):
    """The later, correct output of one prediction.

    Attributes:
        prediction_id: Id of the prediction.
        row: Index of the row in its request, from 0.
        value: True class or true number.
        known_ns: Time at which it became known, Unix nanoseconds; 0 if nobody said.
    """

    prediction_id: str
    row: int
    value: Scalar
    known_ns: int = 0


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[GroundTruth])


def ground_truth_to_bytes(rows: Sequence[GroundTruth]) -> bytes:
    """Return *rows*, at most `MAX_ROWS` of one entity, as MessagePack bytes."""
    return _ENCODER.encode(rows)


def ground_truth_from_bytes(content: bytes) -> list[GroundTruth]:
    """Return the rows in *content*.

    Raises:
        BatchUnreadable: If the bytes are not 1 to `MAX_ROWS` rows.
    """
    try:
        rows = _DECODER.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BatchUnreadable(f"not rows of ground truth: {error}") from error
    if not 0 < len(rows) <= MAX_ROWS:
        raise BatchUnreadable(f"{len(rows)} rows of ground truth, must be 1 to {MAX_ROWS}")
    return rows
