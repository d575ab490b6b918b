"""Sets of objects: what was applied under one name, so that objects that are missing now can go."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from nilometer_collector.access.rights import Forbidden
from nilometer_collector.access.workspaces import owner_of
from nilometer_collector.declared.kind import Plain, StoredKind, named_first, text_of
from nilometer_collector.errors import Conflict
from nilometer_collector.store import Change, Command, Key, Store

KIND = "set"
MOST_SETS = 256  # most sets of one workspace
MOST_MEMBERS = 10_000  # most objects of one set

NO_MEMBERS: frozenset[Key] = frozenset()


class SetDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """The objects of a set.

    Attributes:
        name: Name of the set; that of a workspace has the form ``workspace/name``.
        owner: Principal that has applied it first.
        objects: Names of its objects, ascending, by kind and entity; an object without an entity is
            under the empty text.
    """

    name: str
    owner: str
    objects: dict[str, dict[str, list[str]]]

    @property
    def members(self) -> frozenset[Key]:
        """Identities of its objects."""
        return frozenset(
            Key(kind, entity, name)
            for kind, by_entity in self.objects.items()
            for entity, names in by_entity.items()
            for name in names
        )

    @classmethod
    def of(cls, name: str, owner: str, members: Iterable[Key]) -> "SetDefinition":
        """Return the set of *members*."""
        objects: dict[str, dict[str, list[str]]] = {}
        for key in sorted(members):
            objects.setdefault(key.kind, {}).setdefault(key.entity, []).append(key.name)
        return cls(name=name, owner=owner, objects=objects)


class SetObjects(StoredKind[SetDefinition]):
    """Sets. No document has one: `apply` makes them."""

    name = KIND
    plural = "sets"
    definition = SetDefinition
    is_for_all = True

    def key(self, definition: SetDefinition) -> Key:
        """Return the identity of the set."""
        return set_key(definition.name)

    def key_named(self, entity: str, name: str) -> Key:
        """Return the identity; a set needs only its name."""
        del entity
        return set_key(name)

    def checked(self, definition: SetDefinition) -> Plain:
        """Return the set as JSON values."""
        return named_first(msgspec.to_builtins(definition))

    def stored(self, store: Store, entity: str | None = None) -> dict[Key, Plain]:
        """Return all sets; those of one entity are none."""
        found = Sets(store).all if entity in {None, ""} else {}
        return {set_key(name): self.checked(one) for name, one in found.items()}


@dataclass(frozen=True, slots=True)
class PartOf:
    """The set that the objects of a document belong to.

    Attributes:
        name: Name of the set.
        caller: Principal that applies the document; it owns the set if the set is new.
        may_change: Function that returns whether the caller may change a set of another owner.
    """

    name: str
    caller: str = ""
    may_change: Callable[[str], bool] = lambda _: True

    def require(self, sets: "Sets") -> None:
        """Refuse a set of another owner.

        Raises:
            Forbidden: If the caller may not change it.
        """
        known = sets.all.get(self.name)
        if known is not None and known.owner != self.caller and not self.may_change(self.name):
            raise Forbidden(f"set {self.name!r} belongs to another principal")


class Sets:
    """The objects of each set.

    Args:
        store: Store of all objects.
    """

    def __init__(self, store: Store) -> None:
        self.all: Mapping[str, SetDefinition] = {
            key.name: read_set(key.name, text) for key, text in store.history.objects(KIND).items()
        }

    def members(self, name: str) -> frozenset[Key]:
        """Return the objects of the set *name*; none if it does not exist."""
        known = self.all.get(name)
        return NO_MEMBERS if known is None else known.members

    def missing(self, name: str, present: Collection[Key]) -> list[Key]:
        """Return the objects of the set that are not *present*, and that no other set has.

        A set that is made for the first time at the same moment may still lose an object to this
        one; its next apply creates the object again.
        """
        others = {key for other, one in self.all.items() if other != name for key in one.members}
        return sorted(self.members(name) - set(present) - others)

    def change(
        self, name: str, owner: str, members: Collection[Key]
    ) -> tuple[Change, Command] | None:
        """Return the change that makes *members* the objects of the set; None if they are.

        Args:
            name: Name of the set.
            owner: Owner of the set if it is new.
            members: Identities of its objects; without any, the set is removed.

        Raises:
            Conflict: If there would be too many sets or objects; its field is ``set``.
        """
        known, kind = self.all.get(name), SetObjects()
        if frozenset(members) == self.members(name):
            return None
        self._check(name, members)
        before = None if known is None else text_of(kind.checked(known))
        if not members:
            return Change(key=set_key(name), before=before, after=None), kind.remove(set_key(name))
        wanted = SetDefinition.of(name, owner if known is None else known.owner, members)
        after = text_of(kind.checked(wanted))
        return Change(key=set_key(name), before=before, after=after), kind.put(wanted)

    def _check(self, name: str, members: Collection[Key]) -> None:
        if len(members) > MOST_MEMBERS:
            raise Conflict(
                f"set = {name!r}: would have {len(members)} objects, at most {MOST_MEMBERS}: prune "
                "it, or use several sets",
                "set",
            )
        others = [one for one in self.all if one != name and owner_of(one) == owner_of(name)]
        if name not in self.all and len(others) >= MOST_SETS:
            raise Conflict(
                f"set = {name!r}: there are {len(others)} sets already, at most {MOST_SETS}", "set"
            )


def set_key(name: str) -> Key:
    """Return the identity of the set *name*."""
    return Key(KIND, "", name)


def read_set(name: str, text: str) -> SetDefinition:
    """Return the stored set *name*; an older version has stored a list of its objects."""
    found = msgspec.json.decode(text, type=SetDefinition | list[Key])
    return SetDefinition.of(name, "", found) if isinstance(found, list) else found
