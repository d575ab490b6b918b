"""What the checks of declared objects look at: the store, and what this collector allows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nilometer_collector.access.destinations import Allowed
from nilometer_collector.store import Key, Store

NO_ADDRESS = Allowed()


def _any_name(entity: str) -> bool:
    del entity
    return True


@dataclass(frozen=True, slots=True)
class Planned:
    """What the same transaction puts and removes, besides the object that is checked.

    Attributes:
        definitions: Definitions of a document, by the name of their kind.
        gone: Objects that are removed.
    """

    definitions: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    gone: Collection[Key] = ()


NOTHING_PLANNED = Planned()


@dataclass(frozen=True, slots=True)
class DeclareContext:
    """What the checks of declared objects look at.

    Attributes:
        store: Store of all objects.
        functions: Patterns of the Python functions that objects may name; without one, none.
        addresses: Addresses that receivers may have, besides public ones.
        may_name: Function that returns whether a warning may reveal an entity.
        may_use: Function that returns whether a warning may be about a channel or target; None for
            all of them if *may_name* allows every entity, else for none.
        planned: What the same transaction puts and removes.
        is_dry_run: Whether nothing is changed. The answer then tells nothing about stored secrets.
        now_ns: Wall time at which warnings are made, Unix nanoseconds; 0 makes none about times.
    """

    store: Store
    functions: tuple[str, ...] = ()
    addresses: Allowed = NO_ADDRESS
    may_name: Callable[[str], bool] = _any_name
    may_use: Callable[[str], bool] | None = None
    planned: Planned = NOTHING_PLANNED
    is_dry_run: bool = False
    now_ns: int = 0
