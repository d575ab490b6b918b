"""Describes vectors by norm and direction, tensors and images by reductions.

A reference of vectors keeps their centroid and 16 principal components. Each vector then has a
norm, a cosine to the centroid and 16 coordinates, all of which are ordinary numeric features. This
detects shifts and new clusters about as well as tests in all dimensions, with 1 % of the data. The
norm is included because directions do not show a change of length.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COMPONENTS = 16
MAX_DIMENSIONS = 4096  # largest dimension for which a reference keeps components
LARGEST_UNITS = 1 << 20  # largest rounded coordinate in units, 256 standard deviations
UNIT_BITS = 12  # a standard deviation has about 2^12 units
MAX_BITS = 1000  # largest binary exponent of a unit, in both directions
FITTED_ROWS = 2000  # evenly spaced rows of a reference from which the components are computed

Reduction = Callable[[Floats], Floats]  # function from shape (rows, cells) to (rows,)


def _zero_share(rows: Floats) -> Floats:
    return np.asarray((rows == 0).mean(axis=1))


REDUCTIONS: Mapping[str, Reduction] = {
    "mean": lambda rows: np.asarray(rows.mean(axis=1)),
    "std": lambda rows: np.asarray(rows.std(axis=1)),
    "min": lambda rows: np.asarray(rows.min(axis=1)),
    "max": lambda rows: np.asarray(rows.max(axis=1)),
    "range": lambda rows: np.asarray(np.ptp(rows, axis=1)),
    "l1": lambda rows: np.asarray(np.abs(rows).sum(axis=1)),
    "zero_share": _zero_share,
}
DEFAULT_REDUCTIONS = ("mean", "std", "min", "max", "zero_share")


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The centroid and the principal components of a reference's vectors.

    Attributes:
        mean: Centroid, shape (d,).
        components: Orthonormal directions of largest variance, shape (k, d), k at most 16.
        bits: Binary exponent of the unit in which moments of coordinates are summed; None in a
            reference of an older version, which sums none.
    """

    mean: Floats
    components: Floats
    bits: int | None = None

    @classmethod
    def of(cls, vectors: Floats) -> "Embedding | None":
        """Return the embedding of finite *vectors*, shape (n, d), n >= 2; None for a large d."""
        if vectors.shape[0] < 2 or not 0 < vectors.shape[1] <= MAX_DIMENSIONS:
            return None
        step = max(vectors.shape[0] // FITTED_ROWS, 1)
        mean = vectors.mean(axis=0)
        fitted = vectors[::step] - mean
        _, lengths, directions = np.linalg.svd(fitted, full_matrices=False)
        components = directions[:COMPONENTS]
        # The sign of a direction is arbitrary, so the largest coordinate is made positive.
        largest = np.abs(components).argmax(axis=1)
        signs = np.sign(components[np.arange(len(components)), largest])
        rounded = (components * signs[:, None]).astype(np.float32).astype(np.float64)
        deviation = float(lengths[0]) / math.sqrt(len(fitted))
        return cls(mean.astype(np.float32).astype(np.float64), rounded, _bits_of(deviation))


def _bits_of(deviation: float) -> int:
    """Return the exponent of a unit that is about 2^-12 of *deviation*; of 1 if that is 0."""
    _, exponent = math.frexp(deviation) if math.isfinite(deviation) else (0.0, 0)
    return min(max(UNIT_BITS - exponent, -MAX_BITS), MAX_BITS)


def component_name(at: int) -> str:
    """Return the name of the column of coordinate *at*, which counts from 0."""
    return f"pc{at + 1:02d}"


def vector_columns(vectors: Floats, embedding: Embedding | None) -> dict[str, Floats]:
    """Return columns for *vectors*, shape (n, d): norm and direction, or reductions."""
    with np.errstate(all="ignore"):
        norm = np.sqrt((vectors * vectors).sum(axis=1))
        columns: dict[str, Floats] = {"norm": norm}
        if embedding is None or embedding.mean.size != vectors.shape[1]:
            return columns | tensor_columns(vectors, ("mean", "std", "zero_share"))
        length = norm * np.sqrt((embedding.mean * embedding.mean).sum())
        along = vectors @ embedding.mean
        columns["cosine"] = np.divide(along, length, out=np.zeros_like(along), where=length > 0)
        coordinates = (vectors - embedding.mean) @ embedding.components.T
    for at in range(coordinates.shape[1]):
        columns[component_name(at)] = coordinates[:, at]
    return columns


def tensor_columns(
    tensors: Floats, reductions: Sequence[str] = DEFAULT_REDUCTIONS
) -> dict[str, Floats]:
    """Return columns for *tensors*, shape (n, ...), named as in `REDUCTIONS`; none if empty."""
    if tensors.size == 0:
        return {}
    rows = tensors.reshape(tensors.shape[0], -1)
    with np.errstate(all="ignore"):
        return {name: REDUCTIONS[name](rows) for name in reductions}
