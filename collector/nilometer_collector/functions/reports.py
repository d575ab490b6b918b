"""Turns reports of the user's own code into evaluations, which the store applies as any other."""

import math
from collections.abc import Sequence

from nilometer.alert import Alerter, Evaluation, Reason
from nilometer.alert.conditions import Reported
from nilometer.alert.judgement import Verdict
from nilometer.client.report import Report
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.errors import Conflict, Refused
from nilometer_collector.limits.bounds import has_control

_VERDICTS = {
    "OK": (Verdict.FINE, Reason.NOTHING_TO_JUDGE),
    "ALERTING": (Verdict.BREACH, Reason.NOTHING_TO_JUDGE),
    "NO_DATA": (Verdict.NOT_JUDGED, Reason.NO_WINDOW),
    "LEARNING": (Verdict.NOT_JUDGED, Reason.NO_EARLIER_WINDOW),
}


def interval_of(condition: Reported, now_ns: int) -> Window:
    """Return the last whole interval of *condition* before *now_ns*."""
    length_ns = round(condition.every_seconds * NANOSECONDS)
    end_ns = now_ns // length_ns * length_ns
    return Window(end_ns - length_ns, end_ns)


def evaluations_of(alerter: Alerter, reports: Sequence[Report], window: Window) -> list[Evaluation]:
    """Return the evaluations of *alerter* that *reports* mean.

    Raises:
        Conflict: If a report is about a summary that the alerter does not watch.
        Refused: If a text has control characters, or two reports are about the same summary and labels.
    """
    found = [_evaluation(alerter, report, window) for report in reports]
    if len({(one.summary, one.labels) for one in found}) < len(found):
        raise Refused("reports: two are about the same summary and labels")
    return found


def failed(
    alerter: Alerter, known: Sequence[tuple[str, Labels]], window: Window, why: str
) -> list[Evaluation]:
    """Return that *alerter* did not judge *window*, for each summary and label set that it knows.

    Args:
        alerter: Alerter whose code failed.
        known: Summaries and label sets that it has reported before; may be empty.
        window: Interval without a report.
        why: Reason, a clause whose subject is the code.
    """
    sentence = f"the alerter failed: {why}"
    return [
        Evaluation(
            alerter=alerter,
            summary=summary,
            labels=labels,
            window=window,
            verdict=Verdict.NOT_JUDGED,
            value=0.0,
            count=0,
            reference_digest="",
            evidence=sentence,
            reason=Reason.FAILED,
        )
        for summary, labels in known or [(alerter.summary, Labels())]
    ]


def _evaluation(alerter: Alerter, report: Report, window: Window) -> Evaluation:
    summary = report.summary or alerter.summary
    if not report.summary and set("*?[") & set(summary):
        raise Conflict(f"summary: must be given, because the alerter is about {summary!r}")
    if not alerter.watches(summary):
        raise Conflict(f"summary = {summary!r}: the alerter is about {alerter.summary!r}")
    if has_control(summary) or has_control(report.evidence):
        raise Refused("a report has control characters: remove them")
    if not math.isfinite(report.value):
        raise Refused(f"value = {report.value}: must be a finite number")
    try:
        labels = Labels.of(report.labels)
    except ConfigError as error:
        raise Refused(f"labels: {error}") from error
    verdict, reason = _VERDICTS[report.status]
    return Evaluation(
        alerter=alerter,
        summary=summary,
        labels=labels,
        window=window,
        verdict=verdict,
        value=report.value,
        count=0,
        reference_digest="",
        evidence=report.evidence,
        reason=reason,
    )
