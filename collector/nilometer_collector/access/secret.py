"""Secret texts that must not appear in logs or errors."""

import re
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")


class Secret:
    """A secret text that only `reveal` returns; false if empty."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret text, for the single place that uses it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret('...')" if self._text else "Secret('')"

    __str__ = __repr__


def shown_url(url: str) -> str:
    """Return the public part of *url*, as ``https://host/...``; ``?`` if it is no such URL.

    A text that is not quite a URL may have its secret where a URL has its host.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "?"
    if parts.scheme not in {"https", "http"} or not _HOST.fullmatch(host):
        return "?"
    return f"{parts.scheme}://{host}/..."
