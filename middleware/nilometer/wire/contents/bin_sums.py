"""Converts sums by bin to protobuf and back.

Counts are sent as differences from the counts of the feature itself, which are usually equal. Each
sum is sent as its difference from a prediction: the mean of the bin before, times the rows of this
bin. Neighbours have similar means, so the differences are small.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from nilometer.profile.bin_sums import MAX_BITS, MAX_VALUE_CHARACTERS, BinSums, SumKey
from nilometer.profile.feature_bins import MAX_BINS, FeatureBins, bins_id
from nilometer.v1 import summary_pb2 as pb

_MOST = (1 << 63) - 1  # largest sum or count on the wire
MAX_SQUARES_BYTES = 32


def put_sums(message: pb.Feature, sums: Mapping[SumKey, BinSums]) -> None:
    """Add *sums* to *message*, whose other fields are complete.

    Sums beyond 64 bits are left out.
    """
    for key, found in sorted(sums.items()):
        if max(map(abs, found.sums)) > _MOST:
            continue
        bins = found.bins
        expected = _counts_of(message, bins)
        size = (found.squares.bit_length() + 7) // 8
        one = message.sums.add(
            value=key.value,
            bins=bins.id if bins.id != _own_id(message) else 0,
            numbers=bins.numbers,
            categories=bins.categories,
            bits=found.bits,
            squares=found.squares.to_bytes(size, "big"),
            left_out=found.left_out,
            unmatched=found.unmatched,
            is_public=found.is_public,
        )
        one.counts.extend(_without_zeros(map(int.__sub__, found.counts, expected)))
        one.sums.extend(_without_zeros(_differences(found.counts, found.sums)))


def sums_of(message: pb.Feature) -> dict[SumKey, BinSums]:
    """Return the sums in *message*.

    Raises:
        ValueError: If a part contradicts itself.
    """
    found: dict[SumKey, BinSums] = {}
    for one in message.sums:
        sums = _sums_of(message, one)
        key = SumKey(one.value, sums.bins)
        if key in found:
            raise ValueError(f"the sums of {one.value[:64]!r} occur twice")
        found[key] = sums
    return found


def _sums_of(message: pb.Feature, one: pb.BinSums) -> BinSums:
    bins = FeatureBins(one.bins or _own_id(message), one.numbers, one.categories)
    if bins.numbers + bins.categories > MAX_BINS or abs(one.bits) > MAX_BITS:
        raise ValueError(f"sums by bin have at most {MAX_BINS} bins and {MAX_BITS} bits")
    if len(one.counts) > bins.size or len(one.sums) > bins.size:
        raise ValueError("sums by bin must have one count and one sum for each bin")
    if len(one.value) > MAX_VALUE_CHARACTERS or len(one.squares) > MAX_SQUARES_BYTES:
        raise ValueError("the name or the squares of sums by bin are too long")
    expected = _counts_of(message, bins)
    counts = tuple(ours + theirs for ours, theirs in zip_longest(expected, one.counts, fillvalue=0))
    if min(counts) < 0:
        raise ValueError("the counts of sums by bin must not be negative")
    differences = [*one.sums, *[0] * (bins.size - len(one.sums))]
    return BinSums(
        bins,
        one.bits,
        counts,
        tuple(_sums(counts, differences)),
        int.from_bytes(one.squares, "big"),
        one.left_out,
        one.unmatched,
        one.is_public,
    )


def _own_id(message: pb.Feature) -> int:
    """Return the id of the bins in which *message* itself counts."""
    return bins_id(message.numeric.binned.edges_id, message.dictionary.id)


def _counts_of(message: pb.Feature, bins: FeatureBins) -> list[int]:
    """Return the cells that *message* itself counts in each bin, as far as it has the same bins."""
    numbers, known = message.numeric.binned.counts, message.dictionary
    categories = [*known.counts, known.other + known.unseen]
    found = [*numbers] if len(numbers) == bins.numbers else [0] * bins.numbers
    found += categories if len(categories) == bins.categories else [0] * bins.categories
    present = sum(message.types.values())
    return [*found, message.missing, present - sum(found), 0]


def _differences(counts: Sequence[int], sums: Sequence[int]) -> Iterator[int]:
    rows, last = 1, 0
    for count, total in zip(counts, sums, strict=True):
        yield total - last * count // rows
        if count:
            rows, last = count, total


def _sums(counts: Sequence[int], differences: Sequence[int]) -> Iterator[int]:
    rows, last = 1, 0
    for count, difference in zip(counts, differences, strict=True):
        total = difference + last * count // rows
        yield total
        if count:
            rows, last = count, total


def _without_zeros(numbers: Iterator[int]) -> list[int]:
    """Return *numbers* without the zeros at the end."""
    found = [*numbers]
    while found and not found[-1]:
        del found[-1]
    return found
