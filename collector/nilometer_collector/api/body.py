"""Reads request bodies: JSON of at most 1 MiB, with exactly the declared structure."""

import json
import math
import re
from collections.abc import Collection
from contextlib import suppress
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from nilometer_collector.api.problems import ApiError
from nilometer_collector.limits.bounds import OF_DATA, control_in, has_control

MAX_BODY_BYTES = 1 << 20
MAX_EXACT = 1 << 53  # float64 holds whole numbers below this exactly

_PLACE = re.compile(r" - at (?:`key` in )?`(?:key in )?\$\.?([^`]*)`$")
_NAMED = re.compile(r"^Object (?:missing required|contains unknown) field `([^`]*)`")

_FLOAT_FOR_INT = "Expected `int`, got `float`"

T = TypeVar("T")


async def read_json(request: Request, kind: type[T], most_bytes: int = MAX_BODY_BYTES) -> T:
    """Read the body, at most *most_bytes*, and decode it as *kind*.

    Raises:
        ApiError: 413 if it is too large, 415 if its content type is not JSON, 400 if it is not
            valid JSON, 422 if it is not a *kind*.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "the content type of the body must be application/json")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > most_bytes:
        raise ApiError(413, f"the body is over {most_bytes} bytes")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_bytes:
                raise ApiError(413, f"the body is over {most_bytes} bytes")
    except ClientDisconnect as error:
        raise ApiError(400, "the connection ended before the whole body arrived") from error
    return decoded(bytes(body), kind)


def decoded(body: bytes, kind: type[T]) -> T:
    """Decode *body*, or one field of it, as *kind*.

    Raises:
        ApiError: 400 if it is not valid JSON, 422 if it is not a *kind*.
    """
    try:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            if _FLOAT_FOR_INT not in str(error):
                raise
            whole = _with_whole_numbers(msgspec.json.decode(body))
            return msgspec.json.decode(msgspec.json.encode(whole), type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(422, str(error), _place(str(error))) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        field = _field_outside_json(body)
        detail = f"{field}: is not a value of JSON: {error}" if field else f"is not JSON: {error}"
        raise ApiError(400, f"the body: {detail}", field) from error


def refuse_controls(value: msgspec.Struct, of_data: Collection[str] = OF_DATA) -> None:
    """Refuse control characters in the texts and keys of *value*, as `control_in` does.

    Raises:
        ApiError: 422 if there is one; the error has the place and the character.
    """
    found = control_in(value, of_data)
    if found is not None:
        raise ApiError(422, found.sentence, found.place)


def _with_whole_numbers(value: object) -> object:
    """Return a JSON value with 2.0 converted to 2: JSON Schema treats them as equal."""
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT:
        return int(value)
    if isinstance(value, dict):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    return value


def _place(message: str) -> str:
    """Return the field that msgspec's *message* names; empty for the whole body."""
    place, named = _PLACE.search(message), _NAMED.search(message)
    found = [match[1] for match in (place, named) if match is not None and match[1]]
    return ".".join(found)


def _field_outside_json(body: bytes) -> str:
    """Return the field with a value that Python accepts but JSON does not allow, such as NaN.

    Returns:
        The name of the first such field; empty if the body is malformed in another way.
    """
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        for name, value in pairs:
            is_odd = isinstance(value, float) and not math.isfinite(value)
            if is_odd or (isinstance(value, str) and has_control(value)):
                found.append(name)

    with suppress(ValueError, RecursionError):
        json.loads(body, object_pairs_hook=look)
    return found[0] if found else ""
