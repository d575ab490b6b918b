"""Maturity: whether enough of the usual labels of a window have arrived to judge it.

A window is mature if the share of its predictions that have a label is at least one half, and not
unusually small for the age of the window. What is usual is learned from earlier windows: their
shares are recorded when they reach fixed ages.
"""

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from nilometer.alert.calibrated.parts import ModelState
from nilometer.values.clock import NANOSECONDS

LEAST_COVERAGE = 0.5  # smallest share of labelled predictions of a mature window
DEVIATIONS = 3.0  # standard deviations below the usual share that are still usual
LEAST_SEEN = 12  # fewest windows until a share is usual
MOST_SEEN = 500  # weight of the earlier windows in a mean, so that it follows changes
AGES_NS = tuple(
    minutes * 60 * NANOSECONDS
    for minutes in (10, 30, 60, 180, 360, 720, 1440, 2880, 5760, 10080, 20160, 40320)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Mean and spread of the shares of windows at one age.

    Attributes:
        seen: Number of windows, at most `MOST_SEEN`.
        mean: Mean share, 0 to 1.
        variance: Variance of a share.
    """

    seen: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def after(self, share: float) -> "Share":
        """Return the mean and spread after one more window."""
        seen = min(self.seen + 1, MOST_SEEN)
        change = share - self.mean
        mean = self.mean + change / seen
        variance = self.variance + (change * (share - mean) - self.variance) / seen
        return Share(seen=seen, mean=mean, variance=max(variance, 0.0))

    @property
    def least(self) -> float:
        """Smallest usual share; 0 while too few windows are known."""
        if self.seen < LEAST_SEEN:
            return 0.0
        return self.mean - DEVIATIONS * math.sqrt(self.variance)


def needed_share(usual: Mapping[int, Share], age_ns: int) -> float:
    """Return the smallest share of labelled predictions with which a window is mature.

    Args:
        usual: Shares of earlier windows, by the position of the age in `AGES_NS`.
        age_ns: Age of the window, in nanoseconds.
    """
    place = bisect.bisect_right(AGES_NS, age_ns) - 1
    found = usual.get(place)
    return LEAST_COVERAGE if found is None else max(LEAST_COVERAGE, found.least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A window that is not mature yet.

    Attributes:
        end_ns: End of the window, Unix nanoseconds.
        labelled: Number of its predictions with a label.
        predicted: Number of its predictions.
        needed: Smallest share of labels with which it is mature.
    """

    end_ns: int
    labelled: float
    predicted: float
    needed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How the scores of labelled rows differ from those of all rows of the same windows.

    Attributes:
        distance: Largest difference of the two cumulative shares that chance does not explain, 0 to
            1.
        labelled_mean: Mean score of the labelled rows.
        mean: Mean score of all rows.
        at_ns: End of the newest compared window, Unix nanoseconds.
    """

    distance: float
    labelled_mean: float
    mean: float
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceMemory:
    """How far a summary of performance is judged.

    Attributes:
        begun_ns: Start of its first window, Unix nanoseconds.
        end_ns: End of the newest window that was judged, or passed over.
        fitted_ns: End of the newest window at the last fit of its baselines; `begun_ns` before.
        live_ns: End of the windows that were stored when the summary was first seen. Baselines
            learn from them, but they are not judged.
        models: Evidence and parts for each window length.
        usual: Usual shares of labelled predictions, by the position of the age in `AGES_NS`.
        recorded_ns: Wall time up to which these shares were recorded.
        judged: Number of mature windows.
        passed_over: Number of windows that were not mature when later windows were.
        waiting: Oldest window that waits for labels; None if no window waits.
        selection: Difference of labelled rows from all rows; None if it is not known.
    """

    begun_ns: int
    end_ns: int
    fitted_ns: int
    live_ns: int = 0
    models: Mapping[int, ModelState] = field(default_factory=dict)
    usual: Mapping[int, Share] = field(default_factory=dict)
    recorded_ns: int = 0
    judged: int = 0
    passed_over: int = 0
    waiting: Waiting | None = None
    selection: Selection | None = None

    @classmethod
    def begun(cls, start_ns: int, live_ns: int) -> Self:
        """Return the state before the first window.

        Args:
            start_ns: Start of the first window, Unix nanoseconds.
            live_ns: End of the newest window that is stored now.
        """
        return cls(begun_ns=start_ns, end_ns=start_ns, fitted_ns=start_ns, live_ns=live_ns)

    def recorded(self, place: int, share: float) -> "PerformanceMemory":
        """Return the state after a window had the *share* of labels at an age of `AGES_NS`."""
        known = self.usual.get(place, Share())
        return replace(self, usual={**self.usual, place: known.after(share)})
