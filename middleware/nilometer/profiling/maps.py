"""Finds objects whose keys keep changing, such as objects keyed by user.

Such an object is called a map. Its number of keys becomes a feature, and its new keys do not.
"""

from collections.abc import Iterable, Iterator

from nilometer.bodies.column_names import VALUE
from nilometer.values.value_like import MAX_NAME

MAX_WATCHED = 256  # most objects of a side whose new keys are counted, and most maps of a side
CHANGING = 8  # requests with new keys that make a nested object a map
CHANGING_BODY = 32  # the same for the body, whose optional fields appear one after the other
WITHIN = 4  # an object is a map only if at least one of this many requests brings new keys
QUIET = 1024  # requests without a new key after which a map becomes an object again


class Maps:
    """The objects on one side of an entity, and which of them are maps. Not thread-safe.

    The name of an object is the common start of its dotted names, without the last dot. The body
    has an empty name. `MAX_WATCHED` limits the memory.
    """

    __slots__ = ("_changes", "_latest", "_objects")

    def __init__(self) -> None:
        self._objects: set[str] = set()  # objects that contain an admitted name
        self._changes: dict[str, list[int]] = {}  # by object, its latest requests with new keys
        # Maps with the latest request that had a new key, oldest first.
        self._latest: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._latest)

    def __contains__(self, parent: object) -> bool:
        return parent in self._latest

    def __iter__(self) -> Iterator[str]:
        return iter(self._latest)

    def learn(self, name: str) -> None:
        """Learn the objects that contain the admitted *name*."""
        self._objects.update(parents(name))

    def learn_only(self, names: Iterable[str]) -> None:
        """Learn the objects that contain the admitted *names*, and forget all others."""
        self._objects = {parent for name in names for parent in parents(name)}

    def parent_of(self, name: str) -> str:
        """Return the innermost known object that contains *name*; empty for the body."""
        return next((parent for parent in parents(name) if parent in self._objects), "")

    def change(self, parent: str, request: int) -> int | None:
        """Record that a request brought new keys in an object.

        Args:
            parent: Name of the object.
            request: Number of the request; numbers increase.

        Returns:
            Number of the first of the requests that made the object a map. None if it already was a
            map, or is not one.
        """
        if self._latest.pop(parent, None) is not None:
            self._latest[parent] = request
            return None
        enough = CHANGING if parent else CHANGING_BODY
        before: list[int] = self._changes.pop(parent, [])
        changes = [*before, request][-enough:] if request not in before else before
        if len(self._changes) >= MAX_WATCHED:
            del self._changes[next(iter(self._changes))]
        self._changes[parent] = changes
        often = len(changes) == enough and request - changes[0] < WITHIN * enough
        if not often or len(self._latest) >= MAX_WATCHED:
            return None
        del self._changes[parent]
        self._latest[parent] = request
        return changes[0]

    def forget_quiet(self, request: int) -> list[str]:
        """Forget the maps without a new key in the last `QUIET` requests; return their names."""
        quiet: list[str] = []
        for parent, latest in self._latest.items():
            if request - latest <= QUIET:
                break
            quiet.append(parent)
        for parent in quiet:
            del self._latest[parent]
        return quiet

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Return the number of keys of each map in a row with dotted *names*.

        One pass over the names finds all maps, so the cost does not grow with the number of maps.
        """
        keys: dict[str, set[str]] = {}
        body = "" in self._latest
        for name in names:
            if body:
                keys.setdefault("", set()).add(name.partition(".")[0])
            end = name.find(".", 1)
            while 0 < end <= MAX_NAME:  # a known object's name is not longer
                parent, start = name[:end], end + 1
                end = name.find(".", start)
                if parent in self._latest:
                    key = name[start:] if end < 0 else name[start:end]
                    keys.setdefault(parent, set()).add(key)
        return {parent: len(found) for parent, found in keys.items()}


def size_of(parent: str) -> str:
    """Return the feature name for a map's size, in the style of `nilometer.profile.derived`."""
    return f"{parent or VALUE}.size"


def parents(name: str) -> Iterator[str]:
    """Yield the objects that contain *name*, innermost first: ``a.b``, ``a`` for ``a.b.c``."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
