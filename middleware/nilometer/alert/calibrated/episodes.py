"""Episodes: parts of one entity that opened together form one alarm with one notification."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from nilometer.values.labels import Labels

NO_LABELS = Labels()
JOIN_WINDOWS = 12  # base windows after the opening in which new parts usually join the episode


@dataclass(frozen=True, slots=True, order=True)
class PartKey:
    """The summary and label set of a part.

    Attributes:
        summary: Name of the summary.
        labels: Label set; empty for all traffic.
    """

    summary: str
    labels: Labels = NO_LABELS

    def __hash__(self) -> int:  # fast, because every column of every window looks up its key
        return hash((self.summary, self.labels.pairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An alarm made of parts that opened together.

    Attributes:
        id: Number of the episode, unique within the entity.
        opened_ns: End of the window that opened it, Unix nanoseconds.
        parts: Last measured size of the effect of each part.
        open_parts: Parts that have not closed.
        segments: Parts of segments whose summary also drifted in all traffic; they are notes to it.
        closed_ns: End of the window that closed the last part; None while a part is open.
    """

    id: int
    opened_ns: int
    parts: Mapping[PartKey, float]
    open_parts: frozenset[PartKey]
    segments: frozenset[PartKey] = frozenset()
    closed_ns: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether any part is open."""
        return self.closed_ns is None

    @property
    def lead(self) -> PartKey:
        """The part with the largest effect; the first by name if effects are equal."""
        return min(self.parts, key=lambda key: (-self.parts[key], key))


@dataclass(frozen=True, slots=True)
class EpisodeChanges:
    """The changes of an entity's episodes in a window.

    Attributes:
        opened: Episodes that opened.
        joined: Parts that joined an open episode; these are recorded without a notification.
        closed: Episodes that closed.
    """

    opened: tuple[Episode, ...] = ()
    joined: tuple[tuple[int, PartKey], ...] = ()
    closed: tuple[Episode, ...] = ()


NO_CHANGES = EpisodeChanges()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityEpisodes:
    """The open episodes of an entity.

    Attributes:
        open: Open episodes, by id.
        next_id: Id of the next episode.
    """

    open: Mapping[int, Episode] = field(default_factory=dict)
    next_id: int = 1

    def measured(self, sizes: Mapping[PartKey, float]) -> "EntityEpisodes":
        """Return the episodes with newly measured effect *sizes* of some open parts."""
        episodes = {}
        for number, episode in self.open.items():
            known = {key: sizes[key] for key in episode.open_parts if key in sizes}
            episodes[number] = replace(episode, parts={**episode.parts, **known})
        return replace(self, open=episodes)

    def after(
        self,
        *,
        opened: Mapping[PartKey, float],
        closed: Iterable[PartKey],
        end_ns: int,
        join_ns: int,
    ) -> "tuple[EntityEpisodes, EpisodeChanges]":
        """Return the episodes after a window, and their changes.

        Args:
            opened: Parts that opened in the window, each with the size of its effect.
            closed: Parts that closed in the window.
            end_ns: End of the window, Unix nanoseconds.
            join_ns: Time after the opening of an episode in which new parts join it, in nanoseconds.
        """
        episodes = dict(self.open)
        ended = []
        for key in closed:
            for number, episode in list(episodes.items()):
                if key in episode.open_parts:
                    left = episode.open_parts - {key}
                    after = replace(episode, open_parts=left, closed_ns=None if left else end_ns)
                    episodes[number] = after
                    if not left:
                        ended.append(episodes.pop(number))
        if not opened:
            return replace(self, open=episodes), EpisodeChanges(closed=tuple(ended))
        target = _joinable(episodes.values(), end_ns - join_ns)
        parts = {**(target.parts if target else {}), **opened}
        keys = frozenset(opened)
        if target is not None:
            target = replace(target, parts=parts, open_parts=target.open_parts | keys)
            joined = tuple((target.id, key) for key in sorted(opened))
        else:
            target = Episode(id=self.next_id, opened_ns=end_ns, parts=parts, open_parts=keys)
            joined = ()
        target = replace(target, segments=_annotations(target.parts))
        episodes[target.id] = target
        following = self.next_id + (0 if joined else 1)
        return EntityEpisodes(open=episodes, next_id=following), EpisodeChanges(
            () if joined else (target,), joined, tuple(ended)
        )


def _joinable(episodes: Iterable[Episode], since_ns: int) -> Episode | None:
    """Return the newest of *episodes* that opened at or after *since_ns*, if any."""
    young = [episode for episode in episodes if episode.opened_ns >= since_ns]
    return max(young, key=lambda episode: episode.opened_ns, default=None)


def _annotations(parts: Iterable[PartKey]) -> frozenset[PartKey]:
    """Return the parts of segments whose summary also drifted in all traffic."""
    whole = {key.summary for key in parts if key.labels == NO_LABELS}
    return frozenset(key for key in parts if key.labels != NO_LABELS and key.summary in whole)
