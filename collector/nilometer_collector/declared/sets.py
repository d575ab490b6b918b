"""Sets of objects: what was applied under one name, so that objects that are missing now can go."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import msgspec

from nilometer_collector.access.rights import LOCAL, Forbidden
from nilometer_collector.access.workspaces import owner_of
from nilometer_collector.declared.kind import Plain, StoredKind, as_stored, named_first, text_of
from nilometer_collector.errors import Conflict
from nilometer_collector.store import Change, Command, Key, Store
from nilometer_collector.store.written import Unread, read_content

KIND = "set"
MOST_SETS = 256  # most sets of one workspace
MOST_OWNED = 64  # most sets of one owner in it, so that no principal takes the room of all
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
        return self.listed(store, entity)[0]

    def unread(self, store: Store) -> dict[Key, Unread]:
        """Return why this version cannot read a set, for each that it cannot read."""
        return self.listed(store)[1]

    def listed(
        self, store: Store, entity: str | None = None
    ) -> tuple[dict[Key, Plain], dict[Key, Unread]]:
        """Return what `stored` and `unread` return; each set is read once."""
        found: dict[Key, Plain] = {}
        unread: dict[Key, Unread] = {}
        texts = store.history.objects(KIND) if entity in {None, ""} else {}
        for key, text in texts.items():
            read = read_set(key.name, text)
            if isinstance(read, Unread):
                unread[key], found[key] = read, as_stored(key, text)
            else:
                found[key] = self.checked(read)
        return found, unread


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
        known = sets.read(self.name)
        if known is not None and known.owner != self.caller and not self.may_change(self.name):
            raise Forbidden(f"set {self.name!r} belongs to another principal")


class Sets:
    """The objects of each set. Each set is read when it is asked for.

    Args:
        store: Store of all objects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, SetDefinition | None] = {}

    def read(self, name: str) -> SetDefinition | None:
        """Return the set *name*; None if it does not exist.

        Raises:
            Conflict: If a newer version wrote it; its field is ``set``.
        """
        if name not in self._read:
            text = self._store.history.object(set_key(name))
            self._read[name] = None if text is None else _readable_set(name, text)
        return self._read[name]

    def members(self, name: str) -> frozenset[Key]:
        """Return the objects of the set *name*; none if it does not exist."""
        known = self.read(name)
        return NO_MEMBERS if known is None else known.members

    def missing(self, name: str, present: Collection[Key]) -> tuple[list[Key], list[str]]:
        """Return the objects of the set that are not *present*, and that no other set has.

        A set that is made for the first time at the same moment may still lose an object to this
        one; its next apply creates the object again.

        Returns:
            The objects, ascending, and the names of the other sets that were looked at.

        Raises:
            Conflict: If a newer version wrote one of the sets, which may have what is missing; its
                field is ``set``.
        """
        gone = self.members(name) - set(present)
        if not gone:
            return [], []
        texts = {key.name: text for key, text in self._store.history.objects(KIND).items()}
        texts.pop(name, None)
        others: set[Key] = set()
        for other, text in texts.items():
            found = read_set(other, text)
            if isinstance(found, Unread):  # it may belong to others, so the error does not name it
                raise Conflict(
                    f"set = {name!r}: cannot be pruned, because a newer collector wrote another set, "
                    "which may have the same objects: upgrade this collector",
                    "set",
                )
            others |= found.members
        return sorted(gone - others), list(texts)

    def change(
        self, name: str, owner: str, members: Collection[Key]
    ) -> tuple[Change, Command] | None:
        """Return the change that makes *members* the objects of the set; None if they are.

        The history gets the objects that leave and those that come, not those that stay.

        Args:
            name: Name of the set.
            owner: Owner of the set if it is new.
            members: Identities of its objects; without any, the set is removed.

        Raises:
            Conflict: If there would be too many sets or objects; its field is ``set``.
        """
        known, kind, now = self.read(name), SetObjects(), self.members(name)
        wanted = frozenset(members)
        if wanted == now:
            return None
        self._check(name, owner, wanted)
        owner = owner if known is None else known.owner
        leave, come = (
            text_of(kind.checked(SetDefinition.of(name, owner, one)))
            for one in (now - wanted, wanted - now)
        )
        change = Change(
            key=set_key(name),
            before=None if known is None else leave,
            after=come if wanted else None,
        )
        if not wanted:
            return change, kind.remove(set_key(name))
        return change, kind.put(SetDefinition.of(name, owner, wanted))

    def _check(self, name: str, owner: str, members: Collection[Key]) -> None:
        if len(members) > MOST_MEMBERS:
            raise Conflict(
                f"set = {name!r}: would have {len(members)} objects, at most {MOST_MEMBERS}: prune "
                "it, or use several sets",
                "set",
            )
        if self.read(name) is not None:
            return
        texts = self._store.history.objects(KIND)
        others = {
            key.name: text for key, text in texts.items() if owner_of(key.name) == owner_of(name)
        }
        if len(others) >= MOST_SETS:
            raise Conflict(
                f"set = {name!r}: there are {len(others)} sets already, at most {MOST_SETS}", "set"
            )
        if owner in {"", LOCAL}:  # without principals, one owner has the room of all
            return
        found = (read_set(other, text) for other, text in others.items())
        owned = sum(isinstance(one, SetDefinition) and one.owner == owner for one in found)
        if owned >= MOST_OWNED:
            raise Conflict(
                f"set = {name!r}: {owner} owns {owned} sets already, at most "
                f"{MOST_OWNED}: prune one to nothing, which removes it",
                "set",
            )


def members_before(
    name: str, now: frozenset[Key], changes: Iterable[tuple[str | None, str | None]]
) -> frozenset[Key]:
    """Return the objects of the set *name* before *changes*.

    Older versions have stored all objects on both sides of a change. The result is the same.

    Args:
        name: Name of the set.
        now: Objects after the changes.
        changes: What left and what came with each change, as the history has them, newest first.

    Raises:
        Conflict: If a newer version wrote one of them.
    """
    for before, after in changes:
        leave, come = (
            NO_MEMBERS if text is None else _readable_set(name, text).members
            for text in (before, after)
        )
        now = (now - come) | leave
    return now


def set_key(name: str) -> Key:
    """Return the identity of the set *name*."""
    return Key(KIND, "", name)


def read_set(name: str, text: str) -> SetDefinition | Unread:
    """Return the stored set *name*; an older version has stored a list of its objects."""
    if text.startswith("["):
        return SetDefinition.of(name, "", msgspec.json.decode(text, type=list[Key]))
    return read_content(text, SetDefinition)


def _readable_set(name: str, text: str) -> SetDefinition:
    """Return the stored set *name*.

    Raises:
        Conflict: If a newer version wrote it.
    """
    found = read_set(name, text)
    if isinstance(found, Unread):
        raise Conflict(f"set = {name!r}: {found.warning}", "set")
    return found
