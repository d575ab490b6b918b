"""Declared silences: what both databases make of them for an episode."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer_collector.alerting.decisions import Decision, DecisionKind, silences_of
from nilometer_collector.alerting.silences import SilenceDefinition

MOST_KEPT = 10_000  # silences that stay decoded in memory

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


def declared_silences(rows: Iterable[tuple[str, str | None]]) -> list[DeclaredSilence]:
    """Return the declared silences in *rows* of definition and author, except unreadable ones."""
    found = ((_silence_of(content), author or "") for content, author in rows)
    return [DeclaredSilence(silence, author) for silence, author in found if silence is not None]


@lru_cache(maxsize=MOST_KEPT)
def _silence_of(content: str) -> SilenceDefinition | None:
    """Return a stored silence; None for one of a newer version, or in a zone unknown here.

    Episodes must open although a silence cannot be read.
    """
    try:
        silence = msgspec.json.decode(content, type=SilenceDefinition)
        silence.end_ns(0)
    except (msgspec.ValidationError, ConfigError, ValueError) as error:
        log.warning(
            "a declared silence cannot be read and holds no message: upgrade this collector, or "
            "install tzdata",
            extra={"reason": str(error)},
        )
        return None
    return silence


def decisions_due(
    declared: Sequence[DeclaredSilence],
    entity: str,
    parts: Sequence[tuple[str, Labels]],
    decisions: Sequence[Decision],
    now_ns: int,
) -> list[Decision]:
    """Return the decisions that bring an episode in line with the declared silences.

    If a person has ended a declared silence for this episode, it is not silenced again before the
    silence repeats or its end changes.

    Args:
        declared: All declared silences.
        entity: Entity of the episode.
        parts: Summary and labels of each of its open parts; at least one.
        decisions: Decisions about it, oldest first.
        now_ns: Wall time, Unix nanoseconds.
    """
    found: list[Decision] = []
    covering: set[str] = set()
    for one in declared:
        until_ns = one.silence.end_ns(now_ns) if one.silence.covers(entity, parts) else None
        if until_ns is None:
            continue
        covering.add(one.identity)
        known = [made for made in decisions if made.declared == one.identity]
        newest = known[-1] if known else None
        if newest is None or newest.kind is DecisionKind.UNSILENCED or newest.until_ns != until_ns:
            found.append(
                Decision(
                    kind=DecisionKind.SILENCED,
                    author=one.author,
                    reason=one.reason,
                    made_ns=now_ns,
                    until_ns=until_ns,
                    declared=one.identity,
                )
            )
    for identity, made in silences_of(decisions).items():
        if identity and identity not in covering and made.holds(now_ns):
            found.append(
                Decision(
                    kind=DecisionKind.UNSILENCED,
                    author=made.author,
                    reason="the declared silence does not cover this episode any more",
                    made_ns=now_ns,
                    declared=identity,
                )
            )
    return found
