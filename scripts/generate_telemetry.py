"""Generate docs/metrics.md, the Grafana dashboard and the Prometheus rules; --check only compares."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from nilometer.export.keys import (
    ALERTER,
    ENTITY,
    FATE,
    LABEL_PREFIX,
    OUTCOME,
    OVERFLOW,
    QUANTILE,
    SIDE,
    STATUS,
    SUMMARY,
)
from nilometer.export.metric import Exporter, Instrument, Metric, sanitised
from nilometer.export.server_metrics import ACTIVE_REQUESTS, REQUEST_DURATION
from nilometer.export.telemetry import (
    ALERT_STATUS,
    CPU_TIME,
    DATA_AGE,
    EVALUATION_BREACH,
    EVALUATION_VALUE,
    FEATURE_MISSING,
    FEATURE_QUANTILE,
    FEATURE_VALUE,
    LOST_SIDES,
    MAX_SERIES,
    MEMORY,
    METRICS,
    OBSERVATIONS,
    OBSERVING_SHARE,
    OBSERVING_TIME,
    OUTBOX_ROWS,
    REQUESTS,
)
from nilometer.values.reasons import Outcome
from nilometer_agent.measure.counters import Counter as AgentCounter
from nilometer_collector.alerting.prometheus_rules import rules
from nilometer_collector.counters import Counter as CollectorCounter

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "metrics.md"
DASHBOARD = ROOT / "deploy" / "grafana" / "nilometer.json"
RULES = ROOT / "deploy" / "prometheus" / "nilometer.rules.yaml"
WINDOW_SECONDS = 60

_ENTITY, _SUMMARY, _ALERTER = map(sanitised, (ENTITY, SUMMARY, ALERTER))
CHOSEN = f'{_ENTITY}=~"$entity"'
FEATURE = f'{CHOSEN},{_SUMMARY}=~"$summary"'
FAILED = "|".join(outcome.value for outcome in Outcome if outcome.failed)

Target = tuple[str, str]  # PromQL, legend


def legend(*attributes: str) -> str:
    """Return a legend with the attributes of a series, in Grafana's notation."""
    return " ".join("{{" + sanitised(attribute) + "}}" for attribute in attributes)


def quantile(metric: Metric, q: float, selector: str) -> str:
    """Return a query for a quantile of a classic histogram."""
    rate = f"sum by (le) (rate({metric.prometheus}_bucket{{{selector}}}[$__rate_interval]))"
    return f"histogram_quantile({q}, {rate})"


def rate(metric: Metric, by: str, selector: str = CHOSEN) -> str:
    """Return a query for a rate by one attribute."""
    inner = f"rate({metric.prometheus}{{{selector}}}[$__rate_interval])"
    return f"sum by ({sanitised(by)}) ({inner})"


# Rows of panels: title, Grafana's unit, queries. All metric names come from the telemetry table.
ROWS: tuple[tuple[str, tuple[tuple[str, str, tuple[Target, ...]], ...]], ...] = (
    (
        "Service",
        (
            ("Requests by outcome", "reqps", ((rate(REQUESTS, OUTCOME), legend(OUTCOME)),)),
            (
                "Failed requests",
                "percentunit",
                (
                    (
                        (
                            f'sum(rate({REQUESTS.prometheus}{{{CHOSEN},{sanitised(OUTCOME)}=~"{FAILED}"}}'
                            f"[$__rate_interval])) / sum(rate({REQUESTS.prometheus}{{{CHOSEN}}}"
                            "[$__rate_interval]))"
                        ),
                        "failed",
                    ),
                ),
            ),
            (
                "Duration",
                "s",
                tuple(
                    (quantile(REQUEST_DURATION, q, CHOSEN), f"p{round(q * 100)}")
                    for q in (0.5, 0.9, 0.99)
                ),
            ),
            (
                "Most requests in flight",
                "short",
                (
                    (
                        f"sum by ({_ENTITY}) ({ACTIVE_REQUESTS.prometheus}{{{CHOSEN}}})",
                        legend(ENTITY),
                    ),
                ),
            ),
        ),
    ),
    (
        "Data",
        (
            (
                "Quantiles of the newest window",
                "short",
                (
                    (
                        (
                            f"avg by ({_SUMMARY}, {sanitised(QUANTILE)}) "
                            f"({FEATURE_QUANTILE.prometheus}{{{FEATURE}}})"
                        ),
                        legend(SUMMARY, QUANTILE),
                    ),
                ),
            ),
            (
                "Values by magnitude",
                "short",
                (
                    (
                        (
                            f"sum by (le) (increase({FEATURE_VALUE.prometheus}_bucket{{{FEATURE}}}"
                            "[$__rate_interval]))"
                        ),
                        "{{le}}",
                    ),
                ),
            ),
            (
                "Missing",
                "percentunit",
                (
                    (
                        f"max by ({_SUMMARY}) ({FEATURE_MISSING.prometheus}{{{FEATURE}}})",
                        legend(SUMMARY),
                    ),
                ),
            ),
            ("Coverage", "short", ((rate(OBSERVATIONS, FATE), legend(FATE)),)),
            ("Lost sides", "short", ((rate(LOST_SIDES, SIDE), legend(SIDE)),)),
        ),
    ),
    (
        "Drift and alerts",
        (
            (
                "What alerters measure",
                "short",
                (
                    (
                        (
                            f"max by ({_ALERTER}, {_SUMMARY}) "
                            f"({EVALUATION_VALUE.prometheus}{{{FEATURE}}})"
                        ),
                        legend(ALERTER, SUMMARY),
                    ),
                ),
            ),
            (
                "Breaches",
                "short",
                (
                    (
                        (
                            f"max by ({_ALERTER}, {_SUMMARY}) "
                            f"({EVALUATION_BREACH.prometheus}{{{FEATURE}}})"
                        ),
                        legend(ALERTER, SUMMARY),
                    ),
                ),
            ),
            (
                "Alerting",
                "short",
                (
                    (
                        (
                            f"sum by ({_ALERTER}, {_SUMMARY}) ({ALERT_STATUS.prometheus}"
                            f'{{{FEATURE},{sanitised(STATUS)}="ALERTING"}})'
                        ),
                        legend(ALERTER, SUMMARY),
                    ),
                ),
            ),
            (
                "Age of the data",
                "s",
                ((f"max by ({_ENTITY}) ({DATA_AGE.prometheus}{{{CHOSEN}}})", legend(ENTITY)),),
            ),
        ),
    ),
    (
        "What monitoring costs",
        (
            (
                "Processor",
                "percentunit",
                ((f"rate({CPU_TIME.prometheus}[$__rate_interval])", "{{job}} {{instance}}"),),
            ),
            (
                "Processor, in the model servers",
                "percentunit",
                (
                    (
                        (
                            f"sum by ({_ENTITY}) "
                            f"(rate({OBSERVING_TIME.prometheus}{{{CHOSEN}}}[$__rate_interval]))"
                        ),
                        legend(ENTITY),
                    ),
                ),
            ),
            (
                "Share of observations that are held",
                "percentunit",
                (
                    (
                        f"min by ({_ENTITY}) ({OBSERVING_SHARE.prometheus}{{{CHOSEN}}})",
                        legend(ENTITY),
                    ),
                ),
            ),
            ("Memory", "bytes", ((MEMORY.prometheus, "{{job}} {{instance}}"),)),
            ("Rows that wait", "short", ((OUTBOX_ROWS.prometheus, "{{instance}}"),)),
        ),
    ),
)


def dashboard() -> str:
    """Return the dashboard in Grafana's format."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
                "panels": [],
            }
        )
        y += 1
        width = 24 // len(row)
        for column, (name, unit, targets) in enumerate(row):
            panels.append(panel(len(panels) + 1, name, unit, targets, (column * width, y, width)))
        y += 8
    made = {
        "uid": "nilometer",
        "title": "nilometer: service and data",
        "tags": ["nilometer", "model monitoring"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 36,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "type": "datasource",
                    "label": "Prometheus",
                    "query": "prometheus",
                },
                variable("entity", f"label_values({REQUESTS.prometheus}, {_ENTITY})"),
                variable(
                    "summary",
                    f'label_values({FEATURE_QUANTILE.prometheus}{{{_ENTITY}=~"$entity"}}, {_SUMMARY})',
                ),
            ]
        },
        "panels": panels,
    }
    return json.dumps(made, indent=1) + "\n"


def panel(
    number: int, title: str, unit: str, targets: tuple[Target, ...], place: tuple[int, int, int]
) -> dict[str, Any]:
    """Return a time series panel."""
    x, y, width = place
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"h": 8, "w": width, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "expr": expression,
                "legendFormat": shown,
            }
            for place, (expression, shown) in enumerate(targets)
        ],
    }


def variable(name: str, query: str) -> dict[str, Any]:
    """Return a variable that is selected above the panels."""
    return {
        "name": name,
        "type": "query",
        "label": name.capitalize(),
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
    }


def page() -> str:
    """Return the text of docs/metrics.md."""
    rows = []
    for metric in METRICS:
        attributes = " ".join(f"`{name}`" for name in metric.attributes)
        shown = metric.prometheus + ("_bucket" if metric.instrument is Instrument.HISTOGRAM else "")
        rows.append(
            f"| `{metric.name}` | {metric.instrument.value} | `{metric.unit}` | {attributes} | "
            f"`{shown}` | {metric.exporter.value} | {metric.about} |"
        )
    own = [
        f"| {exporter.value} | {', '.join(f'`{counter.value}`' for counter in counters)} |"
        for exporter, counters in (
            (Exporter.AGENT, tuple(AgentCounter)),
            (Exporter.COLLECTOR, tuple(CollectorCounter)),
        )
    ]
    return (
        "# Metrics\n\n"
        "`make telemetry` generates this page, the dashboard and the rules from one table,\n"
        "`nilometer.export.telemetry`. [opentelemetry.md](opentelemetry.md) says how to send and scrape metrics.\n\n"
        f"The labels of a sample become attributes `{LABEL_PREFIX}<key>` of its points. A metric has at most\n"
        f"{MAX_SERIES} series. Beyond that, values that can be added up go to the series `{OVERFLOW}=true`.\n"
        "All other values are left out and counted.\n\n"
        "| OpenTelemetry | instrument | unit | attributes | Prometheus | from | meaning |\n"
        "|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "## Counters of each process\n\n"
        "A counter is exported as `nilometer.<process>.<counter>`, and to Prometheus as\n"
        "`nilometer_<process>_<counter>_total`. [telemetry.md](telemetry.md) explains each.\n\n"
        "| process | counters |\n|---|---|\n" + "\n".join(own) + "\n"
    )


def rules_file() -> str:
    """Return the Prometheus rules that need no alerter."""
    made = yaml.safe_dump(rules([], WINDOW_SECONDS), sort_keys=False, width=100)
    head = (
        "# Generated by `make telemetry`; `nilometer alerters` adds one alert for each alerter.\n"
    )
    return head + str(made)


def main() -> None:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    check = parser.parse_args().check
    for path, text in ((PAGE, page()), (DASHBOARD, dashboard()), (RULES, rules_file())):
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            sys.exit(f"{path.relative_to(ROOT)} differs from the code; run `make telemetry`")
    print("docs/metrics.md, dashboard and rules are up to date")


if __name__ == "__main__":
    main()
