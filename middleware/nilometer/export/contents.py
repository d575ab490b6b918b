"""What a profile gives to a metric: the one place of the exporters that looks into profiles."""

from nilometer.export.series import Distribution
from nilometer.profile import FeatureProfile

QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)


def distribution_of(feature: FeatureProfile) -> Distribution | None:
    """The finite numbers of a feature; None without any.

    Where the profile counts on the edges of a reference and not by magnitude, the counts are
    estimated from its t-digest: exact in total, within the digest's rank error in each bucket.
    """
    numbers = feature.numbers
    if not numbers.count:
        return None
    return Distribution(numbers.magnitudes(), numbers.moments.mean * numbers.count)


def quantiles_of(feature: FeatureProfile) -> dict[float, float]:
    """`QUANTILES` of the finite numbers; empty without any."""
    if not feature.numbers.count:
        return {}
    found = feature.numbers.digest.quantile(QUANTILES)
    return {q: float(value) for q, value in zip(QUANTILES, found, strict=True)}
