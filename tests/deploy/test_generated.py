"""The dashboard and the rules use the metrics of the one table, and their readers accept them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from nilometer.alert import AgainstReference, Alerter, Fixed, Range, Severity, ThresholdSide
from nilometer.commands.cli import main
from nilometer.export.metric import Exporter, sanitised
from nilometer.export.telemetry import METRICS, own_counter
from nilometer_agent.measure.counters import Counter
from nilometer_collector.alerting.prometheus_rules import rules
from nilometer_collector.testing import Running

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "nilometer.json").read_text())
KNOWN = {metric.prometheus for metric in METRICS} | {
    own_counter(Exporter.AGENT, counter.value).prometheus for counter in Counter
}
ATTRIBUTES = {sanitised(name) for metric in METRICS for name in metric.attributes}
ALERTERS = [
    Alerter(
        entity="fraud-scorer",
        name="drift of inputs",
        summary="input.*",
        condition=AgainstReference(reference="training", threshold=0.25),
        windows_to_open=3,
        severity=Severity.CRITICAL,
    ),
    Alerter(
        entity="fraud-scorer",
        name="few",
        summary="service",
        condition=Fixed(statistic="count", side=ThresholdSide.BELOW, threshold=10.0),
    ),
    Alerter(
        entity="odd/name.x",
        name='quo"te {{ nothing }}',
        summary="output.score",
        condition=Range(statistic="mean", low=0.1),
    ),
]


def named(expression: str) -> set[str]:
    """The metrics of ours that a PromQL expression names."""
    found = re.findall(r"\b((?:http|nilometer|process|gen_ai|rpc)_\w+)(?=[{\[ ),]|$)", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def test_what_is_generated_is_what_the_table_says() -> None:
    finished = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_telemetry.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def test_the_dashboard_is_one_by_grafanas_schema() -> None:
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))

    def same(ours: Any, theirs: Any, path: str) -> None:
        # What the schema does not know would not come back; what it adds is its own default.
        if isinstance(ours, dict):
            for key, value in ours.items():
                assert key in theirs, f"{path}.{key} is not in the schema"
                same(value, theirs[key], f"{path}.{key}")
        elif isinstance(ours, list):
            assert len(ours) == len(theirs), path
            for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
                same(mine, other, f"{path}[{number}]")
        else:
            assert ours == theirs, path

    same(DASHBOARD, read, "dashboard")


def test_every_name_in_the_dashboard_is_in_the_table() -> None:
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    shown += [v["query"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query"]
    assert len(shown) > 12
    for expression in shown:
        names = named(expression)
        assert names & KNOWN, expression
        assert names <= KNOWN | ATTRIBUTES, expression
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)


def test_rules_pass_promtool(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rules(ALERTERS, 60), allow_unicode=True))
    for path in (file, ROOT / "deploy" / "prometheus" / "nilometer.rules.yaml"):
        finished = promtool("check", "rules", str(path))
        assert finished.returncode == 0, finished.stdout + finished.stderr


def test_rules_alert_on_what_the_alerter_alerts_on(tmp_path: Path) -> None:
    made = rules(ALERTERS, 60)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(made))
    value = (
        'nilometer_evaluation_value{nilometer_entity="fraud-scorer",nilometer_alerter="%s",'
        'nilometer_summary="%s",nilometer_measure="%s",instance="%s"}'
    )
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {
                        "series": value % ("drift of inputs", "input.amount", "psi", "a"),
                        "values": "0.1 0.3x6 0.1x5",
                    },
                    {
                        "series": value % ("drift of inputs", "input.amount", "psi", "b"),
                        "values": "0.1x12",
                    },
                    {"series": value % ("few", "service", "count", "a"), "values": "5x12"},
                ],
                "alert_rule_test": [
                    {
                        "eval_time": at,
                        "alertname": "NilometerDriftOfInputs",
                        "exp_alerts": [
                            {
                                "exp_labels": {
                                    "severity": "critical",
                                    "nilometer_entity": "fraud-scorer",
                                    "nilometer_alerter": "drift of inputs",
                                    "nilometer_summary": "input.amount",
                                    "nilometer_measure": "psi",
                                },
                                "exp_annotations": {
                                    "summary": "fraud-scorer: psi of input.amount is 0.3 "
                                    "(threshold 0.25)"
                                },
                            }
                        ]
                        if fires
                        else [],
                    }
                    # Three windows in a row: the first breach is at 1m, the third at 3m.
                    for at, fires in (("2m", False), ("3m", True), ("6m", True), ("9m", False))
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    finished = promtool("test", "rules", str(tmp_path / "test.yaml"))
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_a_first_burst_of_losses_alerts_though_its_series_was_not_there_before(
    tmp_path: Path,
) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules((), 60)))
    series = 'nilometer_observations_total{nilometer_entity="%s",nilometer_fate="%s"}'
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": series % ("burst", "dropped"), "values": "_x5 5000x40"},
                    {"series": series % ("grows", "dropped"), "values": "0x5 9x40"},
                    {"series": series % ("fine", "profiled"), "values": "0+9x45"},
                ],
                "promql_expr_test": [
                    {
                        "expr": "sum by (nilometer_entity) (ALERTS)",
                        "eval_time": at,
                        "exp_samples": [
                            {"labels": f'{{nilometer_entity="{name}"}}', "value": 1}
                            for name in names
                        ],
                    }
                    for at, names in (("4m", []), ("8m", ["burst", "grows"]), ("40m", []))
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    finished = promtool("test", "rules", str(tmp_path / "test.yaml"))
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_command_writes_rules_of_a_file_and_of_a_collector(
    tmp_path: Path, served: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(
        '[[alerters]]\nentity = "a"\nname = "slow"\nsummary = "service"\nkind = "FIXED"\n'
        'statistic = "latency_p99_seconds"\nthreshold = 0.5\n'
    )
    assert main(["alerters", "--config", str(config)]) == 0
    of_file = yaml.safe_load(capsys.readouterr().out)
    (alert,) = of_file["groups"][-1]["rules"]
    assert alert["alert"] == "NilometerSlow"
    assert "> 0.5" in alert["expr"]
    url = served.collector.http_url
    assert main(["alerters", "--collector", url]) == 0
    assert len(yaml.safe_load(capsys.readouterr().out)["groups"]) == 2
    assert main(["alerters", "--collector", "http://127.0.0.1:1"]) == 1
    assert "no answer from" in capsys.readouterr().err
    assert main(["alerters", "--window-seconds", "0"]) == 2
