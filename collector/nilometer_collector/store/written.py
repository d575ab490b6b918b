"""Stored objects in the form of this version. One of a newer version is set aside; others go on."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import msgspec

MOST_LOGGED = 10_000  # objects of which the process remembers that it has logged them

log = logging.getLogger("nilometer.collector")

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Unread:
    """A stored object that this version cannot read.

    Attributes:
        reason: What is unknown, such as a field of a newer version.
    """

    reason: str

    @property
    def warning(self) -> str:
        """Sentence for the lists of objects."""
        return (
            f"is set aside, because this collector cannot read it ({self.reason}): upgrade the "
            "collector, or apply the object again"
        )


def read_content(content: str, kind: type[T]) -> T | Unread:
    """Return the object in *content*, or why it cannot be read; the reason is logged once."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        return _set_aside(kind.__name__, _title(content), str(error))


def readable_of(contents: Iterable[str], kind: type[T]) -> list[T]:
    """Return the objects in *contents* without those that cannot be read."""
    found = (read_content(content, kind) for content in contents)
    return [one for one in found if not isinstance(one, Unread)]


def fields_of(content: str) -> dict[str, object]:
    """Return the fields in *content* as JSON values; none if it is no JSON object."""
    try:
        return msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.DecodeError, ValueError):
        return {}


def _title(content: str) -> str:
    """Return the entity and the name in *content*, as far as it has them."""
    known = fields_of(content)
    return " ".join(str(known[field]) for field in ("entity", "name") if field in known)


@lru_cache(maxsize=MOST_LOGGED)
def _set_aside(kind: str, title: str, reason: str) -> Unread:
    """Return the reason; each is logged once, because objects are read again and again."""
    log.warning(
        "stored object set aside, this collector cannot read it: upgrade the collector, or apply the "
        "object again",
        extra={"kind": kind, "object": title, "reason": reason},
    )
    return Unread(reason)
