"""Reads only the numbers of many stored features, all together.

A query for quantiles or moments needs a third of a sample's bytes. They are read directly from the
bytes, without an object for each sample. The samples were checked before they were stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from nilometer.sketch.digests import Digests
from nilometer.sketch.moments import Moments
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.scan import BYTES, FIXED64, VARINT, Messages, Places, Unscannable
from nilometer.wire.sketches.digests import digests_from_messages, digests_from_scan
from nilometer.wire.sketches.moments import moments_from_wire

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
MOST_SCANNED = 4096  # samples at once; their bytes fit the processor's cache
FEW = 250  # samples that are parsed faster than scanned, because a scan has a fixed cost
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
    packed = list(chain.from_iterable(groups))
    if len(packed) <= FEW:
        return _numbers_of_few(packed, sizes, moments=moments)
    shares: set[int] = set()
    every: list[Moments] = []

    def scanned() -> Iterator[tuple[Messages, Places]]:
        for first in range(0, len(packed), MOST_SCANNED):
            messages = Messages(packed[first : first + MOST_SCANNED])
            parts = _parts(messages, shares)
            if moments:
                every.extend(_moments(messages, parts[_MOMENTS]))
            yield messages, parts[_DIGEST]

    try:
        digests = digests_from_scan(scanned(), sizes)
    except Unscannable:
        return None
    if digests is None or len(shares) > 1:
        return None
    return FeatureNumbers(digests, _merged_moments(every, sizes) if moments else ())


def _numbers_of_few(
    packed: Sequence[bytes], sizes: NDArray[np.intp], *, moments: bool
) -> FeatureNumbers | None:
    """Return what `numbers_from_bytes` returns, by parsing every sample."""
    try:
        samples = list(map(pb.SummarySample.FromString, packed))
    except DecodeError:
        return None
    if any(one.WhichOneof("content") != "feature" for one in samples):
        return None
    if len({one.sample or 1.0 for one in samples}) > 1:
        return None
    numeric = [one.feature.numeric for one in samples]
    digests = digests_from_messages([one.digest for one in numeric], sizes)
    if digests is None:
        return None
    every = [moments_from_wire(one.moments) for one in numeric] if moments else []
    return FeatureNumbers(digests, _merged_moments(every, sizes) if moments else ())


def _merged_moments(every: Sequence[Moments], sizes: NDArray[np.intp]) -> list[Moments]:
    """Return the merged moments of each group of *sizes* neighbours."""
    ends = np.cumsum(sizes).tolist()
    return [
        Moments.merge_all(every[end - size : end])
        for end, size in zip(ends, sizes.tolist(), strict=True)
    ]


def _parts(messages: Messages, shares: set[int]) -> Mapping[int, Places]:
    """Return the positions of moments and t-digests of features; add their shares to *shares*.

    Raises:
        Unscannable: If a sample is damaged or unusual, or is not a feature.
    """
    numbers, places = messages.fields(messages.whole, _SAMPLE_FIELDS)
    shares |= set(np.where(numbers[_SHARE] == 0, _WHOLE_SHARE, numbers[_SHARE]).tolist())
    others = (_SERVICE, _SCORES, _EXTENSION)
    if any(places[one].held.any() for one in others) or not places[_FEATURE].held.all():
        raise Unscannable("a sample is not a feature")
    (numeric,) = messages.fields(places[_FEATURE], {_NUMERIC: BYTES}).places.values()
    return messages.fields(numeric, {_MOMENTS: BYTES, _DIGEST: BYTES}).places


def _moments(messages: Messages, places: Places) -> list[Moments]:
    numbers, _ = messages.fields(places, _MOMENT_FIELDS)
    count, *powers = (numbers[one] for one in _MOMENT_FIELDS)
    columns = [power.view(np.float64).tolist() for power in powers]
    return [Moments(*row) for row in zip(count.tolist(), *columns, strict=True)]
