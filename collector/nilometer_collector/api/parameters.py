"""Query parameters, strictly: what is not declared, repeated or out of bounds is refused."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import KEY, LabelFilter
from nilometer_collector.api.problems import ApiError
from nilometer_collector.limits.bounds import LAST_NS, MAX_NAME_BYTES, has_control

MAX_QUERY_BYTES = 16 << 10
MAX_LABELS = 64
MAX_STEP_SECONDS = 400 * 86_400
LAST_SECONDS = LAST_NS // NANOSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One query parameter, as the document describes it.

    Attributes:
        schema: JSON Schema of one value.
        repeated: Whether it may come more than once.
    """

    name: str
    about: str
    schema: Mapping[str, Any]
    required: bool = False
    repeated: bool = False


def _text(name: str, about: str, *, required: bool = False) -> Parameter:
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES}
    return Parameter(name=name, about=about, schema=schema, required=required)


_TIME = {"type": "number", "minimum": 0, "maximum": LAST_SECONDS}

ENTITY = _text("entity", "Name of the monitored entity.", required=True)
ANY_ENTITY = _text("entity", "Name of the monitored entity; all where it is left out.")
SUMMARY = _text("summary", "Name of the summary, such as input.amount.", required=True)
NAME = _text("name", "Name of the alerter.", required=True)
REFERENCE = _text("reference", "Name of the reference to compare with.")
START = Parameter(name="start", about="Unix seconds: windows that end after it.", schema=_TIME)
END = Parameter(name="end", about="Unix seconds: windows that start before it.", schema=_TIME)
STEP = Parameter(
    name="step",
    about="Seconds of the aligned windows to merge into; shorter windows only.",
    schema={"type": "integer", "minimum": 1, "maximum": MAX_STEP_SECONDS},
)
LABEL = Parameter(
    name="label",
    about="key:value. Values of one key are alternatives; all keys must match.",
    schema={"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}:", "maxLength": 2 * MAX_NAME_BYTES},
    repeated=True,
)
OPEN = Parameter(
    name="open",
    about="true: open episodes only; false: closed ones only.",
    schema={"type": "boolean"},
)


class Given:
    """The parameters of a request, checked against those that are *declared*.

    Raises:
        ApiError: 422, naming the parameter.
    """

    def __init__(self, request: Request, declared: tuple[Parameter, ...]) -> None:
        if len(request.scope["query_string"]) > MAX_QUERY_BYTES:
            raise ApiError(422, f"the query is over {MAX_QUERY_BYTES} bytes")
        by_name = {parameter.name: parameter for parameter in declared}
        self._values: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            parameter = by_name.get(name)
            if parameter is None:
                known = ", ".join(sorted(by_name)) or "none"
                raise ApiError(422, f"{name[:64]!r}: there is no such parameter; known: {known}")
            if has_control(value):
                raise ApiError(422, f"{name}: must not hold control characters")
            values = self._values.setdefault(name, [])
            values.append(value)
            if len(values) > (MAX_LABELS if parameter.repeated else 1):
                raise ApiError(422, f"{name}: is given too often")
        for parameter in declared:
            if parameter.required and parameter.name not in self._values:
                raise ApiError(422, f"{parameter.name}: is required")

    def text(self, parameter: Parameter) -> str | None:
        """A text of 1 to 256 bytes, or None."""
        value = self._one(parameter)
        if value is None:
            return None
        if not 0 < len(value.encode("utf-8", "replace")) <= MAX_NAME_BYTES:
            raise ApiError(422, f"{parameter.name}: must be 1 to {MAX_NAME_BYTES} bytes")
        return value

    def required(self, parameter: Parameter) -> str:
        """A text that must be there."""
        value = self.text(parameter)
        if value is None:
            raise ApiError(422, f"{parameter.name}: is required")
        return value

    def time_ns(self, parameter: Parameter, default: int) -> int:
        """Unix seconds, as nanoseconds."""
        value = self._one(parameter)
        if value is None:
            return default
        number = _number(value)
        if number is None or not 0 <= number <= LAST_SECONDS:
            raise ApiError(422, f"{parameter.name}: must be Unix seconds, 0 to {LAST_SECONDS}")
        whole = math.floor(number)
        return whole * NANOSECONDS + round((number - whole) * NANOSECONDS)

    def step_ns(self, parameter: Parameter) -> int | None:
        """Whole seconds, as nanoseconds; or None."""
        value = self._one(parameter)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise ApiError(422, f"{parameter.name}: must be a whole number of seconds")
        if not 1 <= int(value) <= MAX_STEP_SECONDS:
            raise ApiError(422, f"{parameter.name}: must be 1 to {MAX_STEP_SECONDS} seconds")
        return int(value) * NANOSECONDS

    def boolean(self, parameter: Parameter) -> bool | None:
        """``true`` or ``false``; or None."""
        value = self._one(parameter)
        if value not in {None, "true", "false"}:
            raise ApiError(422, f"{parameter.name}: must be true or false")
        return None if value is None else value == "true"

    def labels(self, parameter: Parameter) -> LabelFilter:
        """The filter of all ``key:value``."""
        pairs = []
        for text in self._values.get(parameter.name, []):
            key, separator, value = text.partition(":")
            if not separator or not KEY.fullmatch(key) or len(value) > MAX_NAME_BYTES:
                raise ApiError(422, f"{parameter.name}: {text[:64]!r} must be key:value")
            pairs.append((key, value))
        return LabelFilter.of(pairs)

    def _one(self, parameter: Parameter) -> str | None:
        values = self._values.get(parameter.name)
        return values[0] if values else None


def _number(text: str) -> float | None:
    """A plain finite number; Python's own extras (nan, 1_000, other digits) are refused."""
    if len(text) > 32 or not set(text) <= set("0123456789.eE+-"):
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
