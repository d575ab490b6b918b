"""Comparators by name: functions of a reference and a current distribution to a distance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from nilometer.compare.bins import CommonBins, common_bins
from nilometer.compare.ks import kolmogorov_smirnov
from nilometer.compare.psi import debiased_psi
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn


class Comparator(Enum):
    """The distances that an alerter may name."""

    PSI = "psi"  # nats, debiased
    KS = "ks"  # 0 to 1; numbers only


_FUNCTIONS: dict[Comparator, Callable[[Sequence[float], Sequence[float]], float]] = {
    Comparator.PSI: debiased_psi,
    Comparator.KS: kolmogorov_smirnov,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A distance and what carried it.

    Attributes:
        value: In the unit of the comparator.
        largest_bin: The bin whose share moved most.
        share_before: Its share in the reference, 0 to 1.
        share_now: Its share in the current window, 0 to 1.
        rebinned: Whether the current side was estimated from its t-digest.
    """

    value: float
    largest_bin: str
    share_before: float
    share_now: float
    rebinned: bool


def compare(
    comparator: Comparator, reference: ReferenceColumn, current: FeatureProfile
) -> Comparison | None:
    """The distance of *current* from *reference*; None where it does not exist.

    KS of categories does not exist, nor does any distance of an empty side.
    """
    bins = common_bins(reference, current)
    if bins is None or (comparator is Comparator.KS and not bins.ordered):
        return None
    before, now = _shares(bins.reference), _shares(bins.current)
    moved = int(np.abs(now - before).argmax())
    return Comparison(
        value=_FUNCTIONS[comparator](bins.reference, bins.current),
        largest_bin=bins.names[moved],
        share_before=float(before[moved]),
        share_now=float(now[moved]),
        rebinned=bins.rebinned,
    )


def _shares(weights: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    array = np.asarray(weights, dtype=np.float64)
    return np.asarray(array / array.sum())


__all__ = ["CommonBins", "Comparator", "Comparison", "compare"]
