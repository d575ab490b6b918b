"""The fields in which two definitions of one object differ."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from nilometer_collector.store import Change


class FieldChange(NamedTuple):
    """A field that differs.

    Attributes:
        field: Name of the field; keys of a table in it follow after a dot.
        before: Its value as JSON text; None if it is not set.
        after: Its new value.
    """

    field: str
    before: str | None
    after: str | None


def fields_of(change: Change) -> list[FieldChange]:
    """Return the fields that *change* sets, changes or removes, in the order of their names."""
    before, after = (_flat(text) for text in (change.before, change.after))
    identity = {"entity", "name"}  # these never change
    return [
        FieldChange(name, before.get(name), after.get(name))
        for name in sorted((before.keys() | after.keys()) - identity)
        if before.get(name) != after.get(name)
    ]


def _flat(text: str | None) -> Mapping[str, str]:
    return dict(_fields("", msgspec.json.decode(text))) if text is not None else {}


def _fields(place: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _fields(f"{place}.{key}" if place else key, item)
    else:
        yield place, msgspec.json.encode(value).decode()
