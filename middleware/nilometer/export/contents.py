"""Reads values for export out of profiles; the only module in this room that uses profiles."""

import numpy as np

from nilometer.export.series import Binned, Distribution
from nilometer.export.telemetry import PROBABILITIES
from nilometer.profile import FeatureProfile, ScoreProfile

QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)


def distribution_of(feature: FeatureProfile) -> Distribution | None:
    """Return the finite numbers of a feature as a histogram; None if there are none."""
    numbers = feature.numbers
    if numbers.histogram is None:
        return None
    return Distribution(numbers.histogram, numbers.moments.mean * numbers.count)


def quantiles_of(feature: FeatureProfile) -> dict[float, float]:
    """Return the `QUANTILES` of the finite numbers; empty if there are no numbers."""
    if not feature.numbers.count:
        return {}
    found = feature.numbers.digest.quantile(QUANTILES)
    return {q: float(value) for q, value in zip(QUANTILES, found, strict=True)}


def scores_of(scores: ScoreProfile) -> dict[str, Binned]:
    """Return scores by predicted class, in the bins of `PROBABILITIES`.

    The counts are exact, because each of these probabilities is an edge of the stored bins.
    """
    starts = np.concatenate([[0], np.searchsorted(scores.edges, PROBABILITIES) + 1])
    found: dict[str, Binned] = {}
    for (predicted, _), bins in scores.classes.items():
        counts = tuple(np.add.reduceat(bins.counts, starts).tolist())
        part = Binned(PROBABILITIES, counts, float(bins.sums.sum()))
        before = found.get(predicted)
        found[predicted] = part if before is None else before.merge(part)
    return found
