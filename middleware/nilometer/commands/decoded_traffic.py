"""Decodes recorded traffic: the outcome, the identity and the columns of each exchange."""

import json
import math
from dataclasses import dataclass, field

import numpy as np

from nilometer.bodies.media import is_plain
from nilometer.commands.traffic_files import Exchange, Message
from nilometer.decode import Facts, Side, decode_exchange
from nilometer.decode.columns import Column
from nilometer.decode.identity import prediction_id
from nilometer.decode.management import managed
from nilometer.decode.probes import BODYLESS
from nilometer.decode.said import Said, said_by
from nilometer.profile.feature import Cell
from nilometer.profiling.observation import Observation
from nilometer.profiling.predictions import Predictions
from nilometer.profiling.sides import Decoded
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import Outcome, StreamEnd, UndecodableReason
from nilometer.values.request_rules import RequestRules

EXCLUDED = "excluded"  # shown instead of a reason: a rule excludes the request
SHOWN_CELLS = 4  # most cells of a column in text output; --json shows all
SHOWN_CHARACTERS = 60  # most characters of the shown cells of a column
_HEADER_LENGTH = "inference-header-content-length"


@dataclass(frozen=True, slots=True)
class SeenSide:
    """The decoded columns of a request or a response.

    Attributes:
        facts: Facts besides the columns; None if nothing was decoded.
        undecodable: Reason why there are no columns or no rows; otherwise empty.
        rows: Number of rows of the columns.
        columns: Cells by column name.
    """

    facts: Facts | None = None
    undecodable: str = ""
    rows: int = 0
    columns: dict[str, Column] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return a JSON object; unknown values are left out."""
        if self.facts is None:
            return {"undecodable": self.undecodable} if self.undecodable else {}
        facts = self.facts
        end = facts.stream_end.value if facts.stream_end else None
        told = {
            "prediction_id": facts.prediction_id,
            "model": facts.model,
            "model_version": facts.model_version,
            "input_tokens": facts.input_tokens,
            "output_tokens": facts.output_tokens,
            "stream_end": end,
            "partial": facts.partial or None,
        }
        return {
            "protocol": facts.protocol.value,
            **{name: value for name, value in told.items() if value not in {None, ""}},
            "rows": self.rows,
            "columns": {name: _plain(cells) for name, cells in self.columns.items()},
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """The decoded exchange: the outcome, the identity, and both sides.

    Attributes:
        exchange: Recorded exchange.
        outcome: Outcome of the request.
        prediction_id: Prediction id, or empty.
        request: Columns of the request.
        response: Columns of the response.
        excluded_by: Rule that excludes the request, or empty.
        included_by: Rule that includes it as a prediction, or empty.
        is_prediction: Whether it is a prediction.
    """

    exchange: Exchange
    outcome: Outcome
    prediction_id: str
    request: SeenSide = SeenSide()
    response: SeenSide = SeenSide()
    excluded_by: str = ""
    included_by: str = ""
    is_prediction: bool = True

    @property
    def undecodable(self) -> str:
        """Reason why neither side has columns; empty if one side has some, as in coverage."""
        if self.excluded_by:
            return EXCLUDED
        if not self.is_prediction:
            return UndecodableReason.NOT_INFERENCE.value
        if self.request.rows or self.response.rows:
            return ""
        return self.request.undecodable or self.response.undecodable

    @property
    def does(self) -> str:
        """What a call that prepares or manages something does; otherwise empty."""
        if self.is_prediction:
            return ""
        one, request = self.exchange, self.exchange.request
        body = request.body if is_plain(request.content_encoding) else None
        return managed(one.method, one.path, body, request.content_type, one.query)

    @property
    def said(self) -> Said:
        """Model and version, as the exchange names them."""
        return said_by(self.exchange.path, self.request.facts, self.response.facts)

    def as_json(self) -> dict[str, object]:
        """Return the exchange as a JSON object."""
        rules = {
            "excluded_by": self.excluded_by,
            "included_by": self.included_by,
            "manages": self.does,
        }
        return {
            "case": self.exchange.case,
            "method": self.exchange.method,
            "path": self.exchange.path,
            "status": self.exchange.status,
            "outcome": self.outcome.value,
            "prediction_id": self.prediction_id,
            "undecodable": self.undecodable,
            **{name: rule for name, rule in rules.items() if rule},
            "request": self.request.as_json(),
            "response": self.response.as_json(),
        }

    def lines(self) -> list[str]:
        """Return the exchange as lines of text."""
        exchange = self.exchange
        head = [exchange.case, exchange.method, exchange.path, str(exchange.status)]
        why = self.excluded_by or self.included_by or self.does
        told = [self.undecodable, f"({why})" if why else ""]
        lines = ["  ".join(one for one in (*head, self.outcome.value, *told) if one)]
        model = " ".join(one for one in self.said if one)
        if model and not self.excluded_by:
            lines.append(f"    model {model}")
        if self.prediction_id:
            lines.append(f"    id {self.prediction_id}")
        for role, side in ((Role.INPUT, self.request), (Role.OUTPUT, self.response)):
            lines += _lines(role, side)
        return lines


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules that select requests, and what earlier requests showed.

    Attributes:
        include: Rules for requests that are predictions.
        exclude: Rules for requests that are not observed.
        predictions: Routes on which predictions were seen.
    """

    include: RequestRules = field(default_factory=RequestRules)
    exclude: RequestRules = field(default_factory=RequestRules)
    predictions: Predictions = field(default_factory=Predictions)


def see(exchange: Exchange, selection: Selection | None = None) -> Seen:
    """Decode *exchange* as an agent would; every query parameter counts as named."""
    selection = selection or Selection()
    at = exchange.method, exchange.path, exchange.request.content_type
    excluded_by = selection.exclude.match(*at)
    if excluded_by:
        return Seen(exchange, exchange.outcome, "", excluded_by=excluded_by)
    request = response = SeenSide()
    is_included = bool(selection.include.match(*at))
    if exchange.outcome is not Outcome.OK:
        request = SeenSide(undecodable=UndecodableReason.FAILED_REQUEST.value)
    else:
        if exchange.request.body or exchange.query or exchange.method not in BODYLESS:
            request = _see(exchange, exchange.request, Role.INPUT, is_included=is_included)
        if request.undecodable == UndecodableReason.NOT_INFERENCE.value:
            response = request
        else:
            response = _see(exchange, exchange.response, Role.OUTPUT, is_included=is_included)
    decoded = Decoded(lost_input=request.undecodable, is_taken=request.facts is not None)
    is_prediction = selection.predictions.is_one(
        observation_of(exchange), decoded, selection.include, response.rows
    )
    failed = response.facts is not None and response.facts.stream_end is StreamEnd.ERROR
    return Seen(
        exchange,
        Outcome.SERVER_ERROR if failed else exchange.outcome,
        prediction_id(
            request.facts, response.facts, exchange.request.headers, exchange.response.headers
        ),
        request if is_prediction else _left_out(request),
        response if is_prediction else _left_out(response),
        included_by=selection.include.match(*at),
        is_prediction=is_prediction,
    )


def _left_out(side: SeenSide) -> SeenSide:
    """Return a side without its columns, because the request is not a prediction."""
    return (
        side if side == SeenSide() else SeenSide(undecodable=UndecodableReason.NOT_INFERENCE.value)
    )


def observation_of(exchange: Exchange, arrival_ns: int = 0, latency: float = 0.0) -> Observation:
    """Return *exchange* as a middleware observes it, without its headers.

    Args:
        exchange: Recorded exchange.
        arrival_ns: Start of the request, in Unix nanoseconds.
        latency: Seconds until the response was passed on.
    """
    request, response = exchange.request, exchange.response
    return Observation(
        arrival_ns=arrival_ns,
        latency=latency,
        status=exchange.status,
        outcome=exchange.outcome.value,
        method=exchange.method,
        path=exchange.path,
        request_size=len(request.body or b""),
        response_size=len(response.body or b""),
        request_type=request.content_type,
        request_encoding=request.content_encoding,
        response_type=response.content_type,
        response_encoding=response.content_encoding,
        request_body=request.body,
        response_body=response.body,
        query=exchange.query,
    )


def _see(exchange: Exchange, message: Message, role: Role, *, is_included: bool) -> SeenSide:
    side = Side()
    try:
        facts = decode_exchange(
            message.body,
            message.content_type,
            message.content_encoding,
            role,
            side,
            method=exchange.method,
            path=exchange.path,
            is_included=is_included,
            query=exchange.query,
            header_length=message.headers.get(_HEADER_LENGTH, ""),
        )
    except Undecodable as error:
        return SeenSide(undecodable=error.reason)
    empty = "" if side.rows else UndecodableReason.EMPTY.value
    return SeenSide(facts, empty, side.rows, side.columns(set()))


def _plain(cells: Cell) -> object:
    """Return *cells* in JSON types: no arrays, no bytes, no NaN."""
    if isinstance(cells, np.ndarray):
        cells = cells.tolist()
    if isinstance(cells, np.generic):
        return cells.item()
    if isinstance(cells, list | tuple):
        return [_plain(cell) for cell in cells]
    if isinstance(cells, dict):
        return {name: _plain(cell) for name, cell in cells.items()}
    if isinstance(cells, float) and not math.isfinite(cells):
        return str(cells)
    if isinstance(cells, bytes):
        return f"<{len(cells)} bytes>"
    return cells


def _lines(role: Role, side: SeenSide) -> list[str]:
    if side.facts is None:
        return [f"    {role.value}: {side.undecodable}"] if side.undecodable else []
    told = {
        name: value
        for name, value in side.as_json().items()
        if name not in {"protocol", "prediction_id", "rows", "columns"}
    }
    facts = "".join(f"  {name}={value}" for name, value in told.items())
    lines = [f"    {role.value}: {side.facts.protocol.value}, {side.rows} rows{facts}"]
    columns = side.columns if side.rows else {}
    width = max(map(len, columns), default=0)
    for name, cells in columns.items():
        shown = ", ".join(_shown(cell) for cell in cells[:SHOWN_CELLS])
        more = ", ..." if len(cells) > SHOWN_CELLS else ""
        lines.append(f"        {name.ljust(width)}  {_cut(shown)}{more}")
    return lines


def _shown(cell: Cell) -> str:
    """Return a cell as it is read: text in quotes, `nan` and infinite numbers without."""
    if isinstance(cell, float | np.floating) and not math.isfinite(cell):
        return str(float(cell))
    return json.dumps(_plain(cell), ensure_ascii=True)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
