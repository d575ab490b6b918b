"""Scores: how far a component is outside the tolerance, as a standard normal deviate.

The null hypothesis includes the tolerance: "at most delta away from normal". Under it, a score is
at most standard normal, for any number of rows.
"""

import numpy as np
from scipy.special import betainc, ndtri, stdtr

from nilometer.alert.calibrated.columns import Floats

LEAST_PROBABILITY = 1e-300


def normal_score(z: Floats, degrees: Floats) -> Floats:
    """Return Student's t values *z*, shape (W, j), with *degrees* (j,) of freedom as normal deviates.

    Only positive values become smaller, so that a short baseline does not overstate a drift.
    """
    found = np.array(z, np.float64)
    up = np.nonzero(found > 0)
    tail = stdtr(degrees[up[1]], -found[up])
    found[up] = -ndtri(np.clip(tail, LEAST_PROBABILITY, 1.0))
    return found


def chi_square_score(chi: Floats, degrees: Floats | float, noncentral: Floats) -> Floats:
    """Return non-central chi-square values as normal deviates.

    It uses Patnaik's two-moment approximation, and then Wilson and Hilferty's cube root.

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
    """Return ``-Phi^-1 P(Bin(n, p) >= k)`` for real *k* and *n*; all arrays have one shape.

    The result is conservative for any *n*, and for *p* = 0. A *k* up to its mean is no evidence,
    so a normal approximation is enough there.
    """
    p = np.clip(p, 1e-9, 1 - 1e-9)
    mean = n * p
    deviation = np.sqrt(np.maximum(mean * (1 - p), 1e-9))
    z = np.asarray(np.minimum((k - mean) / deviation, 0.0))
    up = np.nonzero(k > mean)
    tail = betainc(k[up], np.maximum(n[up] - k[up], 0.0) + 1.0, p[up])
    z[up] = -ndtri(np.clip(tail, LEAST_PROBABILITY, 1.0))
    return z
