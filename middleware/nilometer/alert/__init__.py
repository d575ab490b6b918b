"""Alerters, evaluations and episodes: pure functions of summaries."""

from nilometer.alert.alerter import Alerter, Severity
from nilometer.alert.conditions import AgainstReference, Condition, Fixed, Range, ThresholdSide
from nilometer.alert.evaluation import Evaluation, evaluate
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.alert.limit import Limit
from nilometer.alert.reason import Reason
from nilometer.alert.statistic import STATISTICS
from nilometer.alert.status import AlertStatus, EpisodeState, Transition, advance
from nilometer.alert.times import Hours, Maintenance, Repeat, Times

__all__ = [
    "STATISTICS",
    "AgainstReference",
    "AlertStatus",
    "Alerter",
    "Condition",
    "EpisodeState",
    "Evaluation",
    "Fixed",
    "Hours",
    "Judgement",
    "Limit",
    "Maintenance",
    "Range",
    "Reason",
    "Repeat",
    "Severity",
    "ThresholdSide",
    "Times",
    "Transition",
    "Verdict",
    "advance",
    "evaluate",
]
