"""Alerters, evaluations and episodes: pure functions of summaries."""

from nilometer.alert.alerter import Alerter, AlerterKind, Severity, ThresholdSide
from nilometer.alert.evaluation import Evaluation, Verdict, evaluate
from nilometer.alert.statistic import STATISTICS
from nilometer.alert.status import AlertStatus, EpisodeState, Transition, advance

__all__ = [
    "STATISTICS",
    "AlertStatus",
    "Alerter",
    "AlerterKind",
    "EpisodeState",
    "Evaluation",
    "Severity",
    "ThresholdSide",
    "Transition",
    "Verdict",
    "advance",
    "evaluate",
]
