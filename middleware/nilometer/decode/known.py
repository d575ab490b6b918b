"""What is known of one side of an entity when a body of it is decoded."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from nilometer.decode.lists import Lists

IsName: TypeAlias = Callable[[str], bool]


def is_no_name(text: str) -> bool:
    """Return False: no name is known."""
    del text
    return False


class Known(NamedTuple):
    """Names and lists of the requests, or of the responses, of one entity.

    Attributes:
        is_name: Function that returns whether a text is the known or declared name of a column. It
            tells a header of words from a row of words.
        lists: Lists that have a fixed length; None knows none yet.
    """

    is_name: IsName = is_no_name
    lists: Lists | None = None


NOTHING_KNOWN = Known()
