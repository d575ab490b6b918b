"""What the views of all content types share.

A number that does not exist, or is not finite, is null.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from nilometer.kinds import ContentView
from nilometer.profile import Content, FeatureProfile
from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins

C = TypeVar("C", bound=Content)


class HistogramView(ContentView, frozen=True, kw_only=True):
    """Counts between edges, in the unit of the feature: ``len(edges) == len(counts) + 1``."""

    edges: list[float | None]  # an infinite edge is null
    counts: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown(Generic[C]):
    """How the API shows one content type.

    Attributes:
        kind: Of the content type.
        field: Of `SampleView`: the kind, or ``extension`` for types from outside.
        view: The view of a content in its window; the bins are common to all windows of an answer.
        binned: The feature of a content that the common bins are made for; None without one.
    """

    kind: str
    field: str
    view: Callable[[C, Window, Bins | None], ContentView]
    binned: Callable[[C], FeatureProfile] | None = None


def ratio(part: int, whole: int) -> float | None:
    """The share of *part* in *whole*; None of nothing."""
    return part / whole if whole else None


def finite(value: float | None) -> float | None:
    """*value*; None where it is not finite."""
    return value if value is not None and math.isfinite(value) else None
