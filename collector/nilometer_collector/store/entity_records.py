"""Declared entities: what a user says about a monitored entity, and where its data comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from nilometer_collector.errors import Conflict


class EntityKind(Enum):
    """What a monitored entity is."""

    MODEL = "model"
    DATA = "data"  # such as a table or a stream of features
    PIPELINE = "pipeline"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityDeclaration:
    """What a user says about an entity. An entity without a declaration has the defaults.

    Attributes:
        kind: What it is.
        owner: Who is responsible for it, such as a team or an address.
        time_zone: IANA name of the time zone of its users.
        description: Text for people; it may have several lines.
        attributes: Values of a user's own keys.
        reads_from: Names of the entities that it reads from, each once.
    """

    kind: EntityKind = EntityKind.MODEL
    owner: str = ""
    time_zone: str = "UTC"
    description: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    reads_from: tuple[str, ...] = ()


UNDECLARED = EntityDeclaration()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredEntity:
    """A declaration as it is stored.

    Attributes:
        version: Number of the change that made it, from 1; it grows with every change of the name,
            also after a deletion.
        updated_ns: Wall time of that change.
    """

    name: str
    declaration: EntityDeclaration
    version: int
    updated_ns: int


def check_version(name: str, stored: int, replaces: int | None) -> None:
    """Refuse a change that is based on another version than the *stored* one.

    Args:
        name: Name of the entity.
        stored: Stored version; 0 without a declaration.
        replaces: Version that the change is based on; None replaces any.

    Raises:
        Conflict: If the versions differ.
    """
    if replaces is not None and replaces != stored:
        raise Conflict(
            f"version: the change is based on version {replaces} of {name!r}, and the stored one is "
            f"{stored}: read it again",
            "version",
        )


def check_edges(name: str, reads_from: Sequence[str], stored: Mapping[str, Sequence[str]]) -> None:
    """Refuse edges that would make a cycle.

    Args:
        name: Entity that reads.
        reads_from: Entities that it will read from.
        stored: Entities that every declared entity reads from, by name.

    Raises:
        Conflict: If *name* reads from itself, directly or through others; it names the edge.
    """
    readers = _downstream(name, stored)
    for at, source in enumerate(reads_from):
        if source == name:
            reason = f"the edge to {source!r} is one from an entity to itself"
        elif source in readers:
            reason = (
                f"the edge to {source!r} makes a cycle: {source!r} reads from {name!r}, directly or "
                "through others"
            )
        else:
            continue
        raise Conflict(f"reads_from[{at}]: {reason}", f"reads_from[{at}]")


def _downstream(name: str, stored: Mapping[str, Sequence[str]]) -> set[str]:
    """Return everything that reads from *name*, directly or through others."""
    readers: dict[str, list[str]] = {}
    for reader, sources in stored.items():
        for source in sources:
            readers.setdefault(source, []).append(reader)
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for reader in readers.get(waiting.pop(), ()):
            if reader not in found:
                found.add(reader)
                waiting.append(reader)
    return found
