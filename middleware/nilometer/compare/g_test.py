"""The G statistic (likelihood ratio) of two samples, per degree of freedom."""

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.contingency import contingency, per_degree
from nilometer.compare.shares import Floats


def g_statistic(reference: ArrayLike, current: ArrayLike) -> float:
    """Return ``2 sum(O ln(O / E))`` of the table of both sides, divided by ``k - 1``.

    Arguments, result and errors are the same as for `per_degree`.
    """
    return per_degree(_part, reference, current)


def _part(observed: Floats, expected: Floats) -> float:
    held = observed > 0
    return 2 * float((observed[held] * np.log(observed[held] / expected[held])).sum())


G_TEST = contingency(
    name="g_test",
    part=_part,
    about="likelihood ratio",
    source="Wilks 1935; Woolf 1957",
)
