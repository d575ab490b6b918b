"""Evidence: scores of many streams, added up over windows against one budget.

Each stream keeps a Shiryaev-Roberts statistic for each of four sizes of drift:

    M <- (g + M) exp(min(theta z - theta^2 / 2, cap))

*g* is the length of a window in base windows. Without a drift, the expected value of M is at most
the time in base windows. This holds for every stream, even if streams depend on each other. So a
sum of M with weights that add up to 1 reaches the budget A less than once in A base windows.

The cap ensures that a single window, even an extreme one, cannot raise an alarm.

Source: Shiryaev, Theory of Probability and its Applications 8 (1963) 22; Roberts, Technometrics 8
(1966) 411. Shin, Ramdas and Rinaldo, arXiv:2203.03532, for dependent streams.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nilometer.alert.calibrated.columns import Floats

THETA = np.array([0.5, 1.0, 2.0, 4.0])  # sizes of drift, in standard deviations of a window
HALF_SQUARE = THETA**2 / 2
LEAST_DRIFT = float(THETA[0]) / 2  # a window with a larger score is evidence for a drift
BUDGET = 8640.0  # mean base windows between false alarms: 30 days of windows of 5 minutes
LEAST_WINDOWS = 2  # fewest windows with evidence for a drift before an alarm
MOST_WINDOWS = 255  # the count of windows with evidence stops here
SLACK = 0.01  # added to the cap, so that rounding never prevents an alarm after LEAST_WINDOWS
ALIKE = 10.0  # streams within this ratio of evidence count as equal; their scores decide
RECOVERED = 200.0  # evidence for recovery that closes an alarm
MOST_RECOVERY = 1e6 * RECOVERED  # more evidence is not counted, so that it can fall again
RECOVERY_CAP = np.log(20.0)  # one window can multiply this evidence by at most 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceState:
    """The evidence of the streams of a model; 41 bytes per stream.

    Attributes:
        m: Statistics M, shape (S, 4); the cap bounds them, so they need no logarithm.
        windows: Number of windows with evidence for a drift, counted since the evidence was last at
            its floor, shape (S,). The count stops at 255.
        since_ns: End of the last window in which the evidence was at its floor, Unix nanoseconds,
            shape (S,). A drift is estimated to begin there. 0 before the first window.
    """

    m: Floats
    windows: NDArray[np.uint8]
    since_ns: NDArray[np.int64]

    @classmethod
    def empty(cls, streams: int) -> "EvidenceState":
        """Return the state before the first window."""
        return cls(
            m=np.zeros((streams, len(THETA))),
            windows=np.zeros(streams, np.uint8),
            since_ns=np.zeros(streams, np.int64),
        )

    def without(self, streams: NDArray[np.bool_]) -> "EvidenceState":
        """Return the state with the evidence of *streams*, shape (S,), reset."""
        m, windows = self.m.copy(), self.windows.copy()
        m[streams], windows[streams] = 0.0, 0
        return EvidenceState(m=m, windows=windows, since_ns=self.since_ns)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A column whose evidence reached the budget.

    Attributes:
        column: Position of the column.
        stream: Position of the stream with the most evidence; the score decides between equals.
        onset_ns: Estimated start of the drift, Unix nanoseconds.
        log_evidence: Natural logarithm of weighted evidence divided by budget, at least 0.
    """

    column: int
    stream: int
    onset_ns: int
    log_evidence: float


class Budget:
    """Adds up the evidence of streams, and raises alarms when it reaches the budget.

    Args:
        of_stream: Position of the column of each stream, ascending, shape (S,).
        shares: Share of each column in the entity's budget, shape (C,). The shares of all
            columns of an entity, over all its models, add up to at most 1.
        base_windows: Length of a window of this model in base windows.
        budget: Mean number of base windows between false alarms of the entity.

    Attributes:
        columns: Number of columns.
    """

    def __init__(
        self,
        of_stream: NDArray[np.intp],
        shares: Floats,
        *,
        base_windows: int = 1,
        budget: float = BUDGET,
    ) -> None:
        self._of_stream = of_stream
        self.columns = len(shares)
        streams = np.bincount(of_stream, minlength=self.columns)
        self._weight = (shares / np.maximum(streams, 1))[of_stream]
        self._length = float(base_windows)
        self._budget = budget
        needed = np.log(budget / (self._weight * base_windows)) + np.log(len(THETA))
        self._cap = (needed / LEAST_WINDOWS + SLACK)[:, None]

    def streams_of(self, columns: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the mask of the streams, shape (S,), of a mask of *columns*, shape (C,)."""
        return np.asarray(columns[self._of_stream])

    def advance(
        self, state: EvidenceState, z: Floats, end_ns: int
    ) -> tuple[EvidenceState, list[Alarm]]:
        """Return the state after a window, and the columns that alarm.

        Args:
            state: State after the previous window.
            z: Score of each stream, shape (S,). NaN means not judged and does not change the
                evidence.
            end_ns: End of the window, Unix nanoseconds.
        """
        seen = np.isfinite(z)
        factor = z[:, None] * THETA
        factor -= HALF_SQUARE
        np.minimum(factor, self._cap, out=factor)
        np.exp(factor, out=factor)
        factor *= self._length + state.m
        m = factor if seen.all() else np.where(seen[:, None], factor, state.m)
        one, two, three, four = m.T  # ten times as fast as a mean over an axis of four
        mean = (one + two + three + four) / len(THETA)
        floor = mean <= self._length
        windows = state.windows + ((z > LEAST_DRIFT) & (state.windows < MOST_WINDOWS))
        windows[floor] = 0
        since = np.where(floor, end_ns, state.since_ns)
        after = EvidenceState(m=m, windows=windows, since_ns=since)
        weighted = self._weight * mean
        sums = np.bincount(self._of_stream, weighted, minlength=self.columns)
        alarms = []
        for column in np.flatnonzero(sums >= self._budget):
            first, last = np.searchsorted(self._of_stream, (column, column + 1))
            # The cap gives extreme streams equal evidence, so their scores decide.
            strong = weighted[first:last] * ALIKE >= weighted[first:last].max()
            scores = np.where(strong & seen[first:last], z[first:last], -np.inf)
            best = int(first + np.argmax(scores))
            if windows[best] >= LEAST_WINDOWS:
                log_evidence = float(np.log(sums[column] / self._budget))
                alarms.append(Alarm(int(column), best, int(since[best]), log_evidence))
        return after, alarms


def recovery(m: Floats, z: float) -> Floats:
    """Return the evidence that a stream has recovered, after one more window.

    Args:
        m: Evidence after the previous window, shape (4,); zeros when the stream alarmed.
        z: Score of the stream; finite.
    """
    exponent = -z * THETA - HALF_SQUARE
    return np.minimum((1 + m) * np.exp(np.minimum(exponent, RECOVERY_CAP)), MOST_RECOVERY)
