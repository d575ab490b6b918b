"""What the default alerter remembers of a summary of performance between two windows."""

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from nilometer.alert.calibrated.parts import ModelState
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.ground_truth.maturity import UNKNOWN, Share

AGES_NS = tuple(
    minutes * 60 * NANOSECONDS
    for minutes in (10, 30, 60, 180, 360, 720, 1440, 2880, 5760, 10080, 20160, 40320)
)


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

    def usual_at(self, age_ns: int) -> Share:
        """Return the shares of earlier windows at the newest of `AGES_NS` that *age_ns* has reached."""
        return self.usual.get(bisect.bisect_right(AGES_NS, age_ns) - 1, UNKNOWN)
