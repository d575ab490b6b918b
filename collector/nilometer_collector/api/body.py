"""Request bodies: JSON, at most 1 MiB, exactly the structure that is declared."""

from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from nilometer_collector.api.problems import ApiError

MAX_BODY_BYTES = 1 << 20

T = TypeVar("T")


async def read_json(request: Request, kind: type[T]) -> T:
    """The body as *kind*.

    Raises:
        ApiError: 413 when it is too large, 415 when it is not said to be JSON, 400 when it is not
            JSON, 422 when it is not a *kind*.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "the body must be application/json")
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
        raise ApiError(400, "the body is cut short") from error
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(422, str(error)) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
