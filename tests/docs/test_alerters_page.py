"""docs/alerters.md and the code say the same: its examples are put, returned and judged."""

import json
import math
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import ArrayLike

from nilometer.alert import STATISTICS, Reason, Verdict, evaluate
from nilometer.alert.calibrated.tolerance import Tolerance
from nilometer.compare import COMPARATORS
from nilometer.compare.ks import kolmogorov_smirnov
from nilometer.compare.psi import debiased_psi
from nilometer.profile import SummarySample
from nilometer.settings.settings import load
from nilometer_collector.alerting.definitions import AlerterDefinition, alerter_of, alerter_view
from nilometer_collector.alerting.watch_rules import WatchRule, rule_of
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.testing import a_reference, feature_sample, running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "alerters.md").read_text()
EXAMPLES = re.findall(r"```json\n(.*?)```.*?```text\n(.*?)\n```", PAGE, re.DOTALL)
REFERENCE = a_reference({"input.amount": [float(n) for n in range(800)]})
SAMPLES = {
    "FIXED": feature_sample(["de"] * 460 + [None] * 40, summary="input.country"),
    "RANGE": feature_sample([0.6] * 500, summary="output.score"),
    "REFERENCE": feature_sample(
        [*(float(n) for n in range(0, 800, 2)), *[790.0] * 200],
        edges=REFERENCE.columns["input.amount"].edges,
    ),
}


def section(heading: str) -> str:
    return PAGE.partition(f"# {heading}\n")[2].partition("\n## ")[0]


def _psi(reference: ArrayLike, current: ArrayLike) -> float:
    return debiased_psi(reference, current, ordered=True)


def names(heading: str) -> set[str]:
    """Names in the first cells of the tables below *heading*."""
    cells = re.findall(r"^\| (`[^|]*) \|", section(heading), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_each_kind_has_an_example_with_every_field_that_it_uses(tmp_path: Path) -> None:
    kinds = []
    with running(tmp_path / "collector.db") as served:
        for text, _ in EXAMPLES:
            example = json.loads(text)
            kinds.append(example["kind"])
            alerter = alerter_of(msgspec.convert(example, AlerterDefinition))
            common = {"entity", "name", "summary", "kind", "severity"} | {
                name for name in AlerterDefinition.__struct_fields__ if "windows_to" in name
            }
            assert set(example) == common | {"minimum_count"} | set(alerter.condition.fields())
            answer = served.put_alerter(example)
            assert answer.status_code == 200, answer.text
            assert {key: answer.json()[key] for key in example} == example
    assert kinds == list(SAMPLES)


@pytest.mark.parametrize(("text", "evidence"), EXAMPLES)
def test_the_evidence_is_what_an_agent_says(text: str, evidence: str) -> None:
    alerter = alerter_of(msgspec.json.decode(text, type=AlerterDefinition))
    sample: SummarySample = SAMPLES[alerter.condition.kind]
    assert alerter.watches(sample.summary)
    found = evaluate(alerter, sample, {"training": REFERENCE})
    assert found.verdict is Verdict.BREACH
    assert found.evidence == evidence


def test_the_settings_files_are_loaded(tmp_path: Path) -> None:
    file = tmp_path / "nilometer.toml"
    file.write_text("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)))
    settings = load(CollectorSettings, prefix="NILOMETER_COLLECTOR_", file=file, environment={})
    alerters = [alerter_of(one) for one in settings.alerters]
    assert [one.condition.kind for one in alerters] == ["PREVIOUS", "BASELINE", "OTHER", "FIXED"]
    assert all(alerter_of(alerter_view(one)) == one for one in alerters)
    fraud = rule_of(settings.watch, "fraud-scorer")
    assert (fraud.budget_days, str(fraud.zone)) == (90, "Europe/Berlin")
    assert fraud.tolerance("input.amount").smooth == 0.05
    assert fraud.tolerance("input.note").rate == 0.05
    assert fraud.tolerance("input.age") == Tolerance()
    assert not rule_of(settings.watch, "sandbox-1").watch
    assert rule_of(settings.watch, "another") == WatchRule()


def test_every_reason_has_a_row_and_no_other() -> None:
    text = section("The default alerter") + section("Verdicts, statuses and episodes")
    rows = re.findall(r"^\| (`[^|]*) \| `[A-Z_]*` \|", text, re.MULTILINE)
    named = {name.strip("` ") for row in rows for name in row.split(",")}
    assert named == {reason.value for reason in Reason}


def test_every_statistic_and_comparator_has_a_row_and_no_other() -> None:
    assert names("Statistics") == set(STATISTICS)
    assert names("Comparators") == set(COMPARATORS)


def test_the_row_of_a_comparator_is_what_it_states() -> None:
    rows = [
        line.split(" | ") for line in section("Comparators").splitlines() if line.count(" | ") == 7
    ]
    for name, comparator in COMPARATORS.items():
        (row,) = (one for one in rows if one[0] == f"| `{name}`")
        _, about, _, unit, largest, bias, fewest, source = row
        assert (about, unit, bias) == (comparator.about, comparator.unit or "none", comparator.bias)
        bound = "no bound" if math.isinf(comparator.highest) else f"{comparator.highest:.3g}"
        assert largest == bound
        assert fewest == f"{comparator.fewest.reference}, {comparator.fewest.current}"
        assert source.removesuffix(" |") == comparator.source


def test_every_field_has_a_row_and_no_other() -> None:
    assert names("Fields") == set(AlerterDefinition.__struct_fields__)


def test_the_noise_is_what_equal_distributions_show() -> None:
    rows = re.findall(r"^\| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    random = np.random.default_rng(1)
    for count, *told in rows:
        drawn = {
            bins: [
                random.multinomial(n, np.full(bins, 1 / bins), size=1000)
                for n in (100_000, int(count.replace(",", "")))
            ]
            for bins in (32, 64)
        }
        for distance, bins, value in zip(
            (_psi, _psi, kolmogorov_smirnov), (32, 64, 32), told, strict=True
        ):
            distances = [distance(r, c) for r, c in zip(*drawn[bins], strict=True)]
            assert float(value) == pytest.approx(np.quantile(distances, 0.99), rel=0.2, abs=0.001)
