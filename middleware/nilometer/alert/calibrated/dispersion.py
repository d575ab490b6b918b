"""Dispersion: how far windows vary around their mean without a drift.

Sampling alone gives a component the variance *v0*. Real windows vary more: rows are clustered,
conditions change between windows, and neighbouring windows are correlated. Each function here
measures one of these effects. Each result can only increase the variance.

All arrays have the shape (W, j): W windows, j components. `use`, of shape (W,), selects the
windows to use; the others are gaps.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.slots import Integers

Mask = NDArray[np.bool_]

LAGS = 12  # largest distance of windows that may be correlated
MOST_CORRELATION = 0.97  # the variance cannot be estimated from a larger correlation
VOLUME_SPREAD = 0.3  # smallest deviation of log(rows) that separates two variances
UNEVEN = 1.5  # an hour with a larger mean square gets its own variance
LEAST_OF_SLOT = 4  # a slot with fewer windows is not used
EXTREME = 10  # rank of the outlier that measures how heavy the tails are
TINY = 1e-300


def long_run_ratio(z: Floats, use: Mask, lags: int = LAGS) -> Floats:
    """Return long-run variance divided by variance of each component, at least 1, shape (j,).

    It is Newey and West's estimate, after a first-order autoregression is removed.

    Source: Andrews and Monahan, Econometrica 60 (1992) 953.
    """
    z = np.where(use[:, None], z, 0.0)
    variance = (z * z).sum(axis=0) / max(int(use.sum()), 1) + TINY
    rho = np.clip(_autocovariance(z, use, 1) / variance, 0.0, MOST_CORRELATION)
    both = use[1:] & use[:-1]
    rest = np.where(both[:, None], z[1:] - rho * z[:-1], 0.0)
    total = (rest * rest).sum(axis=0) / max(int(both.sum()), 1)
    for lag in range(1, min(lags, len(rest) - 1) + 1):
        total = total + 2 * (1 - lag / (lags + 1)) * _autocovariance(rest, both, lag)
    return np.asarray(np.maximum(total / (1 - rho) ** 2 / variance, 1.0))


def _autocovariance(x: Floats, use: Mask, lag: int) -> Floats:
    pairs = max(int((use[lag:] & use[:-lag]).sum()), 1)
    return np.asarray((x[lag:] * x[:-lag]).sum(axis=0) / pairs)


def uneven(z: Floats, use: Mask, hour: Integers, hours: int) -> Floats:
    """Return the mean square of *z* in hours where it is large, else 1; shape (hours, j).

    It is large if values change quickly within the hour, for example at the start of a shift.
    """
    found = np.ones((hours, z.shape[1]))
    for slot in np.unique(hour[use]):
        inside = (hour == slot) & use
        square = (z[inside] ** 2).mean(axis=0)
        if inside.sum() >= LEAST_OF_SLOT:
            found[slot] = np.where(square > UNEVEN, square, 1.0)
    return found


def tail_ratio(z: Floats) -> Floats:
    """Return the tenth largest |z| divided by that of a normal distribution, at least 1; (j,).

    Args:
        z: Standardised residuals of the used windows, shape (n, j). With fewer than 200 windows
            the tails are unknown, and the ratio is 1.
    """
    if len(z) < 20 * EXTREME:
        return np.ones(z.shape[1])
    expected = -ndtri((EXTREME - 0.5) / len(z) / 2)
    seen = np.partition(np.abs(z), -EXTREME, axis=0)[-EXTREME]
    return np.asarray(np.maximum(seen / expected, 1.0))


def volume_varies(rows: Floats) -> bool:
    """Return whether *rows* of windows, shape (n,), vary enough to separate two variances."""
    return bool(np.std(np.log(np.maximum(rows, 1.0))) > VOLUME_SPREAD)


def two_variances(squares: Floats, sampling: Floats) -> tuple[Floats, Floats]:
    """Fit ``squares = phi * sampling + tau2`` with weights ``1 / sampling**2``.

    Args:
        squares: Squared residuals, shape (n, j).
        sampling: Sampling variance of each, shape (n, j), above 0.

    Returns:
        phi, at least 1, the factor for clustered rows; and tau2, at least 0, the variance between
        windows that does not depend on their rows. Both have the shape (j,).
    """
    weight = 1 / sampling**2
    inverse = (weight * sampling).mean(axis=0)
    flat = weight.mean(axis=0)
    ratio = (weight * sampling * squares).mean(axis=0)
    square = (weight * squares).mean(axis=0)
    determinant = np.maximum(flat - inverse**2, TINY)
    phi = np.maximum((ratio * flat - square * inverse) / determinant, 1.0)
    tau2 = np.maximum((square - phi * inverse) / flat, 0.0)
    return phi, tau2
