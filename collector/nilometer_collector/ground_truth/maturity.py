"""Maturity: how much ground truth of a window has arrived, beside what is usual at its age.

A window is judged too early if few of its predictions have ground truth yet, because those that have
it first often differ from the others. So a window is mature from a share on that is declared, but
not before the share that earlier windows had at the same age.

This is what the API shows of joined ground truth. The default alerter judges logged performance, too,
of which no single labels are known; its rule is in `nilometer_collector.watch.maturity`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.lags import Lags, until

FEWEST_EARLIER = 3  # earlier windows that tell what is usual
MOST_EARLIER = 60  # most earlier windows that are looked at
FEWEST_LABELS = 30  # labels without which a window is not judged
DEVIATIONS = 3.0  # standard deviations below the usual share that are still usual
NORMAL_MAD = 1.4826  # standard deviation of normal numbers by their median absolute deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """The ground truth of one window.

    Attributes:
        labelled: Number of predictions with ground truth.
        lags: Number of labels by lag.
        predictions: Number of predictions; None if it is not known.
    """

    start_ns: int
    end_ns: int
    labelled: int
    lags: Lags
    predictions: float | None

    @property
    def share(self) -> float | None:
        """Share of the predictions with ground truth, at most 1; None without predictions."""
        return min(self.labelled / self.predictions, 1.0) if self.predictions else None

    def share_at(self, age_seconds: float) -> float | None:
        """Return the share that had ground truth at this age; None without predictions."""
        return (
            min(until(self.lags, age_seconds) / self.predictions, 1.0) if self.predictions else None
        )


@dataclass(frozen=True, slots=True)
class Maturity:
    """Whether a window can be judged.

    Attributes:
        age_seconds: Time since the end of the window, at least 0.
        usual: Share that is usual at this age; None if too few earlier windows tell it.
        why: Reason why it is not mature; empty if it is.
    """

    age_seconds: float
    usual: float | None
    why: str

    @property
    def is_mature(self) -> bool:
        """Whether enough of the ground truth has arrived."""
        return not self.why


def maturity_of(
    windows: Sequence[Arrived], definition: PerformanceDefinition, now_ns: int
) -> list[Maturity]:
    """Return the maturity of each window, in order.

    Args:
        windows: Windows of one step, oldest first.
        definition: What is judged.
        now_ns: Wall time.
    """
    return [
        _maturity(one, windows[max(at - MOST_EARLIER, 0) : at], definition, now_ns)
        for at, one in enumerate(windows)
    ]


def _maturity(
    one: Arrived, earlier: Sequence[Arrived], definition: PerformanceDefinition, now_ns: int
) -> Maturity:
    age = max(now_ns - one.end_ns, 0) / NANOSECONDS
    shares = [
        share
        for before in earlier
        if now_ns - before.end_ns >= age * NANOSECONDS
        and (share := before.share_at(age)) is not None
    ]
    usual = median(shares) if len(shares) >= FEWEST_EARLIER else None
    share = one.share
    if share is None:
        return Maturity(age, usual, "the number of predictions is not known")
    if one.labelled < FEWEST_LABELS:
        why = f"{one.labelled} predictions have ground truth, and {FEWEST_LABELS} are needed"
        return Maturity(age, usual, why)
    if age < definition.usual_lag_seconds:
        why = f"ground truth usually takes {definition.usual_lag_seconds:g} seconds"
        return Maturity(age, usual, why)
    needed = definition.mature_ratio
    if usual is not None:
        spread = NORMAL_MAD * median(abs(other - usual) for other in shares)
        chance = math.sqrt(usual * (1.0 - usual) / max(one.predictions or 1.0, 1.0))
        needed = max(needed, usual - DEVIATIONS * math.hypot(spread, chance))
    if share < needed:
        why = f"{share:.1%} of the predictions have ground truth, and {needed:.1%} are needed"
        return Maturity(age, usual, why)
    return Maturity(age, usual, "")
