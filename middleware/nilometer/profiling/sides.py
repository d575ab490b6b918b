"""The two sides of one exchange, from bytes to columns."""

from typing import NamedTuple

from nilometer.decode import Side, decode_exchange
from nilometer.profile.feature import Cell
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import Outcome, StreamEnd, UndecodableReason

BODYLESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_PREDICTED = frozenset({Outcome.OK.value, Outcome.UNKNOWN.value})


class Decoded(NamedTuple):
    """What decoding both sides of an observation told beside their columns.

    Attributes:
        undecodable: Why there are no columns at all; empty where there are some.
        lost_input: Why the request gave no columns, or not all; empty where it did, or where it
            has none to give.
        lost_output: The same of the answer.
        request: The request's value.
        stream_end: What the answer tells of its own end.
    """

    undecodable: str = ""
    lost_input: str = ""
    lost_output: str = ""
    request: Cell = None
    stream_end: StreamEnd | None = None


NOT_DECODED = Decoded()


def decode_sides(observation: Observation, inputs: Side, outputs: Side) -> Decoded:
    """Fill both sides."""
    if observation.outcome not in _PREDICTED:
        return Decoded(undecodable=UndecodableReason.FAILED_REQUEST.value)
    if observation.values_only:
        return Decoded("" if observation.values else UndecodableReason.EMPTY.value)
    lost_input = lost_output = ""
    value: Cell = None
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
            lost_input = error.reason
    told_end: StreamEnd | None = None
    try:
        facts = decode_exchange(
            observation.response_body,
            observation.response_type,
            observation.response_encoding,
            Role.OUTPUT,
            outputs,
            method=observation.method,
            path=observation.path,
            ends=observation.response_ends,
        )
        told_end = facts.stream_end
        lost_output = UndecodableReason.PARTIAL.value if facts.partial else ""
    except Undecodable as error:
        lost_output = error.reason
    undecodable = "" if inputs.rows or outputs.rows else lost_input or lost_output
    return Decoded(undecodable, lost_input, lost_output, value, told_end)
