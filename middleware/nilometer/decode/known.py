"""Facts about one side of an entity that are known before a body is decoded."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from nilometer.decode.lists import Lists

IsName: TypeAlias = Callable[[str], bool]


def is_no_name(text: str) -> bool:
    """Return False, because no name is known."""
    del text
    return False


class Known(NamedTuple):
    """Known names and lists of the requests, or of the responses, of one entity.

    Attributes:
        is_name: Function that returns whether a text is a known or declared column name. It
            distinguishes a header of words from a row of words.
        lists: Record of the lists that have a fixed length; None if no list is known yet.
    """

    is_name: IsName = is_no_name
    lists: Lists | None = None


NOTHING_KNOWN = Known()
