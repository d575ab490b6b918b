"""The stages of the pipeline before an entity, with the episodes that they had at a time."""

from collections.abc import Callable, Mapping, Sequence

from nilometer.alert import Severity
from nilometer.alert.calibrated.effects import Unit
from nilometer.causes import Stage
from nilometer.causes.stages import is_related
from nilometer_collector.causes.spans import LONGEST_NS, onset_of
from nilometer_collector.store import EpisodeRecord, PartRecord, Store

MOST_STAGES = 32  # stages that are looked at, the nearest first

_SEVERE = {Severity.INFO: 0.05, Severity.WARNING: 0.1, Severity.CRITICAL: 0.5}


def edges_of(store: Store) -> Mapping[str, Sequence[str]]:
    """Return the entities that each declared entity reads from."""
    return {one.name: one.declaration.reads_from for one in store.entities.all()}


def stages_before(
    store: Store, entity: str, onset_ns: int, may: Callable[[str], bool], *, is_open: bool
) -> list[Stage]:
    """Return *entity* and the stages before it, nearest first; an entity without any is alone.

    Args:
        store: Store of declarations and episodes.
        entity: Entity of the episode.
        onset_ns: Onset of its episode.
        may: Function that returns whether the caller may see an entity.
        is_open: Whether the episode is open; then only open episodes of other stages count.
    """
    edges = edges_of(store)
    names, found = [entity], []
    for name in names:  # grows while it is read
        sources = [one for one in edges.get(name, ()) if may(one)]
        names += [one for one in sources if one not in names][: MOST_STAGES - len(names)]
        if name == entity:
            found.append(Stage(entity=name, reads_from=sources, onset_ns=onset_ns))
            continue
        episodes = store.alerts.episodes(name, is_open=True if is_open else None)
        found.append(_stage(name, sources, episodes, onset_ns))
    return found


def _stage(
    name: str, sources: Sequence[str], episodes: Sequence[EpisodeRecord], onset_ns: int
) -> Stage:
    """Return a stage with its first episode that may be the cause of the *onset_ns* of another."""
    earliest = onset_ns - LONGEST_NS
    related = [
        one
        for one in episodes
        if is_related(onset_of(one), onset_ns)
        and (one.closed_ns is None or one.closed_ns >= earliest)
    ]
    if not related:
        return Stage(entity=name, reads_from=sources)
    first = min(related, key=lambda one: (onset_of(one), one.id))
    parts = [_strength(part) for part in first.parts]
    return Stage(
        entity=name,
        reads_from=sources,
        onset_ns=onset_of(first),
        score=max(parts, default=_SEVERE[first.alerter.severity]),
        evidence=first.evidence,
    )


def _strength(part: PartRecord) -> float:
    """Return the lower bound of a part's effect in standard deviations; a share of 5 % is .5."""
    bound = max(part.bound, 0.0)
    if part.unit == Unit.SHARE.value:
        return float(10.0 * bound)
    return float(bound**0.5) if part.unit == Unit.SHAPE.value else bound
