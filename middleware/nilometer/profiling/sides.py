"""Decodes the request and the response of one observation to columns."""

from collections.abc import Mapping
from typing import NamedTuple

from nilometer.decode import Side, decode_exchange
from nilometer.decode.lists import Lists
from nilometer.profile.feature import Cell
from nilometer.profiling.admission import Names
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
        lost_input: Reason why columns of the request are missing; empty if none is missing. A
            body without rows is lost as ``empty``, like an absent one.
        lost_output: Reason why columns of the response are missing; empty if none is missing.
        request: Parsed JSON of the request.
        stream_end: End of the stream, as the response itself reports it.
    """

    undecodable: str = ""
    lost_input: str = ""
    lost_output: str = ""
    request: Cell = None
    stream_end: StreamEnd | None = None


NOT_DECODED = Decoded()


def decode_sides(
    observation: Observation,
    inputs: Side,
    outputs: Side,
    names: Names,
    lists: Mapping[Role, Lists],
) -> Decoded:
    """Decode both bodies and add their columns to *inputs* and *outputs*.

    Args:
        observation: Observation to decode.
        inputs: Side that the columns of the request are added to.
        outputs: Side that the columns of the response are added to.
        names: Admitted names of the entity.
        lists: Lists of both sides that have a fixed length.
    """
    if observation.outcome not in _PREDICTED:
        return Decoded(undecodable=UndecodableReason.FAILED_REQUEST.value)
    if observation.values_only:
        return Decoded("" if observation.values else UndecodableReason.EMPTY.value)
    request_length, response_length = observation.header_lengths or ("", "")
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
                header_length=request_length,
                is_name=names.is_input,
                lists=lists[Role.INPUT],
            ).value
            if not inputs.rows:
                lost_input = UndecodableReason.EMPTY.value
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
            header_length=response_length,
            is_name=names.is_output,
            lists=lists[Role.OUTPUT],
            ends=observation.response_ends,
        )
        reported_end = facts.stream_end
        if not outputs.rows:
            lost_output = UndecodableReason.EMPTY.value
        elif facts.partial:
            lost_output = UndecodableReason.PARTIAL.value
    except Undecodable as error:
        lost_output = error.reason
    undecodable = "" if inputs.rows or outputs.rows else lost_input or lost_output
    return Decoded(undecodable, lost_input, lost_output, value, reported_end)
