"""Converts t-digests to protobuf, one or many at once, and back."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.codec import (
    MAX_DROPPED_BITS,
    OLD_DROPPED_BITS,
    dropped_bits,
    from_rounded_bits,
    from_varints,
    ordered_bits,
    rounded_bits,
)
from nilometer.sketch.tdigest import DEFAULT_COMPRESSION, MINIMUM_COMPRESSION, TDigest
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.bounds import MAX_COUNT

MAX_COMPRESSION = 1000.0  # a larger value is an attack or corrupt
LOWEST, HIGHEST = ordered_bits(np.array([-np.inf, np.inf]))  # rounding may reach infinity

_VARINT_ENDS = np.array([1 << bits for bits in range(7, 64, 7)], dtype=np.uint64)  # one byte more


def digest_to_wire(digest: TDigest) -> pb.TDigest:
    """Return a digest as a message; means are rounded to a fraction of the gaps between them."""
    return digests_to_wire([digest])[0]


def digests_to_wire(digests: Sequence[TDigest]) -> list[pb.TDigest]:
    """Return each digest as a message; all features of a window are coded in one pass."""
    centroids = [digest.centroids() for digest in digests]
    sizes = [weights.size for _, weights, _ in centroids]
    if not any(sizes):
        return [pb.TDigest(compression=digest.compression) for digest in digests]
    ends = np.cumsum(sizes)
    starts = ends - sizes
    ordered = ordered_bits(np.concatenate([means for means, _, _ in centroids]))
    dropped = [
        dropped_bits(ordered[start:end])
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    bits = rounded_bits(ordered, np.repeat(np.array(dropped, dtype=np.uint64), sizes))
    deltas = bits.copy()
    deltas[1:] -= bits[:-1]
    first = starts[starts < ends]
    deltas[first] = bits[first]
    weights = np.concatenate([weights for _, weights, _ in centroids]).astype(np.uint64)
    atoms = np.concatenate([atoms for _, _, atoms in centroids])
    means_of = _varints_of(deltas, ends)
    weights_of = _varints_of((weights << np.uint64(1)) | atoms, ends)
    return [
        pb.TDigest(
            compression=digest.compression,
            count=digest.count,
            min=digest.min,
            max=digest.max,
            means=means,
            weights=flags,
            dropped_bits=spared + 1,
        )
        if size
        else pb.TDigest(compression=digest.compression)
        for digest, size, spared, means, flags in zip(
            digests, sizes, dropped, means_of, weights_of, strict=True
        )
    ]


def _varints_of(values: NDArray[np.uint64], ends: NDArray[np.intp]) -> list[bytes]:
    """Return the `varints` of each part of *values*, shape (n,), n >= 1, where *ends* end parts."""
    packed = varints(values)
    lengths = np.searchsorted(_VARINT_ENDS, values, side="right") + 1
    places = [0, *np.concatenate([[0], np.cumsum(lengths)])[ends].tolist()]
    return [packed[start:end] for start, end in pairwise(places)]


def varints(values: NDArray[np.uint64]) -> bytes:
    """Return consecutive LEB128 numbers for *values*, shape (n,), n >= 1.

    Protobuf's encoder creates them: a packed field is a key, a length and these numbers. For a
    hundred values, numpy would take ten times as long.
    """
    if values.max() < 0x80:
        return values.astype(np.uint8).tobytes()
    packed = pb.ExponentialHistogram.Buckets(counts=values.tolist()).SerializeToString()
    last = 1
    while packed[last] & 0x80:  # bytes of the length field
        last += 1
    return packed[last + 1 :]


def digest_from_wire(message: pb.TDigest) -> TDigest:
    """Return a digest with the centroids in a message.

    Raises:
        ValueError: If the lengths or the count do not agree.
    """
    if not message.count and not message.weights and not message.means:
        return TDigest(message.compression or DEFAULT_COMPRESSION)
    if not MINIMUM_COMPRESSION <= message.compression <= MAX_COMPRESSION:
        raise ValueError(f"t-digest: compression {message.compression:g} is out of bounds")
    if not (math.isfinite(message.min) and math.isfinite(message.max)):
        raise ValueError("t-digest: min and max must be finite")
    if message.min > message.max:
        raise ValueError(f"t-digest: {message.min:g} and {message.max:g} are not in order")
    flags = from_varints(message.weights)
    if message.dropped_bits > MAX_DROPPED_BITS + 1:
        raise ValueError(f"t-digest: {message.dropped_bits - 1} dropped bits are too many")
    dropped = message.dropped_bits - 1 if message.dropped_bits else OLD_DROPPED_BITS
    bits = np.cumsum(from_varints(message.means), dtype=np.uint64)
    means = from_rounded_bits(bits, dropped)
    weights = flags >> np.uint64(1)
    if means.size != weights.size or not 0 < sum(weights.tolist()) == message.count <= MAX_COUNT:
        raise ValueError("t-digest: means, weights and count disagree")
    if not (weights >= 1).all():
        raise ValueError("t-digest: a centroid is empty")
    ordered = bits << np.uint64(dropped)
    inside = (bits <= (HIGHEST >> np.uint64(dropped))) & (ordered >= LOWEST)
    if not inside.all() or not (means[1:] >= means[:-1]).all():
        raise ValueError("t-digest: the means must ascend")
    return TDigest.from_centroids(
        np.clip(means, message.min, message.max),
        weights.astype(np.float64),
        (flags & np.uint64(1)).astype(np.bool_),
        minimum=message.min,
        maximum=message.max,
        compression=message.compression,
    )
