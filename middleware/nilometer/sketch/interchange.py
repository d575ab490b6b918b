"""Converts t-digests to other formats: DataSketches bytes, and dictionaries of `tdigest`.

The DataSketches layout of ``tdigest_double`` (serial version 1, family 20), little-endian:

======  ====  =============================================================
offset  size  field
======  ====  =============================================================
0       1     preamble longs: 1 (empty or one value), 2 (more)
1       1     serial version: 1
2       1     family: 20
3       2     k, the compression
5       1     flags: 1 empty, 2 one value, 4 last merge was reversed
6       2     unused
8       8     the value, if there is one
8       4     number of centroids, if there are more values
12      4     number of buffered values (written as 0; read as weights of 1)
16      8     minimum
24      8     maximum
32      16 n  centroids: float64 mean, uint64 weight; then the buffered float64 values
======  ====  =============================================================

Neither format records which centroids are atoms, so writing loses this information. When reading, a
centroid of weight 1 becomes an atom and every other centroid a slope.

Source: apache/datasketches-cpp, tdigest_impl.hpp; CamDavidsonPilon/tdigest, ``to_dict``.
"""

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.tdigest import DEFAULT_COMPRESSION, TDigest

_HEADER = struct.Struct("<BBBHBH")
_BODY = struct.Struct("<IIdd")
_CENTROID = np.dtype([("mean", "<f8"), ("weight", "<u8")])
_SERIAL, _FAMILY = 1, 20
_EMPTY, _SINGLE = 1, 2
_MINIMUM_K, _MAXIMUM_K = 10, 65535


def to_datasketches(digest: TDigest) -> bytes:
    """Return *digest* as ``tdigest_double`` bytes: 32 bytes, and 16 per centroid."""
    k = min(round(digest.compression), _MAXIMUM_K)
    if digest.min is None or digest.max is None:
        return _HEADER.pack(1, _SERIAL, _FAMILY, k, _EMPTY, 0)
    if digest.count == 1:
        return _HEADER.pack(1, _SERIAL, _FAMILY, k, _SINGLE, 0) + struct.pack("<d", digest.min)
    means, weights, _ = digest.centroids()
    centroids = np.empty(means.size, dtype=_CENTROID)
    centroids["mean"], centroids["weight"] = means, weights
    head = _HEADER.pack(2, _SERIAL, _FAMILY, k, 0, 0)
    body = _BODY.pack(means.size, 0, digest.min, digest.max)
    return head + body + centroids.tobytes()


def from_datasketches(packed: bytes) -> TDigest:
    """Return the digest in ``tdigest_double`` bytes from C++, Java, Go, Rust or `to_datasketches`.

    Raises:
        ValueError: If the bytes are incomplete, contradictory, or of another sketch or version.
    """
    if len(packed) < _HEADER.size:
        raise ValueError(f"t-digest bytes: {len(packed)} are too few for a header")
    _, serial, family, k, flags, _ = _HEADER.unpack_from(packed)
    if (serial, family) != (_SERIAL, _FAMILY):
        raise ValueError(f"t-digest bytes: serial {serial} and family {family}, not 1 and 20")
    if k < _MINIMUM_K:
        raise ValueError(f"t-digest bytes: k of {k} is below {_MINIMUM_K}")
    compression = float(max(k, 20))
    if flags & _EMPTY:
        return TDigest(compression)
    try:
        if flags & _SINGLE:
            (value,) = struct.unpack_from("<d", packed, _HEADER.size)
            return TDigest.of([value], compression)
        size, buffered, low, high = _BODY.unpack_from(packed, _HEADER.size)
        at = _HEADER.size + _BODY.size
        centroids = np.frombuffer(packed, _CENTROID, size, at)
        waiting = np.frombuffer(packed, "<f8", buffered, at + centroids.nbytes)
    except (struct.error, ValueError) as error:
        raise ValueError(f"t-digest bytes: {error}") from error
    means = np.concatenate([centroids["mean"], waiting])
    weights = np.concatenate([centroids["weight"], np.ones(buffered, "<u8")])
    return _checked(means, weights, low, high, compression)


def to_dictionary(digest: TDigest) -> dict[str, object]:
    """Return *digest* like the `tdigest` package's ``to_dict``: n, delta, K and centroids."""
    means, weights, _ = digest.centroids()
    pairs = zip(means.tolist(), weights.tolist(), strict=True)
    return {
        "n": digest.count,
        "delta": 1.0 / digest.compression,
        "K": 25,
        "centroids": [{"m": mean, "c": weight} for mean, weight in pairs],
    }


def from_dictionary(
    stored: Mapping[str, object], compression: float = DEFAULT_COMPRESSION
) -> TDigest:
    """Return the digest in a dictionary of the `tdigest` package, from its ``centroids`` only.

    Such a dictionary has no minimum or maximum, so the outermost means are used.

    Raises:
        ValueError: If it has no list of ``{"m": mean, "c": weight}`` with finite means and integer
            weights of at least 1.
    """
    found = stored.get("centroids")
    try:
        if not isinstance(found, list):
            raise TypeError("not a list")  # noqa: TRY301  # reported like an invalid centroid
        means = np.array([float(one["m"]) for one in found])
        weights = np.array([float(one["c"]) for one in found])
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"t-digest dictionary: a centroid is not m and c: {error}") from error
    if not means.size:
        return TDigest(compression)
    if not (np.isfinite(weights).all() and (weights >= 1).all() and weights.sum() < 2.0**53):
        raise ValueError("t-digest dictionary: weights must be finite and at least 1")
    if not (weights == np.round(weights)).all():
        raise ValueError("t-digest dictionary: weights must be integers")
    return _checked(means, weights, float(means.min()), float(means.max()), compression)


def _checked(
    means: NDArray[np.float64],
    weights: NDArray[np.generic],
    low: float,
    high: float,
    compression: float,
) -> TDigest:
    """Return a digest of foreign centroids, in any order, within this library's limits."""
    if not (np.isfinite(means).all() and np.isfinite(low) and np.isfinite(high)):
        raise ValueError("t-digest: means, minimum and maximum must be finite")
    if not means.size or low > means.min() or high < means.max():
        raise ValueError("t-digest: the means must lie between minimum and maximum")
    floats = np.asarray(weights, dtype=np.float64)
    if not (floats >= 1).all() or floats.sum() >= 2.0**53:
        raise ValueError("t-digest: weights must be at least 1 and count below 2**53")
    order = np.argsort(means, kind="stable")
    foreign = TDigest.from_centroids(
        means[order] + 0.0,
        floats[order],
        floats[order] == 1.0,
        minimum=low,
        maximum=high,
        compression=compression,
    )
    return TDigest.merge_all([foreign])
