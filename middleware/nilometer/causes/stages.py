"""Causes: the stage of the pipeline that moved first."""

from collections.abc import Iterator, Mapping, Sequence

from nilometer.causes.cause import Cause, CauseKind, Moment, Untold
from nilometer.causes.movement import Movements
from nilometer.causes.scene import Scene, Stage
from nilometer.causes.times import MINUTE_NS, relative

AFTER_A_STAGE = 0.3  # weight of what moved behind something else that moved
EARLIEST_NS = 24 * 60 * MINUTE_NS  # time before the onset in which a stage must have moved
LEAST_SCORE = 0.1  # score of a stage whose effect is unknown: the smallest one of a warning


def alarmed_before(scene: Scene) -> bool:
    """Return whether a stage before the entity of *scene* moved no later than the entity."""
    return any(_moved_before(scene, one) for one in scene.stages)


def stages(scene: Scene, movements: Movements) -> Iterator[Cause | Untold]:
    """Yield the first movers: stages that alarmed without an alarmed stage before them."""
    del movements
    others = [one for one in scene.stages if one.entity != scene.entity]
    if not others:
        yield Untold(
            CauseKind.STAGE,
            f"Cannot tell which stage moved first: nobody has declared what {scene.entity} reads from.",
        )
        return
    moved = [one for one in others if _moved_before(scene, one)]
    if not moved:
        count = f"{len(others)} entities" if len(others) > 1 else "entity"
        yield Untold(
            CauseKind.STAGE,
            f"{scene.entity} moved first: the {count} that it reads from did not begin to drift in the "
            "day before.",
        )
        return
    known = {one.entity: one for one in scene.stages}
    names = {one.entity for one in moved}
    first = [
        (one.onset_ns, one)
        for one in moved
        if one.onset_ns is not None and not _sources(one, known) & names
    ]
    first.sort(key=lambda one: (one[0], one[1].entity))
    for onset_ns, one in first:
        yield _cause(scene, one, onset_ns, moved, is_only=len(first) == 1)
    if len(first) > 1:
        listed = ", ".join(one.entity for _, one in first)
        yield Untold(
            CauseKind.STAGE,
            f"Cannot tell which stage moved first: {listed} drift, and none of them reads from another.",
        )


def _moved_before(scene: Scene, stage: Stage) -> bool:
    if stage.entity == scene.entity or stage.onset_ns is None:
        return False
    latest = scene.onset_ns + 2 * scene.window_ns  # each onset is known to a window
    return scene.onset_ns - EARLIEST_NS <= stage.onset_ns <= latest


def _sources(stage: Stage, known: Mapping[str, Stage]) -> set[str]:
    """Return every stage that *stage* reads from, directly or through others."""
    found: set[str] = set()
    waiting = list(stage.reads_from)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += known[name].reads_from if name in known else ()
    return found - {stage.entity}


def _cause(
    scene: Scene, stage: Stage, onset_ns: int, moved: Sequence[Stage], *, is_only: bool
) -> Cause:
    when = relative(onset_ns, scene.onset_ns, scene.window_ns)
    role = "moved first" if is_only else "moved before, and nothing that it reads from did"
    detail = f": {stage.evidence}" if stage.evidence else ""
    moments = [
        Moment(one.onset_ns, f"{one.entity} drifts", one is stage)
        for one in moved
        if one.onset_ns is not None
    ]
    moments.append(Moment(scene.onset_ns, f"{scene.entity} drifts"))
    return Cause(
        kind=CauseKind.STAGE,
        sentence=f"{stage.entity}, from which {scene.entity} reads, {role}, {when}{detail}.",
        score=max(stage.score, LEAST_SCORE),
        entity=stage.entity,
        at_ns=onset_ns,
        moments=tuple(sorted(moments, key=lambda one: one.at_ns)),
    )
