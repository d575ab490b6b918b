"""Alerters, evaluations and episodes: pure functions of summaries."""

from nilometer.alert.alerter import Alerter, Severity
from nilometer.alert.conditions import AgainstReference, Condition, Fixed, Range, ThresholdSide
from nilometer.alert.evaluation import Evaluation, evaluate
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.alert.statistic import STATISTICS
from nilometer.alert.status import AlertStatus, EpisodeState, Transition, advance

__all__ = [
    "STATISTICS",
    "AgainstReference",
    "AlertStatus",
    "Alerter",
    "Condition",
    "EpisodeState",
    "Evaluation",
    "Fixed",
    "Judgement",
    "Range",
    "Severity",
    "ThresholdSide",
    "Transition",
    "Verdict",
    "advance",
    "evaluate",
]
