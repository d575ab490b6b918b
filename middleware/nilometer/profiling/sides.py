"""The two sides of one exchange, from bytes to columns."""

from nilometer.decode import Side, decode_exchange
from nilometer.profile.feature import Cell
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import Outcome, StreamEnd, UndecodableReason

BODYLESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_PREDICTED = frozenset({Outcome.OK.value, Outcome.UNKNOWN.value})


def decode_sides(
    observation: Observation, inputs: Side, outputs: Side
) -> tuple[str | None, Cell, StreamEnd | None]:
    """Fill both sides.

    Returns:
        Why there are no columns (or None), the request's value, and the end that the answer
        tells of itself.
    """
    if observation.outcome not in _PREDICTED:
        return UndecodableReason.FAILED_REQUEST.value, None, None
    reason: str | None = None
    value: Cell = None
    if observation.values_only:
        return None if observation.values else UndecodableReason.EMPTY.value, None, None
    if observation.request_body or observation.query or observation.method not in BODYLESS:
        try:
            value = decode_exchange(
                observation.request_body,
                observation.request_type,
                observation.request_encoding,
                Role.INPUT,
                inputs,
                method=observation.method,
                path=observation.path,
                query=observation.query,
            ).value
        except Undecodable as error:
            reason = error.reason
    told_end: StreamEnd | None = None
    try:
        told_end = decode_exchange(
            observation.response_body,
            observation.response_type,
            observation.response_encoding,
            Role.OUTPUT,
            outputs,
            method=observation.method,
            path=observation.path,
        ).stream_end
    except Undecodable as error:
        reason = reason or error.reason
    return (None if inputs.rows or outputs.rows else reason), value, told_end
