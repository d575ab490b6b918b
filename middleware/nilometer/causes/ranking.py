"""The list of all kinds of causes, and their common order.

Every score is the lower bound of an effect in standard deviations of the time before. The effect of a
feature is multiplied by its importance, relative to the mean. What moved behind a stage that moved before,
and an output behind an input, weighs .3. A change beside the data weighs by its distance from the onset.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from nilometer.causes.cause import Answer, Cause, Untold
from nilometer.causes.changes import changes
from nilometer.causes.features import features
from nilometer.causes.movement import Movements, movements_of
from nilometer.causes.scene import Scene
from nilometer.causes.segments import segments
from nilometer.causes.shift import importances, shift
from nilometer.causes.stages import stages

MOST_CAUSES = 12  # causes in an answer

Kind: TypeAlias = Callable[[Scene, Movements], Iterator[Cause | Untold]]
KINDS: Sequence[Kind] = (stages, features, segments, shift, changes)


def causes_of(scene: Scene) -> Answer:
    """Return the causes of an episode, likeliest first, and what cannot be told.

    Importances that nobody declared are taken from the sums of the predictions.
    """
    if not scene.importances:
        scene = replace(scene, importances=importances(scene.features))
    movements = movements_of(scene.features)
    found = [one for kind in KINDS for one in kind(scene, movements)]
    causes = [one for one in found if isinstance(one, Cause)]
    causes.sort(key=lambda one: -one.score)  # stable: equal scores keep the order of the kinds
    untold = tuple(one for one in found if isinstance(one, Untold))
    return Answer(tuple(causes[:MOST_CAUSES]), untold)
