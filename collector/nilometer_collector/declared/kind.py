"""A kind of object that users declare, and what every kind does with its objects."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import ClassVar, Generic, TypeAlias, TypeVar

import msgspec

from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import OF_DATA, control_in
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import Command, Key, RemoveObject, SetObject, Store
from nilometer_collector.store.written import Unread, fields_of, read_content

Plain: TypeAlias = Mapping[str, object]  # a definition as JSON values, without defaults

D = TypeVar("D", bound=msgspec.Struct)


class Misdeclared(Refused):
    """A declared object is not allowed.

    Args:
        reason: Sentence that begins with the place of the mistake.
        field: Place of the mistake, such as ``alerters[0].threshold``.
    """

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(reason)
        self.field = field


class Kind(ABC, Generic[D]):
    """A kind of object.

    Attributes:
        name: Word for one object, such as ``alerter``.
        plural: Key of the list of these objects in a document.
        definition: Structure of a definition.
        names_itself: Field of a definition that holds the object's name.
        is_for_pattern: Whether objects belong to a pattern of entities, not to one entity.
        is_for_all: Whether objects belong to no entity, because they concern all of them.
    """

    name: ClassVar[str]
    plural: ClassVar[str]
    definition: type[D]
    names_itself: ClassVar[str] = "name"
    is_for_pattern: ClassVar[bool] = False
    is_for_all: ClassVar[bool] = False

    @abstractmethod
    def key(self, definition: D) -> Key:
        """Return the identity of the object."""

    def key_named(self, entity: str, name: str) -> Key:
        """Return the identity of the object *name* of *entity*."""
        return Key(self.name, entity, name)

    @abstractmethod
    def checked(self, definition: D) -> Plain:
        """Return the definition as JSON values, in the form of `stored`.

        Raises:
            ConfigError: If a value is not allowed; the message names the key and the value.
            Misdeclared: The same, with the place in the definition.
        """

    @abstractmethod
    def stored(self, store: Store, entity: str | None = None) -> dict[Key, Plain]:
        """Return all objects, or those of one entity, in order of their keys."""

    def unread(self, store: Store) -> Mapping[Key, Unread]:
        """Return why this version cannot read a stored object, for each that it cannot read."""
        del store
        return {}

    def listed(
        self, store: Store, entity: str | None = None
    ) -> tuple[Mapping[Key, Plain], Mapping[Key, Unread]]:
        """Return what `stored` and `unread` return."""
        return self.stored(store, entity), self.unread(store)

    @abstractmethod
    def put(self, definition: D) -> Command:
        """Return the command that creates or replaces the object."""

    @abstractmethod
    def remove(self, key: Key) -> Command:
        """Return the command that removes the object."""

    def completed(self, definition: D, context: DeclareContext) -> D:
        """Return the definition with what only the store knows, before it is checked.

        Raises:
            ConfigError: If this collector does not allow what it names; the message names the key.
            Misdeclared: The same, with the place in the definition.
        """
        del context
        return definition

    def check_removal(self, key: Key, context: DeclareContext) -> None:
        """Check that nothing needs the object after the transaction: see `DeclareContext.planned`.

        Raises:
            Conflict: If another object needs it; the message names that object.
        """

    def check_together(
        self, definitions: Sequence[D], stored: Mapping[Key, Plain], context: DeclareContext
    ) -> None:
        """Check the objects of a document against each other and against what is stored.

        Raises:
            Conflict: If they contradict each other; its field is a place such as
                ``[3].reads_from[0]``.
        """

    def unseen(self, definition: D) -> list[str]:
        """Return a sentence for each value in a completed definition that a dry run does not compare."""
        del definition
        return []

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence for each name in the definition that points nowhere."""
        del plain, known
        return []


class StoredKind(Kind[D]):
    """A kind without a table of its own: its definitions are stored as they are."""

    def checked(self, definition: D) -> Plain:
        """Return the definition without defaults."""
        return without_defaults(definition)

    def stored(self, store: Store, entity: str | None = None) -> dict[Key, Plain]:
        """Return all objects, or those of one entity, in order of their keys."""
        return {
            key: as_stored(key, content)
            for key, content in store.history.objects(self.name).items()
            if entity in {None, key.entity}
        }

    def unread(self, store: Store) -> Mapping[Key, Unread]:
        """Return why this version cannot read a stored object, for each that it cannot read."""
        found = store.history.objects(self.name).items()
        read = ((key, read_content(content, self.definition)) for key, content in found)
        return {key: one for key, one in read if isinstance(one, Unread)}

    def put(self, definition: D) -> Command:
        """Return the command that stores the definition."""
        return SetObject(self.key(definition), text_of(self.checked(definition)))

    def remove(self, key: Key) -> Command:
        """Return the command that removes the definition."""
        return RemoveObject(key)


def refuse_controls(definition: msgspec.Struct, of_data: Collection[str] = OF_DATA) -> None:
    """Refuse control characters in the texts and keys of *definition*, as `control_in` does.

    Raises:
        Misdeclared: If there is one; the error has the place and the character.
    """
    found = control_in(definition, of_data)
    if found is not None:
        raise Misdeclared(found.sentence, found.place)


def as_stored(key: Key, content: str) -> Plain:
    """Return the stored *content* of an object as JSON values, with all that this version cannot read.

    So the history keeps what a newer version wrote, and that version can roll back to it.
    """
    return named_first(fields_of(content)) or {"name": key.name}


def without_defaults(definition: msgspec.Struct, kept: Collection[str] = ()) -> Plain:
    """Return the fields of *definition* as JSON values, without fields that have their default.

    Args:
        definition: Definition of an object.
        kept: Names of fields that stay also if they have their default.
    """
    plain: dict[str, object] = msgspec.to_builtins(definition)
    for name, default in _defaults(type(definition)).items():
        if name not in kept and plain.get(name) == default:
            plain.pop(name, None)
    return named_first(plain)


@cache
def _defaults(definition: type[msgspec.Struct]) -> dict[str, object]:
    """Return the default of each field by its name in a document."""
    return {
        field.encode_name: field.default
        if field.default_factory is msgspec.NODEFAULT
        else field.default_factory()
        for field in msgspec.structs.fields(definition)
    }


def named_first(plain: Plain) -> Plain:
    """Return *plain* with the entity and the name before the other fields, as people read it."""
    first = {key: plain[key] for key in ("entity", "name") if key in plain}
    return {**first, **plain}


def text_of(plain: Plain) -> str:
    """Return *plain* as JSON text; equal definitions have equal texts."""
    return msgspec.json.encode(plain, order="deterministic").decode()


def title_of(key: Key) -> str:
    """Return the words for an object in a sentence, such as ``alerter 'late' of fraud``."""
    owner = f" of {key.entity}" if key.entity not in {"", key.name} else ""
    return f"{key.kind} {key.name!r}{owner}"
