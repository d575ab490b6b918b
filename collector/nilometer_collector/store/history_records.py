"""Changes of declared objects: what is changed, by whom, and what was there before."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from nilometer.alert import Alerter
from nilometer.profile import Reference
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.store.entity_records import EntityDeclaration

DECISION = "decision"  # kind of a decision about an episode, which is recorded and cannot be undone


class Key(NamedTuple):
    """The identity of a declared object.

    Attributes:
        kind: Name of its kind, such as ``alerter``.
        entity: Entity that it belongs to, or a pattern of entities; empty for none.
        name: Name within its kind and entity.
    """

    kind: str
    entity: str
    name: str


class Origin(Enum):
    """How a change arrived."""

    APPLY = "apply"  # a document of objects
    API = "api"  # a request for one object
    SETTINGS = "settings"  # the collector's own settings, at its start
    UPLOAD = "upload"  # a reference that a program uploaded
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class DeclareEntity:
    """Declare an entity, or replace its declaration.

    Attributes:
        replaces: Version that the change is based on, 0 for no declaration; None replaces any.
    """

    name: str
    declaration: EntityDeclaration
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class RemoveEntity:
    """Remove the declaration of an entity. `replaces` is as in `DeclareEntity`."""

    name: str
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class SetAlerter:
    """Create or replace an alerter. `origin` says which group of alerters it belongs to."""

    alerter: Alerter
    origin: str


@dataclass(frozen=True, slots=True)
class RemoveAlerter:
    """Delete an alerter and close its episodes."""

    entity: str
    name: str


@dataclass(frozen=True, slots=True)
class AddReference:
    """Store a version of a reference.

    Attributes:
        is_current: Whether it becomes the current version of its name.
        expires_ns: Wall time at which it expires, Unix nanoseconds; None for never.
    """

    reference: Reference
    is_current: bool = True
    expires_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ChooseReference:
    """Make the stored version with this digest the current version of its name.

    Attributes:
        expires_ns: Wall time at which it expires, Unix nanoseconds; None for never.
    """

    entity: str
    name: str
    digest: str
    expires_ns: int | None = None


@dataclass(frozen=True, slots=True)
class WithdrawReference:
    """Leave a reference without a current version. Its versions stay stored."""

    entity: str
    name: str


@dataclass(frozen=True, slots=True)
class SetRoute:
    """Create or replace a route. `origin` says which group of routes it belongs to."""

    route: RouteDefinition
    origin: str


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    """Delete the route of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class SetReceiver:
    """Create or replace a channel or a target, with the texts of its secrets.

    Attributes:
        origin: Group of receivers that it belongs to.
    """

    receiver: ChannelDefinition
    origin: str


@dataclass(frozen=True, slots=True)
class RemoveReceiver:
    """Delete the channel or the target of this name.

    Attributes:
        type: Structure of the receiver, which says whether it is a channel or a target.
    """

    type: type[ChannelDefinition]
    name: str


@dataclass(frozen=True, slots=True)
class SetObject:
    """Store an object of a kind that has no table of its own.

    Attributes:
        content: Definition of the object as JSON text.
    """

    key: Key
    content: str


@dataclass(frozen=True, slots=True)
class RemoveObject:
    """Remove an object of a kind that has no table of its own."""

    key: Key


Command: TypeAlias = (
    DeclareEntity
    | RemoveEntity
    | SetAlerter
    | RemoveAlerter
    | AddReference
    | ChooseReference
    | WithdrawReference
    | SetRoute
    | RemoveRoute
    | SetReceiver
    | RemoveReceiver
    | SetObject
    | RemoveObject
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of one object.

    Attributes:
        key: Object that changes.
        before: Its definition as JSON text; None if it is created.
        after: Its new definition; None if it is removed.
    """

    key: Key
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Changes that are made together.

    Attributes:
        author: Name of the person or program that makes them.
        origin: How they arrived.
        commands: What is done, in this order, except that all entities change together.
        changes: What the history keeps; without any, the revision gets no number.
        depends_on: Objects without a change whose definitions the commands are made from.
        reason: Why they are made; empty if the author gave no reason.
    """

    author: str
    origin: Origin
    commands: Sequence[Command]
    changes: Sequence[Change]
    depends_on: Sequence[Key] = ()
    reason: str = ""

    @property
    def objects(self) -> set[Key]:
        """Objects that must not have changed since the commands were made."""
        return {*self.depends_on, *(change.key for change in self.changes)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """A change as it is stored.

    Attributes:
        revision: Number of its revision, from 1; a later revision has a larger one.
        made_ns: Wall time of the change.
        reason: Why it was made; empty without a reason.
    """

    revision: int
    author: str
    origin: Origin
    made_ns: int
    change: Change
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeQuestion:
    """Selection of changes. None selects every value.

    Attributes:
        after: Revision after which changes are listed.
        before: Revision before which changes are listed.
    """

    kind: str | None = None
    entity: str | None = None
    name: str | None = None
    after: int = 0
    before: int | None = None


EVERY_CHANGE = ChangeQuestion()
