"""Entity tags, which let a client download an answer again only if it has changed."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

# Browsers cache the answer, but check each time whether it has changed.
REVALIDATED = "private, no-cache"
UNCACHED = {"cache-control": "no-store"}  # for responses to changes


def cached(request: Request, body: bytes, media_type: str) -> Response:
    """Return *body* with its entity tag, or status 304 if the client already has it.

    The tag is a hash of the bytes. The bytes do not depend on the order of arrival, so several
    collectors on one database make the same tag.
    """
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"cache-control": REVALIDATED, "etag": tag, "vary": "accept, authorization, cookie"}
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _has(known: str, tag: str) -> bool:
    """Return whether the header If-None-Match matches *tag*: strong, weak, or by an asterisk."""
    return any(one.strip().removeprefix("W/") in {tag, "*"} for one in known.split(","))
