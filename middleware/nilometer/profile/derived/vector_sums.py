"""First and second moments of vectors in the components of a reference.

Each coordinate is rounded once to a whole number of units of 2^-bits, and units and products of units
are summed as integers. So no order and no grouping of additions changes a bit. A unit is about 1/4096
of the reference's largest standard deviation.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.derived.vectors import LARGEST_UNITS, Embedding, component_name

Floats = NDArray[np.float64]

AT_ONCE = 4096  # vectors whose products are summed as floats: 4096 * 2^40 is below 2^53


class Basis(NamedTuple):
    """Identifies sums of vectors; only sums with equal bases merge.

    Attributes:
        id: Hash of the components of the reference, 32 bits.
        bits: Binary exponent of the unit: a sum of *s* units is ``s * 2**-bits``.
        size: Number of coordinates k.
    """

    id: int
    bits: int
    size: int


@dataclass(frozen=True, slots=True)
class VectorSums:
    """Sums over vectors of one basis. Parts merge exactly, in any order.

    Attributes:
        count: Number of vectors with finite coordinates, at least 1.
        sums: Sum of each coordinate in units, length k. A coordinate beyond `LARGEST_UNITS` counts as
            that many units.
        products: Sum of the product of each pair of coordinates in squared units: of coordinates
            (0, 0), (1, 0), (1, 1), (2, 0) and so on, length k (k + 1) / 2.
    """

    count: int
    sums: tuple[int, ...]
    products: tuple[int, ...]

    @classmethod
    def of(cls, coordinates: Floats, bits: int) -> Self | None:
        """Return the sums of *coordinates*, shape (n, k), in units of 2^-bits; None if none of the rows is finite."""
        rows = coordinates[np.isfinite(coordinates).all(axis=1)]
        if not rows.size:
            return None
        with np.errstate(over="ignore"):
            units = np.clip(np.rint(np.ldexp(rows, bits)), -LARGEST_UNITS, LARGEST_UNITS)
        lower = np.tril_indices(units.shape[1])
        products = [0] * lower[0].size
        for start in range(0, len(units), AT_ONCE):
            some = units[start : start + AT_ONCE]
            parts = (some.T @ some)[lower].tolist()
            products = [total + int(part) for total, part in zip(products, parts, strict=True)]
        sums = tuple(int(total) for total in units.sum(axis=0).tolist())
        return cls(len(units), sums, tuple(products))

    def merge(self, other: Self) -> Self:
        """Return the sums over the vectors of both parts, which have one basis."""
        return type(self)(
            self.count + other.count,
            tuple(map(int.__add__, self.sums, other.sums)),
            tuple(map(int.__add__, self.products, other.products)),
        )

    def scaled(self, factor: float) -> Self:
        """Return the sums times *factor*, rounded, for a stream that was sampled."""
        return type(self)(
            round(self.count * factor),
            tuple(round(total * factor) for total in self.sums),
            tuple(round(total * factor) for total in self.products),
        )

    def moments(self, bits: int) -> tuple[Floats, Floats]:
        """Return the mean, shape (k,), and the covariance matrix, shape (k, k).

        Args:
            bits: Binary exponent of the unit of the sums.

        Returns:
            Mean and covariance in the unit of the vectors. The divisor of the covariance is *count*.
        """
        size = len(self.sums)
        mean = np.array([total / self.count for total in self.sums])
        second = np.zeros((size, size))
        second[np.tril_indices(size)] = [total / self.count for total in self.products]
        second += np.tril(second, -1).T
        covariance = second - np.outer(mean, mean)
        return np.ldexp(mean, -bits), np.ldexp(covariance, -2 * bits)


@lru_cache(maxsize=64)
def _id_of(embedding: Embedding) -> int:
    """Return a hash of the centroid and the components, 32 bits."""
    parts = (embedding.mean, embedding.components)
    content = b"".join(part.astype("<f4").tobytes() for part in parts)
    return int.from_bytes(hashlib.blake2b(content, digest_size=4).digest(), "big")


def vector_sums(
    summary: str, columns: Mapping[str, object], embedding: Embedding | None
) -> dict[Basis, VectorSums]:
    """Return the sums of a column of vectors by basis; empty if it has no coordinates.

    Args:
        summary: Name of the column.
        columns: Columns that were derived from it, by summary name.
        embedding: Embedding of the column; None without one.
    """
    if embedding is None or embedding.bits is None:
        return {}
    size = embedding.components.shape[0]
    found = [columns.get(f"{summary}.{component_name(at)}") for at in range(size)]
    parts = [part for part in found if isinstance(part, np.ndarray)]
    if not parts or len(parts) != len(found):
        return {}
    sums = VectorSums.of(np.column_stack(parts), embedding.bits)
    return {} if sums is None else {Basis(_id_of(embedding), embedding.bits, size): sums}


def merged_vectors(parts: Iterable[Mapping[Basis, VectorSums]]) -> dict[Basis, VectorSums]:
    """Return the sums of all *parts* by basis."""
    merged: dict[Basis, VectorSums] = {}
    for part in parts:
        for basis, sums in part.items():
            known = merged.get(basis)
            merged[basis] = sums if known is None else known.merge(sums)
    return merged
