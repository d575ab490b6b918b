"""Texts that must not be shown."""

from urllib.parse import urlsplit


class Secret:
    """A text that only `reveal` shows; empty where none is set."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for the one place that uses it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret('...')" if self._text else "Secret('')"

    __str__ = __repr__


def shown_url(url: str) -> str:
    """As much of *url* as may be shown: ``https://host/...``."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "?"
    except ValueError:
        return "?"
    return f"{parts.scheme}://{host}/..."
