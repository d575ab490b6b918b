"""The likely causes of an episode, from the store, kept until the episode or its windows change."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from nilometer.causes import Answer, CauseKind, Scene, Stage, Untold, causes_of
from nilometer.causes.stages import LEAST_SCORE
from nilometer.values.clock import Clock
from nilometer_collector.causes.events import (
    declared_events,
    schema_events,
    service_events,
    upstream_events,
)
from nilometer_collector.causes.features import compared
from nilometer_collector.causes.reading import Reader
from nilometer_collector.causes.segments import rates
from nilometer_collector.causes.spans import WINDOW_NS, end_of, onset_of, times_of
from nilometer_collector.causes.stages import stages_before
from nilometer_collector.channels.message import OWN_SUMMARIES
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import EpisodeRecord, Store

MOST_KEPT = 256  # answers in memory
MOST_LEADS = 3  # drifting features whose segments are compared
MOST_SOURCES = 8  # entities that are read from directly whose requests are read

Key = tuple[object, ...]
_ABOUT_MONITORING = Answer(
    untold=(
        Untold(
            CauseKind.FEATURE,
            "Cannot tell a cause: the episode is about the monitoring itself, not about data.",
        ),
    )
)


def everyone(entity: str) -> bool:
    """Return that every entity may be seen."""
    del entity
    return True


class Causes:
    """Finds the likely causes of episodes. Thread-safe.

    Args:
        store: Store of episodes, samples and declarations.
        clock: Clock for wall time, up to which an open episode has windows.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._edges = ReferenceEdges(store.references)
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Answer] = OrderedDict()

    def of(self, episode: EpisodeRecord, may: Callable[[str], bool] = everyone) -> Answer:
        """Return the causes of *episode*, likeliest first.

        Args:
            episode: The episode.
            may: Function that returns whether the caller may see another entity of the pipeline.
        """
        if episode.summary.startswith(OWN_SUMMARIES):
            return _ABOUT_MONITORING
        end_ns = end_of(episode, self._clock.now_ns())
        stages = stages_before(
            self._store,
            episode.alerter.entity,
            onset_of(episode),
            may,
            is_open=episode.closed_ns is None,
        )
        shown = tuple((one.entity, one.onset_ns) for one in stages)
        key = (episode.id, end_ns, episode.closed_ns, len(episode.parts), shown)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        answer = causes_of(self._scene(episode, end_ns, stages))
        with self._lock:
            self._kept[key] = answer
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return answer

    def likely(self, episodes: Sequence[EpisodeRecord]) -> str:
        """Return the likeliest cause of *episodes* of one entity, one sentence; empty if unknown.

        A cause with a smaller effect than a warning needs is not told.
        """
        found = [
            one
            for episode in episodes[:MOST_LEADS]
            for one in self.of(episode, self._beside(episode.alerter.entity)).causes
        ]
        best = max(found, key=lambda one: one.score, default=None)
        return best.sentence if best is not None and best.score >= LEAST_SCORE else ""

    def _beside(self, entity: str) -> Callable[[str], bool]:
        """Return whether a message about *entity* may name another: it must be in its workspace."""
        return lambda other: self._store.workspaces.are_together(entity, other)

    def _scene(self, episode: EpisodeRecord, end_ns: int, stages: Sequence[Stage]) -> Scene:
        """Read what is known of *episode*, whose windows end at *end_ns*."""
        store, entity = self._store, episode.alerter.entity
        times = times_of(episode, end_ns, self._others(episode))
        reader = Reader(store, self._edges, entity)
        found = compared(store, reader, episode, times)
        drifting = {part.summary for part in episode.parts} or {episode.summary}
        leads = [one for one in found.sides if one.summary in drifting][:MOST_LEADS]
        sources = [Reader(store, self._edges, one) for one in stages[0].reads_from[:MOST_SOURCES]]
        events = [
            *service_events(reader, times.around, times.onset_ns),
            *schema_events(reader, times.around),
            *declared_events(store, entity, times.onset_ns),
            *upstream_events(sources, times.around, times.onset_ns),
        ]
        return Scene(
            entity=entity,
            onset_ns=times.onset_ns,
            window_ns=WINDOW_NS,
            features=found.sides,
            left_out=found.left_out,
            rates=rates(reader, times.now, found.before, leads),
            stages=stages,
            events=events,
            drifts=[(part.summary, part.labels) for part in episode.parts],
        )

    def _others(self, episode: EpisodeRecord) -> list[tuple[int, int]]:
        """Return the times of the other episodes of the entity."""
        now_ns = self._clock.now_ns()
        return [
            (onset_of(one), now_ns if one.closed_ns is None else one.closed_ns)
            for one in self._store.alerts.episodes(episode.alerter.entity)
            if one.id != episode.id
        ]
