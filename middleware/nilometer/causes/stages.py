"""Causes: the stage of the pipeline that moved first."""

from collections.abc import Iterator, Mapping

from nilometer.causes.cause import Cause, CauseKind, Moment, Untold
from nilometer.causes.graph import LATER_NS, Graph, first_movers
from nilometer.causes.movement import Movements
from nilometer.causes.scene import Scene, Stage
from nilometer.causes.times import MINUTE_NS, relative

AFTER_A_STAGE = 0.3  # weight of what moved behind something else that moved
EARLIEST_NS = 24 * 60 * MINUTE_NS  # time before the onset in which a stage must have moved
LEAST_SCORE = 0.1  # score of a stage whose effect is unknown: the smallest one of a warning


def is_related(at_ns: int, onset_ns: int) -> bool:
    """Return whether a drift from *at_ns* on may have caused one with the onset *onset_ns*."""
    return onset_ns - EARLIEST_NS <= at_ns <= onset_ns + LATER_NS


def alarmed_before(scene: Scene) -> bool:
    """Return whether a stage before the entity of *scene* moved first."""
    return bool(_first(scene, _alarms(scene)))


def stages(scene: Scene, movements: Movements) -> Iterator[Cause | Untold]:
    """Yield the first movers: stages that alarmed without an alarmed stage before them."""
    del movements
    count = sum(one.entity != scene.entity for one in scene.stages)
    if not count:
        yield Untold(
            CauseKind.STAGE,
            f"Cannot tell which stage moved first: nobody has declared what {scene.entity} reads "
            "from, or you may not see it.",
        )
        return
    alarms = _alarms(scene)
    first = _first(scene, alarms)
    if not first:
        before = f"none of the {count} entities" if count > 1 else "the entity"
        verb = "began" if count > 1 else "did not begin"
        yield Untold(
            CauseKind.STAGE,
            f"{scene.entity} moved first: {before} before it {verb} to drift in the day before, "
            "as far as is known.",
        )
        return
    for one in first:
        yield _cause(scene, one, alarms, is_only=len(first) == 1)
    if len(first) > 1:
        listed = ", ".join(one.entity for one in first)
        yield Untold(
            CauseKind.STAGE,
            f"Cannot tell which stage moved first: {listed} drift, and none of them reads from another.",
        )


def _alarms(scene: Scene) -> dict[str, int]:
    """Return the onset of the entity, and of the stages whose drift may be its cause."""
    found = {
        one.entity: one.onset_ns
        for one in scene.stages
        if one.onset_ns is not None and is_related(one.onset_ns, scene.onset_ns)
    }
    return found | {scene.entity: scene.onset_ns}


def _first(scene: Scene, alarms: Mapping[str, int]) -> list[Stage]:
    """Return the first movers that the entity follows, by onset; none if it moved first itself."""
    flows = [(source, one.entity) for one in scene.stages for source in one.reads_from]
    movers = first_movers(Graph.of(flows), alarms)
    known = {one.entity: one for one in scene.stages}
    if scene.entity in {one.entity for one in movers}:
        return []
    return [known[one.entity] for one in movers if scene.entity in one.followers]


def _cause(scene: Scene, stage: Stage, alarms: Mapping[str, int], *, is_only: bool) -> Cause:
    at_ns = alarms[stage.entity]
    when = relative(at_ns, scene.onset_ns, scene.window_ns)
    if at_ns >= scene.onset_ns + scene.window_ns:
        when = f"although its drift was only seen {when}"
    role = "moved first" if is_only else "moved before, and nothing that it reads from did"
    detail = f": {stage.evidence}" if stage.evidence else ""
    moments = [
        Moment(onset_ns, f"{entity} drifts", entity == stage.entity)
        for entity, onset_ns in alarms.items()
    ]
    return Cause(
        kind=CauseKind.STAGE,
        sentence=f"{stage.entity}, from which {scene.entity} reads, {role}, {when}{detail}.",
        score=max(stage.score, LEAST_SCORE),
        entity=stage.entity,
        at_ns=at_ns,
        moments=tuple(sorted(moments, key=lambda one: one.at_ns)),
    )
