"""Compares what an entity sent with what its reader received in the same windows.

Both sides of an edge observe the same values: the output of the source is the input of the reader. So a
difference arose on the edge itself: in a conversion of units, in serialisation, in a default that fills
gaps, or because requests got lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from nilometer.compare import KS, Comparison, compare, reference_column
from nilometer.compare.total_variation import TOTAL_VARIATION
from nilometer.profile import FeatureProfile
from nilometer.profile.reference import INPUT_BINS
from nilometer_collector.pipeline.units import conversion

FEWEST_CELLS = 30  # fewest cells on each side
FEWEST_SHARE = 0.02  # smallest share of missing, differently typed or default cells that counts
FEWEST_DISTANCE = 0.1  # smallest distance of the distributions that counts, 0 to 1
ABOVE_NOISE = 4.0  # a difference must be this many times its noise
ROUNDED = 0.5  # share of the values that repeat after rounding


class Fault(Enum):
    """The kind of a difference; a closed set."""

    TYPE = "type"  # the reader receives another type
    MISSING = "missing"  # the reader receives fewer or more values
    DEFAULT = "default"  # the reader receives one value much more often
    UNIT = "unit"  # the reader receives values on another scale
    ROUNDED = "rounded"  # the reader receives values with fewer digits
    DISTRIBUTION = "distribution"  # none of these explains the difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The names of both ends of one column on an edge, for sentences."""

    source: str
    reader: str
    sent: str  # summary of the source
    received: str  # summary of the reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference between what was sent and what was received.

    Attributes:
        fault: Kind of the difference.
        sent: Summary of the source.
        received: Summary of the reader.
        sentence: The difference in one sentence.
    """

    fault: Fault
    sent: str
    received: str
    sentence: str


def handover(ends: Ends, sent: FeatureProfile, received: FeatureProfile) -> Finding | None:
    """Return the most specific difference of one column, or None if both sides agree.

    The sides may have different numbers of rows, because an entity may have several readers, and a
    reader several sources. So only shares and distributions are compared.
    """
    if min(sent.cells, received.cells) < FEWEST_CELLS:
        return None
    for fault, search in _SEARCHES:
        sentence = search(ends, sent, received)
        if sentence:
            return Finding(fault=fault, sent=ends.sent, received=ends.received, sentence=sentence)
    return None


def _type(ends: Ends, sent: FeatureProfile, received: FeatureProfile) -> str:
    most = max(sent.types, key=lambda kind: sent.types[kind], default="")
    present = sum(sent.types.values()), sum(received.types.values())
    if not min(present):
        return ""
    for kind, count in sorted(received.types.items(), key=lambda item: -item[1]):
        share, before = count / present[1], sent.types.get(kind, 0) / present[0]
        if kind != most and _counts(before, share, present):
            return (
                f"{ends.source} sends {ends.sent} as {most}, but {_percent(share)} of what "
                f"{ends.reader} receives as {ends.received} is {kind}."
            )
    return ""


def _missing(ends: Ends, sent: FeatureProfile, received: FeatureProfile) -> str:
    shares = [
        (one.missing + one.null_like + one.non_finite) / one.cells for one in (sent, received)
    ]
    if not _counts(shares[0], shares[1], (sent.cells, received.cells)):
        return ""
    return (
        f"{_percent(shares[1])} of {ends.received} is missing where {ends.reader} receives it, and "
        f"{_percent(shares[0])} of {ends.sent} where {ends.source} sends it."
    )


def _default(ends: Ends, sent: FeatureProfile, received: FeatureProfile) -> str:
    """Return the sentence for one number that is frequent on the side of the reader only."""
    ours, theirs = _repeated(received), _repeated(sent)
    counts = sent.numbers.count, received.numbers.count
    if not ours or not min(counts):
        return ""
    value = max(ours, key=lambda one: ours[one] - theirs.get(one, 0.0))
    share, before = ours[value], theirs.get(value, 0.0)
    if not _counts(before, share, counts) or share < before or _is_rounded(ours, theirs):
        return ""
    if _converted(ends, sent, received):
        return ""  # a frequent value in another unit
    return (
        f"{_percent(share)} of {ends.received} is {value:g} where {ends.reader} receives it, and "
        f"{_percent(before)} of {ends.sent} where {ends.source} sends it: a default seems to fill gaps."
    )


def _converted(ends: Ends, sent: FeatureProfile, received: FeatureProfile) -> str:
    if _distance(sent, received) is None or not min(sent.numbers.count, received.numbers.count):
        return ""
    found = conversion(sent.numbers.digest, received.numbers.digest)
    if found is None:
        return ""
    return (
        f"{ends.received} is {found.formula} where {ends.reader} receives it, compared with "
        f"{ends.sent} of {ends.source}{found.meaning}."
    )


def _rounded(ends: Ends, sent: FeatureProfile, received: FeatureProfile) -> str:
    ours, theirs = _repeated(received), _repeated(sent)
    if not _is_rounded(ours, theirs):
        return ""
    return (
        f"{_percent(sum(ours.values()))} of {ends.received} are repeated values where {ends.reader} "
        f"receives it, and {_percent(sum(theirs.values()))} of {ends.sent} where {ends.source} sends "
        "it: values seem to be rounded."
    )


def _distribution(ends: Ends, sent: FeatureProfile, received: FeatureProfile) -> str:
    found = _distance(sent, received)
    if found is None:
        return ""
    return (
        f"{_percent(found.share_now)} of {ends.received} is in {found.largest_bin} where "
        f"{ends.reader} receives it, and {_percent(found.share_before)} of {ends.sent} where "
        f"{ends.source} sends it."
    )


_SEARCHES: tuple[tuple[Fault, Callable[[Ends, FeatureProfile, FeatureProfile], str]], ...] = (
    (Fault.TYPE, _type),
    (Fault.MISSING, _missing),
    (Fault.DEFAULT, _default),
    (Fault.ROUNDED, _rounded),
    (Fault.UNIT, _converted),
    (Fault.DISTRIBUTION, _distribution),
)


def _distance(sent: FeatureProfile, received: FeatureProfile) -> Comparison | None:
    """Return the distance of both sides; None if it is small or may be noise."""
    comparator = KS if sent.numbers.count >= sent.categories.total else TOTAL_VARIATION
    column = reference_column(sent, INPUT_BINS, has_same_rows=True)
    found = compare(comparator, column, received)
    if not isinstance(found, Comparison):
        return None
    return found if found.value > max(FEWEST_DISTANCE, ABOVE_NOISE * found.noise) else None


def _repeated(feature: FeatureProfile) -> dict[float, float]:
    """Return the share of each number that the digest holds as a repeated value."""
    if not feature.numbers.count:
        return {}
    means, weights, atoms = feature.numbers.digest.centroids()
    chosen = atoms & (weights > 1)
    found: dict[float, float] = {}
    for value, weight in zip(means[chosen].tolist(), weights[chosen].tolist(), strict=True):
        found[value] = found.get(value, 0.0) + weight / feature.numbers.count
    return found


def _is_rounded(ours: dict[float, float], theirs: dict[float, float]) -> bool:
    """Return whether many values repeat on the side of the reader, and few on the other."""
    several = sum(share >= FEWEST_SHARE for share in ours.values()) >= 3
    return several and sum(ours.values()) > ROUNDED > 2 * sum(theirs.values())


def _counts(before: float, now: float, counts: tuple[int, int]) -> bool:
    """Return whether two shares of *counts* values differ by more than noise."""
    pooled = (before * counts[0] + now * counts[1]) / sum(counts)
    noise = float(np.sqrt(pooled * (1 - pooled) * (1 / counts[0] + 1 / counts[1])))
    return abs(now - before) > max(FEWEST_SHARE, ABOVE_NOISE * noise)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
