"""Entity tags of answers, so that a page that asks again gets the answer only if it changed."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

# Browsers keep the answer, but ask each time whether it is still right.
REVALIDATED = "private, no-cache"
UNCACHED = {"cache-control": "no-store"}  # of answers to changes


def cached(request: Request, body: bytes, media_type: str) -> Response:
    """Return *body* with its entity tag, or 304 without it if the client already has it.

    The tag is a hash of the bytes. Equal data gives equal bytes in any order of arrival, so several
    collectors on one database agree on it.
    """
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"cache-control": REVALIDATED, "etag": tag, "vary": "accept, authorization, cookie"}
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _has(known: str, tag: str) -> bool:
    """Return whether the header If-None-Match has *tag*, strong or weak, or an asterisk."""
    return any(one.strip().removeprefix("W/") in {tag, "*"} for one in known.split(","))
