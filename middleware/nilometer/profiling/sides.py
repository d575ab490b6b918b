"""Decodes the request and the response of one observation to columns."""

from functools import partial
from typing import NamedTuple

from nilometer.decode import Facts, Side, decode_exchange
from nilometer.decode.known import Known
from nilometer.decode.lists import Lists
from nilometer.decode.probes import BODYLESS
from nilometer.decode.said import NOTHING_SAID, Said, said_by
from nilometer.profile import SpecOf
from nilometer.profiling.admission import Names
from nilometer.profiling.observation import Observation
from nilometer.profiling.stream_facts import NO_FACTS, StreamFacts
from nilometer.values.entity import Role, summary_name
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import ConnectionEnd, Outcome, UndecodableReason
from nilometer.values.redacted import WITHHELD
from nilometer.values.request_rules import NO_RULES, RequestRules

PREDICTED = frozenset({Outcome.OK.value, Outcome.UNKNOWN.value})
NOT_INFERENCE = UndecodableReason.NOT_INFERENCE.value
_UNANSWERED = frozenset({ConnectionEnd.REFUSED.value, ConnectionEnd.SERVER_ERROR.value})


class Decoded(NamedTuple):
    """Result of decoding both sides of an observation, besides their columns.

    Attributes:
        undecodable: Reason why neither side has columns; empty if one side has columns.
        lost_input: Reason why columns of the request are missing; empty if none are missing. A body
            without rows counts as ``empty``, like an absent body.
        lost_output: Reason why columns of the response are missing; empty if none are missing.
        said: Model and version, as far as the path and the bodies name them.
        is_taken: Whether a decoder accepted the body of the request.
        stream: Facts from the stream of the response.
        prediction_id: Prediction id in the request, else in the response; may be empty.
    """

    undecodable: str = ""
    lost_input: str = ""
    lost_output: str = ""
    said: Said = NOTHING_SAID
    is_taken: bool = False
    stream: StreamFacts = NO_FACTS
    prediction_id: str = ""


def known_of(names: Names, spec_of: SpecOf) -> tuple[Known, Known]:
    """Return what decoders should know about the inputs and about the outputs of an entity.

    Args:
        names: Admitted names of the entity.
        spec_of: Function that returns the spec of a feature. A list whose name a reference or a
            setting expects stays one column.
    """

    def is_expected(role: Role, name: str) -> bool:
        spec = spec_of(summary_name(role, name))
        return bool(spec.expected or spec.embedding or spec.score or spec.bounds or spec.dictionary)

    return (
        Known(names.is_input, Lists(partial(is_expected, Role.INPUT))),
        Known(names.is_output, Lists(partial(is_expected, Role.OUTPUT))),
    )


def is_answered(observation: Observation) -> bool:
    """Return whether the server knows the model or route of a request."""
    if observation.websocket is not None:
        return observation.outcome not in _UNANSWERED
    return observation.outcome in PREDICTED


def decode_sides(
    observation: Observation,
    inputs: Side,
    outputs: Side,
    known: tuple[Known, Known],
    rules: RequestRules = NO_RULES,
) -> Decoded:
    """Decode both bodies and add their columns to *inputs* and *outputs*.

    Args:
        observation: Observation to decode.
        inputs: Side that the columns of the request are added to.
        outputs: Side that the columns of the response are added to.
        known: Names and lists of the inputs and of the outputs of the entity.
        rules: Rules that include requests as predictions.
    """
    said = said_by(observation.path, None, None)
    if observation.websocket is not None:
        return Decoded(undecodable=UndecodableReason.WEBSOCKET.value, said=said)
    if observation.outcome not in PREDICTED:
        return Decoded(undecodable=UndecodableReason.FAILED_REQUEST.value, said=said)
    if observation.values_only:
        undecodable = "" if observation.values else _without_values(observation)
        return Decoded(undecodable, said=said)
    lost_input, request = "", None
    if (
        observation.request_body
        or observation.query
        or observation.method not in BODYLESS
        or observation.request_type == WITHHELD
    ):
        lost_input, request = decode_request(observation, inputs, known[0], rules)
        if lost_input == NOT_INFERENCE:
            return Decoded(lost_input, lost_input, said=said)
    lost_output, response = _decode_response(observation, outputs, known[1], rules)
    return Decoded(
        "" if inputs.rows or outputs.rows else lost_input or lost_output,
        lost_input,
        lost_output,
        said_by(observation.path, request, response),
        request is not None,
        NO_FACTS if response is None else StreamFacts.of(observation, response),
        (request and request.prediction_id) or (response and response.prediction_id) or "",
    )


def decode_request(
    observation: Observation, side: Side, known: Known, rules: RequestRules = NO_RULES
) -> tuple[str, Facts | None]:
    """Decode a request; return the reason for missing columns (may be empty), and facts."""
    try:
        facts = decode_exchange(
            observation.request_body,
            observation.request_type,
            observation.request_encoding,
            Role.INPUT,
            side,
            method=observation.method,
            path=observation.path,
            is_included=_is_included(observation, rules),
            query=observation.query,
            header_length=observation.header_lengths[0] if observation.header_lengths else "",
            known=known,
        )
    except Undecodable as error:
        return error.reason, None
    return _missing(side, facts), facts


def _decode_response(
    observation: Observation, side: Side, known: Known, rules: RequestRules
) -> tuple[str, Facts | None]:
    """Decode a response; return the reason for missing columns (may be empty), and facts."""
    try:
        facts = decode_exchange(
            observation.response_body,
            observation.response_type,
            observation.response_encoding,
            Role.OUTPUT,
            side,
            method=observation.method,
            path=observation.path,
            is_included=_is_included(observation, rules),
            header_length=observation.header_lengths[1] if observation.header_lengths else "",
            ends=observation.response_ends,
            known=known,
        )
    except Undecodable as error:
        return error.reason, None
    return _missing(side, facts), facts


def _is_included(observation: Observation, rules: RequestRules) -> bool:
    """Return whether a rule, or values that the application logged, make a prediction of it."""
    one = observation
    if one.values:
        return True
    return bool(rules) and bool(rules.match(one.method, one.path, one.request_type))


def _missing(side: Side, facts: Facts) -> str:
    """Return the reason why columns of a decoded body are missing; empty if none are missing."""
    if not side.rows:
        return UndecodableReason.EMPTY.value
    return UndecodableReason.PARTIAL.value if facts.partial else ""


def _without_values(observation: Observation) -> str:
    """Return the reason why an observation in ``values`` mode has no values."""
    if observation.request_type == WITHHELD:
        return UndecodableReason.WITHHELD.value
    return UndecodableReason.EMPTY.value
