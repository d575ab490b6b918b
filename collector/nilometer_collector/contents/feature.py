"""The form of features in the API."""

from nilometer.kinds import ContentView
from nilometer.profile import FeatureProfile
from nilometer.profile.bin_sums import BinSums, means
from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins
from nilometer_collector.contents.view import HistogramView, Shown, finite, ratio

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
TOP_CATEGORIES = 20


class CategoryView(ContentView, frozen=True, kw_only=True):
    """One category with its share of the rows that are not missing."""

    value: str
    count: int
    ratio: float


class BinSumsView(ContentView, frozen=True, kw_only=True):
    """The mean of a prediction in each bin of a feature.

    The bins are those of numbers, of categories, of missing and of unusable cells, and one for rows
    whose bin was too small to be disclosed.
    """

    value: str  # an output, or an output=class for the share of a class
    numbers: int  # bins of numbers, one more than the reference has edges
    categories: int  # bins of categories, one for each name and one for all others
    counts: list[int]  # rows with a prediction in each bin
    means: list[float | None]  # mean prediction in each bin; null without rows
    left_out: int  # rows whose prediction is missing, not finite or too large
    unmatched: int  # rows without a prediction of their own


class FeatureView(ContentView, frozen=True, kw_only=True):
    """A distribution of one feature in one window, or of a reference."""

    count: int  # number of finite numbers and categories
    missing: int
    missing_ratio: float | None
    non_finite: int
    null_like: int  # strings such as "n/a"
    suppressed: int  # too few numbers, which only `types` counts (docs/privacy.md)
    types: dict[str, int]
    type_errors: dict[str, int]  # cells of an unexpected type, by type
    zero: int
    negative: int
    below_reference: int  # numbers below the smallest one in the reference
    above_reference: int
    unseen: int | None  # categories that are not in the reference; null without a reference
    mean: float | None
    standard_deviation: float | None
    minimum: float | None
    maximum: float | None
    quantiles: dict[str, float]  # "0.01" ... "0.99"; empty without numbers
    histogram: HistogramView | None  # with the reference's edges, if it has edges
    distinct: float | None
    top: list[CategoryView]  # at most 20
    sums: list[BinSumsView]  # of predictions, for inputs; empty if they are not kept


def feature_view(feature: FeatureProfile, bins: Bins | None) -> FeatureView:
    """Return *feature* in the form of the API, with its histogram in *bins*."""
    moments, digest = feature.numbers.moments, feature.numbers.digest
    present = sum(feature.types.values())
    known = feature.categories.dictionary
    quantiles: dict[str, float] = {}
    histogram = None
    if moments.count:
        values = digest.quantile(QUANTILES).tolist()
        quantiles = {f"{q:g}": value for q, value in zip(QUANTILES, values, strict=True)}
        if bins is not None:
            counts, _ = feature.numbers.counts_on(bins.inner)
            histogram = HistogramView(edges=list(bins.outer), counts=[float(c) for c in counts])
    return FeatureView(
        count=feature.count,
        missing=feature.missing,
        missing_ratio=ratio(feature.missing, feature.cells),
        non_finite=feature.non_finite,
        null_like=feature.null_like,
        suppressed=feature.suppressed_numbers,
        types=dict(sorted(feature.types.items())),
        type_errors=dict(sorted(feature.type_errors.items())),
        zero=feature.numbers.zero,
        negative=feature.numbers.negative,
        below_reference=feature.numbers.below_reference,
        above_reference=feature.numbers.above_reference,
        unseen=None if known is None else known.unseen,
        mean=finite(moments.mean) if moments.count else None,
        standard_deviation=finite(moments.standard_deviation),
        minimum=digest.min,
        maximum=digest.max,
        quantiles=quantiles,
        histogram=histogram,
        distinct=None if feature.distinct is None else finite(feature.distinct.estimate),
        top=[
            CategoryView(value=value, count=count, ratio=min(ratio(count, present) or 0.0, 1.0))
            for value, count in feature.categories.top(TOP_CATEGORIES)
        ],
        sums=[_sums_view(key.value, sums) for key, sums in feature.sums.items()],
    )


def _sums_view(value: str, sums: BinSums) -> BinSumsView:
    return BinSumsView(
        value=value,
        numbers=sums.bins.numbers,
        categories=sums.bins.categories,
        counts=list(sums.counts),
        means=[finite(mean) for mean in means(sums).tolist()],
        left_out=sums.left_out,
        unmatched=sums.unmatched,
    )


def _in_window(feature: FeatureProfile, window: Window, bins: Bins | None) -> FeatureView:
    del window
    return feature_view(feature, bins)


def _itself(feature: FeatureProfile) -> FeatureProfile:
    return feature


SHOWN_FEATURE = Shown(kind=FeatureProfile.kind, field="feature", view=_in_window, binned=_itself)
