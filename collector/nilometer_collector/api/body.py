"""Reads request bodies: JSON of at most 1 MiB, with exactly the declared structure."""

import json
import math
import re
from contextlib import suppress
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from nilometer_collector.api.problems import ApiError
from nilometer_collector.limits.bounds import has_control

MAX_BODY_BYTES = 1 << 20

_PLACE = re.compile(r" - at (?:`key` in )?`(?:key in )?\$\.?([^`]*)`$")
_NAMED = re.compile(r"^Object (?:missing required|contains unknown) field `([^`]*)`")

T = TypeVar("T")


async def read_json(request: Request, kind: type[T]) -> T:
    """Read the body and decode it as *kind*.

    Raises:
        ApiError: 413 if it is too large, 415 if its content type is not JSON, 400 if it is not
            valid JSON, 422 if it is not a *kind*.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "the content type of the body must be application/json")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > MAX_BODY_BYTES:
        raise ApiError(413, f"the body is over {MAX_BODY_BYTES} bytes")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise ApiError(413, f"the body is over {MAX_BODY_BYTES} bytes")
    except ClientDisconnect as error:
        raise ApiError(400, "the connection ended before the whole body arrived") from error
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(422, str(error), _place(str(error))) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        field = _field_outside_json(bytes(body))
        detail = f"{field}: is not a value of JSON: {error}" if field else f"is not JSON: {error}"
        raise ApiError(400, f"the body: {detail}", field) from error


def _place(message: str) -> str:
    """Return the field of the body that msgspec's *message* is about; empty for the whole body."""
    place, named = _PLACE.search(message), _NAMED.search(message)
    found = [match[1] for match in (place, named) if match is not None and match[1]]
    return ".".join(found)


def _field_outside_json(body: bytes) -> str:
    """Return the field whose value only Python reads: NaN, infinity, or half of a surrogate pair.

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
