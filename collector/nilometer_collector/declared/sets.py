"""Sets of objects: what was applied under one name, so that objects that are missing now can go."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from nilometer_collector.store import Key, SetObject, Store

KIND = "set"  # kind of the stored lists; no user declares one


class Sets:
    """The objects of each set.

    Args:
        store: Store of all objects.
    """

    def __init__(self, store: Store) -> None:
        self._members: Mapping[str, frozenset[Key]] = {
            key.name: frozenset(msgspec.json.decode(content, type=list[Key]))
            for key, content in store.history.objects(KIND).items()
        }

    def missing(self, name: str, present: Collection[Key]) -> list[Key]:
        """Return the objects of the set that are not *present*, and that no other set has."""
        others = {
            key for other, members in self._members.items() if other != name for key in members
        }
        return sorted(self._members.get(name, frozenset()) - set(present) - others)

    def commands(self, name: str, members: Iterable[Key]) -> list[SetObject]:
        """Return the command that makes *members* the objects of the set; none if they are."""
        wanted = frozenset(members)
        if wanted == self._members.get(name):
            return []
        content = msgspec.json.encode(sorted(wanted)).decode()
        return [SetObject(Key(KIND, "", name), content)]

    def with_members(self, name: str, more: Iterable[Key]) -> frozenset[Key]:
        """Return the objects of the set and *more*."""
        return self._members.get(name, frozenset()).union(more)
