"""The graph of a pipeline: which entity reads from which, what is upstream, and who moved first.

Declared edges have no cycle, but learned ones may. Every function here ends on any graph.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from nilometer.causes.times import MINUTE_NS

LATER_NS = 60 * MINUTE_NS  # an upstream alarm this much later than its reader's is not its cause


class Flow(NamedTuple):
    """One edge: *reader* reads from *source*."""

    source: str
    reader: str


@dataclass(frozen=True, slots=True)
class Graph:
    """Entities and the edges between them.

    Attributes:
        sources: Entities that each entity reads from.
        readers: Entities that read from each entity.
    """

    sources: Mapping[str, AbstractSet[str]]
    readers: Mapping[str, AbstractSet[str]]

    @classmethod
    def of(cls, flows: Iterable[tuple[str, str]]) -> "Graph":
        """Return the graph of edges, each a source and its reader."""
        sources: dict[str, set[str]] = {}
        readers: dict[str, set[str]] = {}
        for source, reader in flows:
            sources.setdefault(reader, set()).add(source)
            readers.setdefault(source, set()).add(reader)
        return cls(sources, readers)

    def upstream(self, entity: str) -> set[str]:
        """Return the entities that *entity* reads from, directly or through others.

        It contains *entity* itself only if it is in a cycle.
        """
        return _reached(entity, self.sources)

    def downstream(self, entity: str) -> set[str]:
        """Return the entities that read from *entity*, directly or through others."""
        return _reached(entity, self.readers)

    def cycles(self) -> list[list[str]]:
        """Return the groups of entities that all read from each other, each sorted.

        An entity that reads from itself is a group of its own.
        """
        found = []
        for group in _strong_groups(self.readers):
            first = group[0]
            if len(group) > 1 or first in self.readers.get(first, ()):
                found.append(sorted(group))
        return sorted(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstMover:
    """An alarmed entity without an alarm upstream.

    Attributes:
        entity: Name of the entity.
        onset_ns: Start of its alarm, Unix nanoseconds.
        followers: Alarmed entities downstream of it, by onset.
    """

    entity: str
    onset_ns: int
    followers: tuple[str, ...]


def first_movers(graph: Graph, alarms: Mapping[str, int]) -> list[FirstMover]:
    """Return the alarmed entities that no alarmed entity upstream explains, earliest onset first.

    An alarm upstream explains another if it began before, or at most `LATER_NS` later, because an
    onset is only known to within some windows. Of entities that explain each other, such as those in
    a cycle, the one with the earliest onset is returned.

    Args:
        graph: Edges between the entities.
        alarms: Onset of the alarm of each alarmed entity, Unix nanoseconds.
    """
    upstream = {one: graph.upstream(one) & alarms.keys() for one in alarms}

    def explains(source: str, entity: str) -> bool:
        if source == entity or source not in upstream[entity]:
            return False
        if entity in upstream[source]:
            return (alarms[source], source) < (alarms[entity], entity)
        return alarms[source] <= alarms[entity] + LATER_NS

    found = []
    for entity, onset_ns in alarms.items():
        if not any(explains(source, entity) for source in upstream[entity]):
            after = [one for one in alarms if entity in upstream[one] and one != entity]
            followers = sorted(after, key=lambda one: (alarms[one], one))
            found.append(FirstMover(entity=entity, onset_ns=onset_ns, followers=tuple(followers)))
    return sorted(found, key=lambda one: (one.onset_ns, -len(one.followers), one.entity))


def _reached(start: str, neighbours: Mapping[str, AbstractSet[str]]) -> set[str]:
    """Return everything that is reached from *start* over at least one edge."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = neighbours.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def _strong_groups(readers: Mapping[str, AbstractSet[str]]) -> list[Sequence[str]]:
    """Return the strongly connected components (Tarjan 1972, without recursion)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    groups: list[Sequence[str]] = []
    for root in sorted(readers):
        if root in number:
            continue
        work = [(root, iter(sorted(readers[root])))]
        number[root] = low[root] = len(number)
        path.append(root)
        on_path.add(root)
        while work:
            entity, waiting = work[-1]
            reader = next(waiting, None)
            if reader is None:
                work.pop()
                if work:
                    caller = work[-1][0]
                    low[caller] = min(low[caller], low[entity])
                if low[entity] == number[entity]:
                    at = path.index(entity)
                    groups.append(path[at:])
                    on_path -= {*path[at:]}
                    del path[at:]
            elif reader not in number:
                number[reader] = low[reader] = len(number)
                path.append(reader)
                on_path.add(reader)
                work.append((reader, iter(sorted(readers.get(reader, ())))))
            elif reader in on_path:
                low[entity] = min(low[entity], number[reader])
    return groups
