"""Reads only the numbers of many stored features, all together.

A query for quantiles or moments needs a third of a sample's bytes. They are read directly from the
bytes, without an object for each sample. The samples were checked before they were stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.digests import Digests
from nilometer.sketch.moments import Moments
from nilometer.wire.scan import BYTES, FIXED64, VARINT, Messages, Places, Unscannable
from nilometer.wire.sketches.digests import digests_from_scan

# Numbers of the fields in `summary.proto`.
_FEATURE, _SERVICE, _SCORES, _SHARE, _EXTENSION = 7, 8, 9, 10, 11
_NUMERIC = 6
_MOMENTS, _DIGEST = 1, 2
_SAMPLE_FIELDS = {
    _FEATURE: BYTES,
    _SERVICE: BYTES,
    _SCORES: BYTES,
    _SHARE: FIXED64,
    _EXTENSION: BYTES,
}
_MOMENT_FIELDS = {1: VARINT, **dict.fromkeys(range(2, 6), FIXED64)}
_WHOLE_SHARE = np.array([1.0]).view(np.uint64)[0]


@dataclass(frozen=True, slots=True)
class FeatureNumbers:
    """The numbers of *n* merged features: t-digests, and moments if requested."""

    digests: Digests
    moments: Sequence[Moments]


def numbers_from_bytes(
    groups: Sequence[Sequence[bytes]], *, moments: bool
) -> FeatureNumbers | None:
    """Return the numbers of the features in each group of samples, decoded and merged together.

    Args:
        groups: Bytes of the samples of each group, as returned by `sample_to_bytes`; at least one
            sample per group. Their order does not affect the result.
        moments: Whether to read the moments as well.

    Returns:
        The numbers; None if the samples must be decoded one by one, because they are not all
        features, their sampling shares differ, or a sample is damaged.
    """
    sizes = np.array([len(group) for group in groups], dtype=np.intp)
    messages = Messages(list(chain.from_iterable(groups)))
    try:
        numbers, places = messages.fields(messages.whole, _SAMPLE_FIELDS)
        shares = np.where(numbers[_SHARE] == 0, _WHOLE_SHARE, numbers[_SHARE])
        others = (_SERVICE, _SCORES, _EXTENSION)
        if (shares != shares[0]).any() or any(places[one].held.any() for one in others):
            return None
        if not places[_FEATURE].held.all():
            return None
        (numeric,) = messages.fields(places[_FEATURE], {_NUMERIC: BYTES}).places.values()
        parts = messages.fields(numeric, {_MOMENTS: BYTES, _DIGEST: BYTES}).places
        digests = digests_from_scan(messages, parts[_DIGEST], sizes)
        if digests is None:
            return None
        return FeatureNumbers(
            digests, _moments(messages, parts[_MOMENTS], sizes) if moments else ()
        )
    except Unscannable:
        return None


def _moments(messages: Messages, places: Places, sizes: NDArray[np.intp]) -> list[Moments]:
    """Return the merged moments of each group."""
    numbers, _ = messages.fields(places, _MOMENT_FIELDS)
    count, *powers = (numbers[one] for one in _MOMENT_FIELDS)
    columns = [power.view(np.float64).tolist() for power in powers]
    every = [Moments(*row) for row in zip(count.tolist(), *columns, strict=True)]
    ends = np.cumsum(sizes).tolist()
    return [
        Moments.merge_all(every[end - size : end])
        for end, size in zip(ends, sizes.tolist(), strict=True)
    ]
