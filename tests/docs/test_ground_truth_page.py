"""The page of ground truth names every field and outcome, and its document and request work."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from nilometer.commands.cli import main
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.reading import TruthRow
from nilometer_collector.ground_truth.truths import Outcome
from nilometer_collector.testing import Running, running

PAGE = (Path(__file__).parents[2] / "docs" / "ground-truth.md").read_text()


def rows_of(heading: str) -> set[str]:
    """Return the names in the first column of the tables under *heading*."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A collector with the document of the page."""
    (document,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    with running(tmp_path_factory.mktemp("page") / "collector.db") as found:
        found.http.post("/api/v1/apply", json=yaml.safe_load(document)).raise_for_status()
        yield found


def test_every_field_and_outcome_has_a_row_and_no_other() -> None:
    fields = {one.name for one in msgspec.structs.fields(PerformanceDefinition)}
    assert rows_of("Say what is judged") == fields - {"entity"}
    assert rows_of("Send ground truth") == {one.name for one in msgspec.structs.fields(TruthRow)}
    assert rows_of("What becomes of a row") == {one.value for one in Outcome}


def test_the_request_and_the_program_of_the_page_are_answered(
    served: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    (body,) = re.findall(r"-d '(\{.*?\})'\n", PAGE, re.DOTALL)
    answer = served.http.post("/api/v1/ground-truth", json=json.loads(body)).raise_for_status()
    assert answer.json()["counts"] == {"waiting": 2}
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    url = served.collector.http_url
    exec(code.replace("Client()", f"Client({url!r})"), {})
    assert capsys.readouterr().out == "{'repeated': 1}\n"


def test_the_command_of_the_page_works(
    served: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = re.findall(r"^nilometer (ground-truth .*)$", PAGE, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text("transaction,is_fraud\nabc,1\n")
    assert main([*command.split(), "--collector", served.collector.http_url]) == 0
