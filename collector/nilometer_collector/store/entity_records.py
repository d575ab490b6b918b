"""Declared entities: what a user says about a monitored entity, and where its data comes from."""

from collections.abc import Collection, Mapping, Sequence
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
        columns: Summary that a source sends as each of this entity's own summaries, by source, where
            their names differ.
    """

    kind: EntityKind = EntityKind.MODEL
    owner: str = ""
    time_zone: str = "UTC"
    description: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    reads_from: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


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


def check_edges(changed: Collection[str], edges: Mapping[str, Sequence[str]]) -> None:
    """Refuse edges that make a cycle.

    Args:
        changed: Entities whose edges change. Edges of other entities make no cycle among themselves.
        edges: Entities that every declared entity will read from, by name.

    Raises:
        Conflict: If an entity reads from itself, directly or through others; it names the edge.
    """
    found = cycle_in(changed, edges)
    if found is None:
        return
    name, at = found
    place, source = f"reads_from[{at}]", edges[name][at]
    raise Conflict(f"{place}: {cycle_sentence(name, source)}", place)


def cycle_sentence(name: str, source: str) -> str:
    """Return the reason why the edge from *name* to *source* is refused.

    It does not name the entities between them, which the caller may not be allowed to read.
    """
    if source == name:
        return f"{name!r} cannot read from itself"
    return f"the edge to {source!r} would make a cycle"


def cycle_in(
    changed: Collection[str], edges: Mapping[str, Sequence[str]]
) -> tuple[str, int] | None:
    """Find a cycle through one of the *changed* entities.

    Each edge is followed once.

    Returns:
        A changed entity of the cycle and the position of its edge; None without a cycle.
    """
    finished: set[str] = set()
    for start in sorted(changed):
        if start in finished:
            continue
        path, waiting = {start: None}, [iter(edges.get(start, ()))]  # in the order of the edges
        while waiting:
            source = next(waiting[-1], None)
            if source is None:
                waiting.pop()
                finished.add(path.popitem()[0])
            elif source in path:
                cycle = list(path)[list(path).index(source) :]
                name = next((one for one in cycle if one in changed), source)
                following = [*cycle, source][cycle.index(name) + 1]
                return name, list(edges[name]).index(following)
            elif source not in finished:
                path[source] = None
                waiting.append(iter(edges.get(source, ())))
    return None
