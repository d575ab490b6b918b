"""Causes: what else changed around the onset, such as a version, the schema or failures."""

from collections.abc import Iterator

from nilometer.causes.cause import Cause, CauseKind, Moment, Untold
from nilometer.causes.movement import Movements
from nilometer.causes.scene import Event, Scene
from nilometer.causes.times import MINUTE_NS, relative

NEAR_NS = 30 * MINUTE_NS  # distance from the onset at which a change weighs half
AFTER = 0.3  # weight of a change that began after the onset, which is rather a result
MOST_CHANGES = 5  # changes in an answer


def changes(scene: Scene, movements: Movements) -> Iterator[Cause | Untold]:
    """Yield the changes nearest to the onset, which weigh less the further away they are."""
    del movements
    if not scene.events:
        yield Untold(
            CauseKind.CHANGE,
            "No other change is known around the onset: no new label value, no change of the schema, "
            "of failures, latency or coverage, and no declared change.",
        )
        return
    ordered = sorted(scene.events, key=lambda one: (one.at_ns, one.words))
    found = [_cause(scene, one, ordered) for one in ordered if one.strength > 0.0]
    yield from sorted(found, key=lambda one: -one.score)[:MOST_CHANGES]


def _cause(scene: Scene, event: Event, every: list[Event]) -> Cause:
    distance = abs(event.at_ns - scene.onset_ns)
    near = 1.0 if distance < 2 * scene.window_ns else 1.0 / (1.0 + distance / NEAR_NS)
    is_after = event.at_ns >= scene.onset_ns + 2 * scene.window_ns
    when = relative(event.at_ns, scene.onset_ns, scene.window_ns)
    moments = [Moment(one.at_ns, one.words, one is event) for one in every]
    moments.append(Moment(scene.onset_ns, f"{scene.entity} drifts"))
    return Cause(
        kind=CauseKind.CHANGE,
        sentence=f"{event.words[:1].upper()}{event.words[1:]}, {when}.",
        score=event.strength * near * (AFTER if is_after else 1.0),
        at_ns=event.at_ns,
        moments=tuple(sorted(moments, key=lambda one: one.at_ns)),
    )
