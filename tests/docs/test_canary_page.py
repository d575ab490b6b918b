"""docs/canary.md and the code say the same: its manifests ask for what the API has."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import yaml

from nilometer_collector.access.needs import HTTP
from nilometer_collector.api.resources.canary import OPERATIONS, CanaryView
from nilometer_collector.canary.records import Reason

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "canary.md").read_text()
MANIFESTS: list[Any] = [
    yaml.safe_load(block)
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
]


def asked(url: str, method: str) -> dict[str, list[str]]:
    """The parameters of *url*, which the operation must have."""
    parts = urlsplit(url.replace("{{args.version}}", "2"))
    assert (method, parts.path) in HTTP
    (operation,) = (one for one in OPERATIONS if one.method == method)
    known = {one.name: one for one in operation.parameters}
    found = parse_qs(parts.query, strict_parsing=True)
    for name, texts in found.items():
        known[name].read(texts)
    return found


def test_the_web_metric_reads_a_field_of_the_answer() -> None:
    template, step, _ = MANIFESTS
    (metric,) = template["spec"]["metrics"]
    web = metric["provider"]["web"]
    assert asked(web["url"], "GET") == {"entity": ["fraud-scorer"], "candidate": ["version:2"]}
    name = re.fullmatch(r"\{\$\.(\w+)\}", web["jsonPath"])
    assert name is not None
    assert name[1] in CanaryView.__struct_fields__
    verdicts = {field.name: field.type for field in msgspec.structs.fields(CanaryView)}["verdict"]
    for condition in (metric, step):
        for key in ("successCondition", "failureCondition"):
            (word,) = re.findall(r'"(\w+)"', condition[key])
            assert word in verdicts.__args__


def test_the_webhooks_ask_for_statuses() -> None:
    hooks = MANIFESTS[2]["spec"]["analysis"]["webhooks"]
    accepted = {hook["type"]: asked(hook["url"], "POST").get("accept") for hook in hooks}
    assert accepted == {"rollout": None, "rollback": ["fail"], "confirm-promotion": ["pass"]}


def test_every_parameter_and_reason_has_a_row() -> None:
    rows = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE))))
    (read,) = (one for one in OPERATIONS if one.method == "GET")
    assert {one.name for one in read.parameters} <= rows
    assert {reason.value for reason in Reason} <= rows
