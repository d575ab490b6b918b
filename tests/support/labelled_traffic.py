"""Predictions whose labels arrive late, in a store that the default alerter watches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from support.watched_traffic import Draw, Traffic

from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.profile import Content, FeatureRecorder, ScoreProfile
from nilometer.profile.performance import Performance, classes_only
from nilometer.values.window import Window

QUALITY = "logged.quality"
LABEL = "output.label"

Classes = NDArray[np.int64]


@dataclass
class LabelledTraffic(Traffic):
    """An entity that predicts classes. An agent sends the predictions, a job logs the labels."""

    columns: dict[str, Draw] = field(default_factory=dict)

    def predict(self, window: Window, rows: int) -> None:
        """Send *rows* predictions of *window*, which arrive a minute after its end."""
        recorder = FeatureRecorder()
        recorder.observe_numbers(np.array([float(n % 2) for n in range(rows)]))
        self._put("pod-1", LABEL, window, recorder.profile())

    def score(self, window: Window, scores: NDArray[np.float64]) -> None:
        """Send the *scores* of the predictions of *window*."""
        profile = ScoreProfile()
        profile.observe(scores)
        self._put("pod-1", f"{LABEL}.scores", window, profile)

    def log(
        self,
        window: Window,
        rows: Performance,
        labels: Mapping[str, str] | None = None,
        summary: str = QUALITY,
    ) -> None:
        """Log the labelled *rows* of *window* now."""
        self._ship("log", [self._arrival(summary, window, rows, labels)])

    def wait(self, windows: int) -> None:
        """Let time pass, and let the default alerter run."""
        self.number += windows
        self.clock.wall_ns = max(self.clock.wall_ns, self.window().start_ns) + BASE_NS // 5
        self.watch.advance()

    def _put(self, agent: str, summary: str, window: Window, content: Content) -> None:
        self.clock.wall_ns = max(self.clock.wall_ns, window.end_ns + BASE_NS // 5)
        self._ship(agent, [self._arrival(summary, window, content)])


def rows_with_errors(rows: int, share: float, rng: np.random.Generator) -> Performance:
    """Return the performance of *rows* predictions of two classes, with a *share* of errors."""
    truth = rng.integers(0, 2, rows)
    predicted = truth ^ (rng.random(rows) < share)
    return classes_only(predicted.tolist(), truth.tolist())
