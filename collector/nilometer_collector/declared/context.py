"""What the checks of declared objects look at: the store, and what this collector allows."""

from collections.abc import Callable
from dataclasses import dataclass

from nilometer_collector.access.destinations import Allowed
from nilometer_collector.store import Store

NO_ADDRESS = Allowed()


def _any_name(entity: str) -> bool:
    del entity
    return True


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
        now_ns: Wall time at which warnings are made, Unix nanoseconds; 0 makes none about times.
    """

    store: Store
    functions: tuple[str, ...] = ()
    addresses: Allowed = NO_ADDRESS
    may_name: Callable[[str], bool] = _any_name
    may_use: Callable[[str], bool] | None = None
    now_ns: int = 0
