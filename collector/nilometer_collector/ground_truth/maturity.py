"""Maturity: whether enough of the usual ground truth of a window has arrived to judge it.

A window is judged too early if few of its predictions have ground truth yet, because those that have
it first often differ from the others. So a window is mature from a share on that is declared, but not
if that share is unusually small for the age of the window.

This is the only rule: the API, the page, the client, alerters that users set and the default alerter
use it. They differ in how they know what is usual at an age. Joined ground truth has lags, which tell
the share of each earlier window at every age. Logged performance has none, so the default alerter
records the shares of windows when they reach fixed ages.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.lags import Lags, until

LEAST_SHARE = 0.5  # smallest share with ground truth of a mature window, if nothing is declared
FEWEST_LABELS = 30  # labels without which a window is not judged alone
DEVIATIONS = 3.0  # standard deviations below the usual share that are still usual
LEAST_SEEN = 12  # fewest earlier windows until a share is usual
MOST_SEEN = 500  # weight of the earlier windows in a mean, so that it follows changes
MOST_EARLIER = 60  # most earlier windows whose lags are looked at


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

    @classmethod
    def of(cls, shares: Iterable[float]) -> "Share":
        """Return the mean and spread of *shares*, oldest first."""
        found = cls()
        for share in shares:
            found = found.after(share)
        return found

    def after(self, share: float) -> "Share":
        """Return the mean and spread after one more window."""
        seen = min(self.seen + 1, MOST_SEEN)
        change = share - self.mean
        mean = self.mean + change / seen
        variance = self.variance + (change * (share - mean) - self.variance) / seen
        return Share(seen=seen, mean=mean, variance=max(variance, 0.0))

    @property
    def is_known(self) -> bool:
        """Whether enough windows tell what is usual."""
        return self.seen >= LEAST_SEEN

    @property
    def least(self) -> float:
        """Smallest usual share; 0 while too few windows are known."""
        return self.mean - DEVIATIONS * math.sqrt(self.variance) if self.is_known else 0.0


UNKNOWN = Share()  # nothing is known of earlier windows


@dataclass(frozen=True, slots=True, kw_only=True)
class MaturityRule:
    """When a window is mature.

    Attributes:
        least_share: Smallest share of the predictions with ground truth, above 0 and at most 1.
        usual_lag_seconds: Smallest age of a window, in seconds.
    """

    least_share: float = LEAST_SHARE
    usual_lag_seconds: float = 0.0

    @classmethod
    def of(cls, definition: PerformanceDefinition) -> "MaturityRule":
        """Return the rule that is declared."""
        return cls(
            least_share=definition.mature_ratio,
            usual_lag_seconds=definition.usual_lag_seconds,
        )

    def needed(self, usual: Share) -> float:
        """Return the smallest share with which a window is mature.

        Args:
            usual: Shares of earlier windows at the age of the window.
        """
        return max(self.least_share, usual.least)

    def is_met(self, share: float, age_seconds: float, usual: Share) -> bool:
        """Return whether a window with this *share* and age is mature."""
        return age_seconds >= self.usual_lag_seconds and share >= self.needed(usual)

    def why(self, labelled: float, share: float | None, age_seconds: float, usual: Share) -> str:
        """Return why a window that is judged alone is not mature; empty if it is.

        Args:
            labelled: Number of its predictions with ground truth.
            share: Share of its predictions with ground truth; None if it is not known.
            age_seconds: Time since its end.
            usual: Shares of earlier windows at this age.
        """
        if share is None:
            return "the number of predictions is not known"
        if labelled < FEWEST_LABELS:
            return f"{labelled:.0f} predictions have ground truth, and {FEWEST_LABELS} are needed"
        if self.is_met(share, age_seconds, usual):
            return ""
        if age_seconds < self.usual_lag_seconds:
            return f"ground truth usually takes {self.usual_lag_seconds:g} seconds"
        needed = self.needed(usual)
        return f"{share:.1%} of the predictions have ground truth, and {needed:.1%} are needed"


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
    shares = (before.share_at(age) for before in earlier)
    usual = Share.of(share for share in shares if share is not None)
    why = MaturityRule.of(definition).why(one.labelled, one.share, age, usual)
    return Maturity(age, usual.mean if usual.is_known else None, why)
