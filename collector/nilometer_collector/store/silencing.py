"""Declared silences: what both databases make of them for an episode."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer_collector.alerting.decisions import Decision, DecisionKind, silences_of
from nilometer_collector.alerting.silences import SilenceDefinition
from nilometer_collector.store.written import Unread, read_content

MOST_KEPT = 10_000  # silences that stay decoded in memory
SETTLED_NS = NANOSECONDS  # time for which open episodes are not looked at again
# Clocks of collectors may differ by this much. A larger difference means that a clock was wrong.
MOST_CLOCK_DIFFERENCE_NS = 300 * NANOSECONDS

log = logging.getLogger("nilometer.collector")


@dataclass(frozen=True, slots=True)
class DeclaredSilence:
    """A declared silence, and who made its newest change."""

    silence: SilenceDefinition
    author: str

    @property
    def identity(self) -> str:
        """Text that no other silence has; the name contains no space."""
        return f"{self.silence.name} {self.silence.entity}"

    @property
    def reason(self) -> str:
        """Reason that the episode shows."""
        return f"{self.silence.reason} (silence {self.silence.name})"

    def is_for(self, entity: str | None) -> bool:
        """Return whether its pattern matches *entity*, or whether that is None."""
        return entity is None or fnmatchcase(entity, self.silence.entity)


class DeclaredSilences:
    """The declared silences, and those of them that hold at one time. Each is worked out when asked.

    Args:
        rows: Definition and author of each; unreadable ones are left out.
        now_ns: Wall time, Unix nanoseconds.
        entity: Entity that the silences must be for; None for all.
    """

    def __init__(
        self, rows: Sequence[tuple[str, str | None]], now_ns: int, entity: str | None = None
    ) -> None:
        self.rows = rows
        self.now_ns = now_ns
        self._entity = entity

    def of(self, entity: str) -> "DeclaredSilences":
        """Return those that are for *entity*."""
        return DeclaredSilences(self.rows, self.now_ns, entity)

    @cached_property
    def by_identity(self) -> Mapping[str, DeclaredSilence]:
        """The silences by identity."""
        found = ((_silence_of(content), author or "") for content, author in self.rows)
        known = [DeclaredSilence(one, author) for one, author in found if one is not None]
        return {one.identity: one for one in known if one.is_for(self._entity)}

    @cached_property
    def ends_ns(self) -> Mapping[str, int]:
        """The end of each that holds, by identity, Unix nanoseconds."""
        return self._ends_at(self.now_ns)

    @property
    def is_steady(self) -> bool:
        """Whether none begins within `SETTLED_NS`; each lasts a second or longer."""
        return self._ends_at(self.now_ns + SETTLED_NS - 1).keys() <= self.ends_ns.keys()

    def may_cover(self, entity: str) -> bool:
        """Return whether one that holds is for *entity*."""
        return any(self.by_identity[one].is_for(entity) for one in self.ends_ns)

    def _ends_at(self, at_ns: int) -> dict[str, int]:
        ends = {name: one.silence.end_ns(at_ns) for name, one in self.by_identity.items()}
        return {name: end_ns for name, end_ns in ends.items() if end_ns is not None}


class Settled:
    """Remembers for `SETTLED_NS` that the declared silences changed no open episode.

    Couriers take messages often. A silence that is changed or begins is seen at once, and an episode
    that opens is silenced as it opens. Only a change of the parts of an episode may wait. A settlement
    that changed something is not remembered: its transaction may yet fail.
    """

    def __init__(self) -> None:
        self._last: DeclaredSilences | None = None

    def holds(self, declared: DeclaredSilences) -> bool:
        """Return whether *declared* would change nothing."""
        last = self._last
        return (
            last is not None
            and last.now_ns <= declared.now_ns < last.now_ns + SETTLED_NS
            and last.rows == declared.rows
        )

    def remember(self, declared: DeclaredSilences) -> None:
        """Remember that *declared* changed no open episode, unless one begins very soon."""
        self._last = declared if declared.is_steady else None


@dataclass(frozen=True, slots=True)
class KnownEpisode:
    """What declared silences look at in an open episode.

    Attributes:
        parts: Summary and labels of each of its open parts; at least one.
        decisions: Decisions about it, oldest first.
    """

    entity: str
    id: int
    parts: Sequence[tuple[str, Labels]]
    decisions: Sequence[Decision]


@lru_cache(maxsize=MOST_KEPT)
def _silence_of(content: str) -> SilenceDefinition | None:
    """Return a stored silence; None for one of a newer version, or in a zone unknown here.

    Episodes must open although a silence cannot be read.
    """
    try:
        silence = read_content(content, SilenceDefinition)
        if isinstance(silence, Unread):
            return None
        silence.end_ns(0)
    except (ConfigError, ValueError) as error:
        log.warning(
            "a declared silence has times that cannot be read, and holds no message: install tzdata",
            extra={"reason": str(error)},
        )
        return None
    return silence


def decisions_due(declared: DeclaredSilences, episode: KnownEpisode) -> list[Decision]:
    """Return the decisions that bring an episode in line with the declared silences.

    If a person has ended a declared silence for this episode, it is not silenced again before the
    silence repeats or its end changes.
    """
    found: list[Decision] = []
    covering: set[str] = set()
    made = [one.declared for one in episode.decisions if one.declared]
    for identity in dict.fromkeys([*declared.ends_ns, *made]):
        known = [one for one in episode.decisions if one.declared == identity]
        until_ns = _covered_until_ns(declared, identity, episode, known)
        if until_ns is None:
            continue
        covering.add(identity)
        newest = known[-1] if known else None
        if newest is None or newest.kind is DecisionKind.UNSILENCED or newest.until_ns != until_ns:
            one = declared.by_identity[identity]
            found.append(
                Decision(
                    kind=DecisionKind.SILENCED,
                    author=one.author,
                    reason=one.reason,
                    made_ns=declared.now_ns,
                    until_ns=until_ns,
                    declared=identity,
                )
            )
    for identity, silenced in silences_of(episode.decisions).items():
        if identity and identity not in covering and silenced.holds(declared.now_ns):
            found.append(
                Decision(
                    kind=DecisionKind.UNSILENCED,
                    author=silenced.author,
                    reason="the declared silence does not cover this episode any more",
                    made_ns=declared.now_ns,
                    declared=identity,
                )
            )
    return found


def _covered_until_ns(
    declared: DeclaredSilences, identity: str, episode: KnownEpisode, known: Sequence[Decision]
) -> int | None:
    """Return until when a declared silence covers the episode; None if it does not cover it.

    A collector whose clock is ahead may have decided already. Then its time counts, so that two
    collectors do not undo each other's decisions until both clocks have passed a start.
    """
    one = declared.by_identity.get(identity)
    if one is None or not one.silence.covers(episode.entity, episode.parts):
        return None
    last_ns = max((made.made_ns for made in known), default=0)
    if declared.now_ns < last_ns <= declared.now_ns + MOST_CLOCK_DIFFERENCE_NS:
        return one.silence.end_ns(last_ns)
    return declared.ends_ns.get(identity)
