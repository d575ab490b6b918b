"""Types and conversions that the views of all content types share.

Numbers that are undefined or not finite become null.
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
        kind: Kind of the content type.
        field: Field of `SampleView` that holds the view; ``extension`` for other packages' types.
        view: Function that makes the view of a content, from its window and the common bins.
        binned: Function that returns the feature for common bins; None if the type has no bins.
    """

    kind: str
    field: str
    view: Callable[[C, Window, Bins | None], ContentView]
    binned: Callable[[C], FeatureProfile] | None = None


def ratio(part: int, whole: int) -> float | None:
    """Return ``part / whole``; None if *whole* is 0."""
    return part / whole if whole else None


def finite(value: float | None) -> float | None:
    """Return *value*; None if it is not finite."""
    return value if value is not None and math.isfinite(value) else None
