"""Causes: features whose distribution changed."""

from collections.abc import Iterator

from nilometer.causes.cause import Cause, CauseKind, Untold
from nilometer.causes.movement import Moved, Movement, Movements
from nilometer.causes.scene import FeatureSides, Scene
from nilometer.causes.shares import percent
from nilometer.causes.stages import AFTER_A_STAGE, alarmed_before
from nilometer.values.entity import Role, role_of

MOST_FEATURES = 5  # features in an answer


def features(scene: Scene, movements: Movements) -> Iterator[Cause | Untold]:
    """Yield the features that moved most, weighted by importance.

    An output that moved together with an input follows from it, so it weighs less, like everything
    behind a stage that moved before.
    """
    found = [
        (one, moved) for one in scene.features if (moved := movements[one.summary]) is not None
    ]
    not_compared = len(scene.features) - len(found)
    moving = [(one, moved) for one, moved in found if moved.strength > 0.0]
    is_input_moving = any(role_of(one.summary) is Role.INPUT for one, _ in moving)
    weight = AFTER_A_STAGE if alarmed_before(scene) else 1.0
    causes = []
    for one, moved in moving:
        follows = is_input_moving and role_of(one.summary) is not Role.INPUT
        score = moved.strength * weight * _importance(scene, one.summary)
        causes.append(_cause(one, moved, score * (AFTER_A_STAGE if follows else 1.0)))
    yield from sorted(causes, key=lambda one: (-one.score, one.summary))[:MOST_FEATURES]
    if not moving:
        yield Untold(CauseKind.FEATURE, _nothing(len(found)))
    if not_compared or scene.left_out:
        yield Untold(CauseKind.FEATURE, _left_out(not_compared, scene.left_out))


def _cause(sides: FeatureSides, moved: Movement, score: float) -> Cause:
    told, counted = moved.told, moved.told.counted
    tail = ""
    if moved.other is not None:
        kind = "gain" if counted.change < 0 else "loss"
        tail = f". The largest {kind} is {moved.other.where}, {_from_to(moved.other)}"
    sentence = (
        f"{percent(counted.share_now)} of the {told.of} of {sides.summary} are now {told.where}; "
        f"before it was {percent(counted.share_before)}{tail}"
    )
    return Cause(
        kind=CauseKind.FEATURE,
        sentence=f"{sentence}.",
        score=score,
        summary=sides.summary,
        shares=moved.shares,
    )


def _from_to(moved: Moved) -> str:
    counted = moved.counted
    return f"from {percent(counted.share_before)} to {percent(counted.share_now)}"


def _importance(scene: Scene, summary: str) -> float:
    """Return the importance of a feature relative to the mean; 1 if it is unknown."""
    known = scene.importances
    mean = sum(known.values()) / len(known) if known else 0.0
    return known[summary] / mean if mean > 0.0 and summary in known else 1.0


def _nothing(compared: int) -> str:
    if not compared:
        return (
            "Cannot tell which feature changed: no feature has enough rows both before the onset and "
            "since."
        )
    return (
        f"Cannot tell which feature changed: none of the {compared} compared features moved beyond its "
        "noise. A change of features together, with each one unchanged, is not visible."
    )


def _left_out(not_compared: int, left_out: int) -> str:
    parts = []
    if not_compared:
        parts.append(f"{not_compared} have too few rows or names that cannot be compared")
    if left_out:
        parts.append(f"{left_out} were not read, to bound the cost")
    return f"Some features were not compared: {', and '.join(parts)}."
