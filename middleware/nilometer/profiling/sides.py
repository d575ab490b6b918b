"""Decodes the request and the response of one observation to columns."""

from typing import NamedTuple

from nilometer.decode import Side, decode_exchange
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import Outcome, StreamEnd, UndecodableReason

BODYLESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_PREDICTED = frozenset({Outcome.OK.value, Outcome.UNKNOWN.value})


class Decoded(NamedTuple):
    """Result of decoding both sides of an observation, beside their columns.

    Attributes:
        undecodable: Reason why neither side has columns; empty if one has.
        lost_input: Reason why columns of the request are missing; empty if none is missing.
        lost_output: Reason why columns of the response are missing; empty if none is missing.
        stream_end: End of the stream, as the response itself reports it.
    """

    undecodable: str = ""
    lost_input: str = ""
    lost_output: str = ""
    stream_end: StreamEnd | None = None


NOT_DECODED = Decoded()


def decode_sides(observation: Observation, inputs: Side, outputs: Side) -> Decoded:
    """Decode both bodies and add their columns to *inputs* and *outputs*."""
    if observation.outcome not in _PREDICTED:
        return Decoded(undecodable=UndecodableReason.FAILED_REQUEST.value)
    if observation.values_only:
        return Decoded("" if observation.values else UndecodableReason.EMPTY.value)
    lost_input = lost_output = ""
    if observation.request_body or observation.query or observation.method not in BODYLESS:
        try:
            decode_exchange(
                observation.request_body,
                observation.request_type,
                observation.request_encoding,
                Role.INPUT,
                inputs,
                method=observation.method,
                path=observation.path,
                query=observation.query,
            )
        except Undecodable as error:
            lost_input = error.reason
    reported_end: StreamEnd | None = None
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
        reported_end = facts.stream_end
        lost_output = UndecodableReason.PARTIAL.value if facts.partial else ""
    except Undecodable as error:
        lost_output = error.reason
    undecodable = "" if inputs.rows or outputs.rows else lost_input or lost_output
    return Decoded(undecodable, lost_input, lost_output, reported_end)
