"""Caches for WSGI headers, which are text and mostly repeat a few values.

Each cache is bounded, because a client may choose a value.
"""

from collections.abc import Collection

TYPE, LENGTH = b"content-type", b"content-length"
MAX_TEXTS = 256  # most texts in a cache
MAX_CHARACTERS = 128  # most characters of a text in a cache


class HeaderNames(dict[str, "bytes | None"]):
    """Cache of the names of response headers; None for a header that is not recorded.

    Args:
        wanted: Names to record, in lower case.
    """

    def __init__(self, wanted: Collection[bytes]) -> None:
        super().__init__()
        self._wanted = {name.decode("latin-1"): name for name in wanted}

    def __missing__(self, name: str) -> bytes | None:
        found = self._wanted.get(name.lower())
        if len(self) < MAX_TEXTS and len(name) < MAX_CHARACTERS:
            self[name] = found
        return found


class ContentTypes(dict[str, tuple[tuple[bytes, bytes]]]):
    """Cache of headers with one content type, because a few values repeat."""

    def __missing__(self, value: str) -> tuple[tuple[bytes, bytes]]:
        headers = ((TYPE, value.encode("latin-1", "replace")),)
        if len(self) < MAX_TEXTS and len(value) < MAX_CHARACTERS:
            self[value] = headers
        return headers


class Statuses(dict[str, int]):
    """The number in a status line, such as 200 for ``200 OK``."""

    def __missing__(self, status: str) -> int:
        number = int(status[:3])
        if len(self) < MAX_TEXTS and len(status) < MAX_CHARACTERS:
            self[status] = number
        return number


content_types = ContentTypes()
statuses = Statuses()
