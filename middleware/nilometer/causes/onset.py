"""The window in which a change began."""

from collections.abc import Sequence

import numpy as np

from nilometer.alert.calibrated.evidence import THETA
from nilometer.causes.scene import Floats
from nilometer.causes.shares import LEAST_SHARE


def onset(scores: Floats) -> int:
    """Return the position of the window in which a change up to the last window most likely began.

    It is the start ``k`` that maximises ``sum(theta z - theta ** 2 / 2)`` over the windows since ``k``,
    for the best ``theta``: the last restart of a CUSUM.

    Args:
        scores: Standard scores in the direction of the change, shape (W,), oldest first; NaN for a
            window that was not judged.

    Source: Page, "Continuous inspection schemes" (1954).
    """
    z = np.nan_to_num(scores)
    gains = np.array(THETA)[:, None] * z - np.array(THETA)[:, None] ** 2 / 2.0
    since = np.cumsum(gains[:, ::-1], axis=1)[:, ::-1]
    return int(since.max(axis=0).argmax())


def share_scores(counts: Sequence[float], rows: Sequence[float], share: float) -> Floats:
    """Return the standard score of the share of each window above *share*, shape (W,).

    Args:
        counts: Counted rows of each window.
        rows: All rows of each window; a window without rows has the score NaN.
        share: Usual share, 0 to 1.
    """
    total = np.asarray(rows, np.float64)
    usual = min(max(share, LEAST_SHARE), 1.0 - LEAST_SHARE)
    gap = np.asarray(counts, np.float64) / np.where(total > 0, total, np.nan) - share
    return np.asarray(gap * np.sqrt(total / (usual * (1.0 - usual))))
