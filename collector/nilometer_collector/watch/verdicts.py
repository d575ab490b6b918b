"""Applies the verdict of a judge to the episodes of an entity."""

from dataclasses import replace

from nilometer.alert.calibrated.episodes import EntityEpisodes
from nilometer.alert.calibrated.judge import Verdict
from nilometer_collector.watch.memory import Memory, saved_episodes
from nilometer_collector.watch.normals import spans_after
from nilometer_collector.watch.notes import Measure, Notes
from nilometer_collector.watch.state import Changes, StoredState


def with_verdict(
    stored: StoredState,
    memory: Memory,
    episodes: EntityEpisodes,
    verdict: Verdict,
    notes: Notes,
    measure: Measure,
    end_ns: int,
    changes: Changes,
) -> Memory:
    """Return *memory* with the episodes after a window; add their changes to *changes*.

    Args:
        stored: State of the entity with its baselines.
        memory: State before.
        episodes: Open episodes after the window.
        verdict: Verdict about the window.
        notes: Open parts of the entity.
        measure: Function that measures the effect of a part that opens.
        end_ns: End of the window, Unix nanoseconds.
        changes: Changes that the next step stores.
    """
    if verdict.parts:
        episodes, new = notes.take(verdict, episodes, end_ns, measure, stored.digest)
        changes.episodes += new
        oldest_ns, slots = memory.learning_ns, stored.book.slots
        spans = spans_after(memory.episode_spans, slots, verdict, end_ns, oldest_ns)
        memory = replace(memory, episode_spans=spans)
    return replace(
        memory,
        episodes=saved_episodes(episodes.open.values()),
        next_episode=episodes.next_id,
        newest_episode=max((one.id for one in verdict.told.opened), default=memory.newest_episode),
        open_parts=tuple(notes.open_parts.values()),
    )
