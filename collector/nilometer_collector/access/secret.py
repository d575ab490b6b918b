"""Secret texts that must not appear in logs or errors."""

from urllib.parse import urlsplit


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
    """Return the public part of *url*, as ``https://host/...``."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "?"
    except ValueError:
        return "?"
    return f"{parts.scheme}://{host}/..."
