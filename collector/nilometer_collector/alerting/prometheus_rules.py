"""Prometheus rules made from alerters: recording rules, health alerts, and one alert per alerter.

The rules read the metrics that agents and the collector export. So an existing Alertmanager can
notify the same people at the same thresholds.
"""

import json
import math
from collections.abc import Iterable, Mapping
from functools import singledispatch

from nilometer.alert import AgainstReference, Alerter, AlertStatus, Condition, Fixed, Range
from nilometer.alert.conditions import (
    AgainstBaseline,
    AgainstOther,
    AgainstPrevious,
    Direction,
    Reported,
)
from nilometer.export.keys import ALERTER, ENTITY, FATE, MEASURE, OUTCOME, STATUS, SUMMARY
from nilometer.export.metric import Exporter, sanitised
from nilometer.export.server_metrics import REQUEST_DURATION
from nilometer.export.telemetry import (
    ALERT_STATUS,
    DATA_AGE,
    EVALUATION_BREACH,
    EVALUATION_VALUE,
    OBSERVATIONS,
    OUTBOX_ROWS,
    REQUESTS,
    STORE_UNCOLLECTED_AGE,
    UP,
    own_counter,
)
from nilometer.values.reasons import Outcome

RATE = "5m"  # range of rates, which covers several scrapes and exports
STALE_WINDOWS = 5  # windows without data before an alert
UNCOLLECTED_ALARM = 60  # seconds; usually samples are collected once a second
OUTBOX_ALARM = 10_000  # rows; a typical pod makes as many in a few hours

OF_COLLECTOR = (AgainstPrevious, AgainstBaseline, AgainstOther)  # agents cannot judge these

Groups = Mapping[str, list[dict[str, object]]]

_ENTITY, _OUTCOME, _FATE = map(sanitised, (ENTITY, OUTCOME, FATE))
_FAILED = "|".join(outcome.value for outcome in Outcome if outcome.failed)
_POD = "instance, job, pod"  # labels of the scraped pod, not of the sample


def rules(alerters: Iterable[Alerter], window_seconds: int) -> Groups:
    """Return the rule groups for *alerters*, whose windows are *window_seconds* long."""
    groups: list[dict[str, object]] = [
        {"name": "nilometer-records", "rules": records()},
        {"name": "nilometer-health", "rules": health(window_seconds)},
    ]
    by_entity: dict[str, list[dict[str, object]]] = {}
    for alerter in alerters:
        by_entity.setdefault(alerter.entity, []).append(alert(alerter, window_seconds))
    groups += [
        {"name": f"nilometer-alerters-{entity}", "rules": alerts}
        for entity, alerts in sorted(by_entity.items())
    ]
    return {"groups": groups}


def records() -> list[dict[str, object]]:
    """Return recording rules for requests and coverage, by entity."""
    requests, seen = REQUESTS.prometheus, OBSERVATIONS.prometheus
    duration = f"{REQUEST_DURATION.prometheus}_bucket"

    def rate(metric: str, selector: str = "", by: str = "") -> str:
        kept = f"{_ENTITY}, {by}" if by else _ENTITY
        return f"sum by ({kept}) (rate({metric}{selector}[{RATE}]))"

    found = [
        ("nilometer:requests:rate5m", rate(requests, by=_OUTCOME)),
        (
            "nilometer:request_failures:ratio_rate5m",
            (
                f'({rate(requests, f"""{{{_OUTCOME}=~"{_FAILED}"}}""")} or 0 * {rate(requests)}) '
                f"/ {rate(requests)}"
            ),
        ),
        (
            "nilometer:observations_profiled:ratio_rate5m",
            f'{rate(seen, f"""{{{_FATE}="profiled"}}""")} / {rate(seen)}',
        ),
    ]
    found += [
        (
            f"nilometer:request_duration_seconds:p{round(q * 100)}_rate5m",
            f"histogram_quantile({q}, {rate(duration, by='le')})",
        )
        for q in (0.5, 0.9, 0.99)
    ]
    return [{"record": record, "expr": expression} for record, expression in found]


def health(window_seconds: int) -> list[dict[str, object]]:
    """Return alerts for faults of the monitoring itself."""
    dropped = f'{OBSERVATIONS.prometheus}{{{_FATE}="dropped"}}'
    # `increase` returns nothing for a series that did not exist before.
    lost = (f"increase({dropped}[10m])", f"{dropped} unless {dropped} offset 10m")
    refused = own_counter(Exporter.AGENT, "export_points_rejected").prometheus
    rejected = own_counter(Exporter.AGENT, "rows_rejected").prometheus
    stale = STALE_WINDOWS * window_seconds
    return [
        _alarm(
            "NilometerObservationsDropped",
            " or ".join(f"sum by ({_ENTITY}) ({one}) > 0" for one in lost),
            "{{ $value | printf `%.0f` }} observations of {{ $labels." + _ENTITY + " }} were lost",
        ),
        _alarm(
            "NilometerNoData",
            f"{DATA_AGE.prometheus} > {stale}",
            "{{ $labels." + _ENTITY + " }} has sent no data for {{ $value | humanizeDuration }}",
        ),
        _alarm(
            "NilometerCollectorAway",
            f"{OUTBOX_ROWS.prometheus} > {OUTBOX_ALARM}",
            "the agent {{ $labels.instance }} holds {{ $value }} rows that the collector has not acknowledged",
            wait="15m",
        ),
        _alarm(
            "NilometerJudgementLate",
            f"{UP.prometheus} == 0",
            "the collector {{ $labels.instance }} does not judge all windows in time",
            wait="5m",
        ),
        _alarm(
            "NilometerSamplesUncollected",
            f"{STORE_UNCOLLECTED_AGE.prometheus} > {UNCOLLECTED_ALARM}",
            "no collector has added the counts of samples to the lists of {{ $labels.instance }} for "
            "{{ $value | humanizeDuration }}",
            wait="5m",
        ),
        _alarm(
            "NilometerRowsRejected",
            f"increase({rejected}[1h]) > 0",
            "the collector rejects rows of {{ $labels.instance }}",
        ),
        _alarm(
            "NilometerPointsRejected",
            f"increase({refused}[1h]) > 0",
            "the OTLP endpoint rejects points of {{ $labels.instance }}",
        ),
    ]


def alert(alerter: Alerter, window_seconds: int) -> dict[str, object]:
    """Return *alerter* as an alert with the same measure, threshold, delays and severity.

    Prometheus before 2.42 ignores `keep_firing_for`, so its alerts close after one good window.
    """
    selector = ",".join(
        f"{sanitised(name)}={_quoted(value)}"
        for name, value in ((ENTITY, alerter.entity), (ALERTER, alerter.name))
    )
    expression = _expression(alerter.condition, selector)
    summary = "{{ $labels." + sanitised(SUMMARY) + " }}"
    breaches_seconds = max(alerter.windows_to_open * window_seconds, math.ceil(alerter.for_seconds))
    return {
        "alert": "Nilometer" + _camel(alerter.name),
        "expr": expression,
        "for": f"{breaches_seconds - window_seconds}s",
        "keep_firing_for": f"{(alerter.windows_to_close - 1) * window_seconds}s",
        # Entity and alerter are labels of the series. Here, Prometheus would read them as templates.
        "labels": {"severity": alerter.severity.value},
        "annotations": {
            "summary": f"{_plain(alerter.entity)}: {_told(alerter.condition, summary)}"
        },
    }


def _told(condition: Condition, summary: str) -> str:
    """Return what the annotation says about *summary*, a template."""
    if isinstance(condition, OF_COLLECTOR):
        return f"{condition.measure} of {summary} is too far from {_plain(condition.side)}"
    if isinstance(condition, Reported):
        return f"{_plain(condition.measure)} of {summary} alerts, {_plain(condition.limit_text)}"
    measure = "{{ $labels." + sanitised(MEASURE) + " }}"
    return f"{measure} of {summary} is " + (
        "{{ $value | printf `%.3g` }} (" + condition.limit_text + ")"
    )


@singledispatch
def _expression(condition: Condition, selector: str) -> str:
    """Return the PromQL expression for *condition*. This fallback reads the agents' verdicts.

    Conditions whose limit Prometheus can compare with the value are registered below.
    """
    del condition
    return _by_verdict(selector)


@_expression.register
def _(condition: AgainstReference, selector: str) -> str:
    if condition.direction is not Direction.EITHER:
        return _by_verdict(selector)
    return f"{_most(selector)} > {condition.threshold!r}"


@_expression.register(AgainstPrevious)
@_expression.register(AgainstBaseline)
@_expression.register(AgainstOther)
@_expression.register(Reported)
def _(condition: Condition, selector: str) -> str:
    """Agents do not judge these, so the collector's status decides."""
    del condition
    alerting = f"{sanitised(STATUS)}={_quoted(AlertStatus.ALERTING.value)}"
    return f"max without ({_POD}) ({ALERT_STATUS.prometheus}{{{selector},{alerting}}}) > 0"


@_expression.register
def _(condition: Fixed, selector: str) -> str:
    side = condition.side
    worst = _least(selector) if side.is_below else _most(selector)
    return f"{worst} {side.value} {condition.threshold!r}"


@_expression.register
def _(condition: Range, selector: str) -> str:
    low, high = _number(condition.low), _number(condition.high)
    return f"{_least(selector)} < {low} or {_most(selector)} > {high}"


def _by_verdict(selector: str) -> str:
    """Return PromQL for the largest value, where an agent found a breach."""
    breach = f"max without ({_POD}) ({EVALUATION_BREACH.prometheus}{{{selector}}})"
    return f"{_most(selector)} and ignoring ({sanitised(MEASURE)}) {breach} > 0"


def _most(selector: str) -> str:
    """Return PromQL for the largest value over all pods."""
    return f"max without ({_POD}) ({EVALUATION_VALUE.prometheus}{{{selector}}})"


def _least(selector: str) -> str:
    """Return PromQL for the smallest value over all pods."""
    return f"min without ({_POD}) ({EVALUATION_VALUE.prometheus}{{{selector}}})"


def _alarm(name: str, expression: str, summary: str, wait: str = "0s") -> dict[str, object]:
    return {
        "alert": name,
        "expr": expression,
        "for": wait,
        "labels": {"severity": "warning"},
        "annotations": {"summary": summary},
    }


def _number(value: float) -> str:
    """Return *value* in PromQL, which writes infinities as +Inf and -Inf."""
    return {"inf": "+Inf", "-inf": "-Inf"}.get(repr(value), repr(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _plain(text: str) -> str:
    """Return *text* without braces, which a template would read as code."""
    return text.replace("{", "").replace("}", "")


def _camel(name: str) -> str:
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in name).split()
    return "".join(word[:1].upper() + word[1:] for word in words) or "Alerter"
