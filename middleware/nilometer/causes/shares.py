"""Shares before and now: how much a share changed beyond its noise, and how it is told."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

LEVEL = (
    0.01  # probability that a bound is exceeded without a change, over everything that was tried
)
LEAST_SHARE = 0.01  # smallest share whose deviation counts, so that rare shares do not lead
_NORMAL = NormalDist()


def quantile(tried: int) -> float:
    """Return the one-sided normal quantile of `LEVEL` over *tried* figures (Bonferroni)."""
    return _NORMAL.inv_cdf(1.0 - LEVEL / max(tried, 1))


@dataclass(frozen=True, slots=True)
class Counted:
    """A count in rows on both sides.

    Attributes:
        before: Counted rows before, at most `before_rows`.
        before_rows: All rows before.
        now: Counted rows now.
        now_rows: All rows now.
    """

    before: float
    before_rows: float
    now: float
    now_rows: float

    @property
    def share_before(self) -> float:
        """Share before, 0 to 1."""
        return self.before / max(self.before_rows, 1.0)

    @property
    def share_now(self) -> float:
        """Share now, 0 to 1."""
        return self.now / max(self.now_rows, 1.0)

    @property
    def change(self) -> float:
        """Share now minus share before."""
        return self.share_now - self.share_before

    @property
    def deviation(self) -> float:
        """Standard deviation of the change without a change of the share."""
        rows = self.before_rows + self.now_rows
        if not self.before_rows or not self.now_rows:
            return float("inf")
        both = min(max((self.before + self.now) / rows, 1.0 / rows), 1.0 - 1.0 / rows)
        noise = both * (1.0 - both) * (1.0 / self.before_rows + 1.0 / self.now_rows)
        return float(np.sqrt(noise))

    @property
    def score(self) -> float:
        """The change divided by its deviation."""
        return self.change / self.deviation

    def strength(self, tried: int = 1, usual: float = 0.0) -> float:
        """Return the lower bound of the change in standard deviations of a row before; 0 if none.

        Args:
            tried: Number of figures of which this one was chosen.
            usual: Standard deviation of the share from one comparable time to the next.
        """
        if not self.before_rows or not self.now_rows:
            return 0.0
        noise = float(np.hypot(self.deviation, usual))
        bound = max(abs(self.change) - quantile(tried) * noise, 0.0)
        share = min(max(self.share_before, LEAST_SHARE), 1.0 - LEAST_SHARE)
        return bound / float(np.sqrt(share * (1.0 - share)))


def percent(share: float) -> str:
    """Return a share as percent: whole from 10 %, and with two digits below.

    >>> percent(0.174), percent(0.0123), percent(0.0)
    ('17 %', '1.2 %', '0 %')
    """
    points = 100.0 * share
    return f"{points:.0f} %" if points >= 9.95 else f"{points:.2g} %"
