"""docs/performance.md and the code say the same: its examples give what the page shows."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from nilometer.profile.performance.classification import METRICS
from nilometer.profile.performance.regression import METRICS as REGRESSION_METRICS
from nilometer_collector.testing import ENTITY, running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", PAGE, re.DOTALL)


def test_every_example_has_its_output() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 5


@pytest.mark.parametrize(("code", "shown"), EXAMPLES[1:])
def test_an_example_prints_what_the_page_shows(code: str, shown: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


def test_what_a_job_and_a_client_log_is_shown_by_day(tmp_path: Path) -> None:
    code, shown = EXAMPLES[0]
    (request,) = re.findall(r"/api/v1/samples -H .*? -d '(.*?)'\n```", PAGE, re.DOTALL)
    printed = io.StringIO()
    with running(tmp_path / "collector.db") as served:
        with contextlib.redirect_stdout(printed):
            exec(code.replace("127.0.0.1:7501", served.collector.grpc_target), {})
        assert printed.getvalue() == shown
        served.http.post("/api/v1/samples", json=json.loads(request)).raise_for_status()
        (day,) = served.get("samples", entity=ENTITY, summary="logged.quality", step=86_400)[
            "samples"
        ]
        assert (day["performance"]["count"], day["performance"]["without_truth"]) == (6, 1)
        (eu,) = served.get(
            "samples", entity=ENTITY, summary="logged.quality", step=86_400, label="region:eu"
        )["samples"]
        assert eu["performance"]["count"] == 3


def test_every_metric_is_named() -> None:
    for metric in (*METRICS, *REGRESSION_METRICS):
        assert f"`{metric}`" in PAGE
