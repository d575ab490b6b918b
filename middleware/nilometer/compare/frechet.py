"""Frechet distance of the vectors, as if both sides were normal distributions."""

import numpy as np

from nilometer.compare.comparator import Comparator, Counted, Fewest, Sides
from nilometer.compare.shares import Floats
from nilometer.compare.vectors import Moments, moments_of, vector_bins


def frechet(past: Moments, now: Moments) -> float:
    """Return the squared Frechet distance over the variance of the reference.

    It is ``|m - M|^2 + tr(s + S - 2 (S^.5 s S^.5)^.5)`` over ``tr(S)``, with the mean M and the
    covariance S of the reference, and those of the current side.

    Args:
        past: Moments of the vectors of the reference.
        now: Moments of the current vectors, in the same components.
    """
    variance = float(np.trace(past.covariance))
    root = _root(past.covariance)
    shared = float(np.sqrt(_eigenvalues(root @ now.covariance @ root)).sum())
    apart = variance + float(np.trace(now.covariance)) - 2 * shared
    moved = now.mean - past.mean
    return max(float(moved @ moved) + apart, 0.0) / variance


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return np.asarray(root)


def _eigenvalues(matrix: Floats) -> Floats:
    """Return the eigenvalues of a product that is symmetric but for rounding; at least 0."""
    return np.asarray(np.maximum(np.linalg.eigvalsh((matrix + matrix.T) / 2), 0.0))


def _distance(sides: Sides) -> float:
    return frechet(*moments_of(sides))


def _noise(sides: Sides) -> float:
    """Return the expected distance of two samples of one normal distribution.

    The mean adds ``tr(S) (1/n + 1/N)``. A small change D of the covariance adds ``sum D_ij^2 / 2 (l_i
    + l_j)`` in the eigenvectors of S, and D_ij has the variance ``l_i l_j (1 + [i = j]) (1/n + 1/N)``.
    """
    past, now = moments_of(sides)
    both = past.count * past.covariance + now.count * now.covariance
    values = _eigenvalues(both / (past.count + now.count))
    pairs = np.outer(values, values) / np.add.outer(values, values)
    of_covariance = float(pairs.sum() + np.trace(pairs)) / 2
    share = (float(values.sum()) + of_covariance) / float(np.trace(past.covariance))
    return share * (1 / past.count + 1 / now.count)


FRECHET = Comparator(
    name="frechet",
    distance=_distance,
    noise=_noise,
    about="squared Frechet distance in the components of the reference over their variance there",
    unit="variances",
    bias="about (1 + k / 4) (1/n + 1/N) for k components of equal variance, at most 16; less if few "
    "components have most of the variance",
    source="Dowson and Landau 1982; Heusel et al. 2017",
    fewest=Fewest(reference=100, current=100),
    bins=vector_bins,
    counted=Counted.VECTORS,
)
