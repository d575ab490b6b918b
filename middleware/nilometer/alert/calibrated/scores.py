"""Scores: how far a component is beyond the tolerance, as a normal deviate.

The null hypothesis holds the tolerance: "no further from normal than delta". Under it a score is at
most a standard normal, whatever the number of rows.
"""

import numpy as np
from scipy.special import betainc, ndtri, stdtr

from nilometer.alert.calibrated.columns import Floats

LEAST_PROBABILITY = 1e-300


def normal_score(z: Floats, degrees: Floats) -> Floats:
    """Student's t with *degrees* of freedom as a normal deviate.

    Only positive values shrink: a short baseline must not speak for a drift more than it knows.
    """
    found = np.array(z, np.float64)
    up = found > 0
    tail = stdtr(np.broadcast_to(degrees, found.shape)[up], -found[up])
    found[up] = -ndtri(np.clip(tail, LEAST_PROBABILITY, 1.0))
    return found


def chi_square_score(chi: Floats, degrees: Floats | float, noncentral: Floats) -> Floats:
    """A non-central chi-square as a normal deviate.

    Patnaik's two moments, then Wilson and Hilferty's cube root.

    Args:
        chi: Values of the statistic.
        degrees: Degrees of freedom, above 0.
        noncentral: Non-centrality, at least 0.

    Source: Patnaik, Biometrika 36 (1949) 202; Wilson and Hilferty, PNAS 17 (1931) 684.
    """
    mean, spread = degrees + noncentral, degrees + 2 * noncentral
    own, scale = mean * mean / spread, spread / mean
    root = np.cbrt(np.maximum(chi, 0.0) / scale / own)
    return np.asarray((root - (1 - 2 / (9 * own))) / np.sqrt(2 / (9 * own)))


def binomial_score(k: Floats, n: Floats, p: Floats) -> Floats:
    """``-Phi^-1 P(Bin(n, p) >= k)`` for real *k* and *n*: conservative for any n, and at p = 0.

    Where *k* is at most its mean there is no evidence, and a normal approximation is enough.
    """
    p = np.clip(p, 1e-9, 1 - 1e-9)
    k, n, p = np.broadcast_arrays(k, n, p)
    deviation = np.sqrt(np.maximum(n * p * (1 - p), 1e-9))
    z = np.array(np.minimum((k - n * p) / deviation, 0.0))
    up = k > n * p
    tail = betainc(k[up], np.maximum(n[up] - k[up], 0.0) + 1.0, p[up])
    z[up] = -ndtri(np.clip(tail, LEAST_PROBABILITY, 1.0))
    return z
