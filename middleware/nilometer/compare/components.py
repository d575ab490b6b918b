"""Splits the change of a mean into a change of the mix and a change within the bins.

The mean of a prediction changes for two reasons, seen from one feature. The rows move between the
feature's bins (mix), or the rows of a bin get other predictions (within). A large mix says that the
feature's distribution moved the prediction. A large part within says that something else did:
another feature, the model, or the meaning of the feature. Features are correlated, so both parts
are a hint, not a proof.

Source: Kitagawa, "Components of a difference between two rates" (1955).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.bin_sums import BinSums, means, variance_within

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Components:
    """The parts of the change of a mean. ``sum(mix) + sum(within)`` is the change.

    Attributes:
        reference_shares: Share of the reference's rows in each bin, shape (k,), sum 1.
        current_shares: Share of the current rows in each bin, shape (k,), sum 1.
        reference_means: Mean of the value in each bin, shape (k,); NaN for an empty bin.
        current_means: Mean of the value in each bin, shape (k,); NaN for an empty bin.
        mix: Part of each bin in the change by moved rows, shape (k,), in the unit of the value.
        within: Part of each bin in the change by other values of its rows, shape (k,).
        mix_error: Standard error of the sum of *mix*.
        within_error: Standard error of the sum of *within*.
    """

    reference_shares: Floats
    current_shares: Floats
    reference_means: Floats
    current_means: Floats
    mix: Floats
    within: Floats
    mix_error: float
    within_error: float


def components(reference: BinSums, current: BinSums) -> Components | None:
    """Split the change of a mean from *reference* to *current*; None if a side has no rows.

    With shares *q*, *p* and means *r*, *m* of bin *k* in the reference and now, the mix is
    ``(p_k - q_k) (r_k - r)`` and the part within is ``p_k (m_k - r_k)``, where *r* is the mean of
    the whole reference. A bin without rows in the reference has no earlier mean. Its rows count as
    moved: their effect ``p_k (m_k - r)`` belongs to the mix.

    The errors take rows as independent, and the variance within the bins as equal for all bins.
    Their mean over the bins is exact.

    Raises:
        ValueError: If the bins differ.
    """
    if reference.bins != current.bins:
        raise ValueError("both sides must have the same bins")
    before, now = reference.rows, current.rows
    if not before or not now:
        return None
    counts = np.asarray(reference.counts, np.float64)
    q, p = counts / before, np.asarray(current.counts, np.float64) / now
    r, m = means(reference), means(current)
    earlier = np.where(counts > 0, r, np.where(p > 0, m, 0.0))
    overall = float(q @ np.nan_to_num(r))
    centred = np.where((q > 0) | (p > 0), earlier - overall, 0.0)
    within = p * np.where(p > 0, np.nan_to_num(m) - earlier, 0.0)
    noise = variance_within(reference)  # of one row of the reference
    shared = np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)
    moved = _variance(p, centred) / now + _variance(q, centred) / before
    return Components(
        reference_shares=q,
        current_shares=p,
        reference_means=r,
        current_means=m,
        mix=(p - q) * centred,
        within=within,
        mix_error=math.sqrt(moved + noise * float((p - q) ** 2 @ shared)),
        within_error=math.sqrt(variance_within(current) / now + noise * float(p**2 @ shared)),
    )


def main_effect(sums: BinSums) -> float:
    """Return how much of the variance of a value a feature explains alone, from 0 to 1.

    It is the variance of the bins' means, less the part that noise alone would cause, divided by
    the variance of the value (omega squared). It is 0 without rows, or for a constant value.

    Source: Hays, "Statistics for Psychologists" (1963).
    """
    rows, used = sums.rows, sum(count > 0 for count in sums.counts)
    if rows <= used:
        return 0.0
    shares = np.asarray(sums.counts, np.float64) / rows
    between = _variance(shares, np.nan_to_num(means(sums)))
    noise = variance_within(sums) * rows / (rows - used)  # unbiased
    total = between + variance_within(sums) + noise / rows
    return max(between - (used - 1) * noise / rows, 0.0) / total if total > 0 else 0.0


def _variance(shares: Floats, values: Floats) -> float:
    """Return the variance of *values* with weights *shares*, both of shape (k,), sum of 1."""
    mean = float(shares @ values)
    return float(shares @ (values - mean) ** 2)
