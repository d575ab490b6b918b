"""docs/declared.md and docs/references.md and the code say the same: their commands are run."""

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from nilometer.batch.reference_upload import put_reference
from nilometer.commands.cli import main
from nilometer.testing import SteppedClock
from nilometer_collector.declared.kind import Kind
from nilometer_collector.declared.registered import KINDS
from nilometer_collector.store import Origin, Store, open_store
from nilometer_collector.testing import a_reference, running

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "declared.md").read_text()
REFERENCES = (DOCS / "references.md").read_text()
FLIGHTS = DOCS.parent / "examples" / "flights" / "apply"
WRONG = 'version: 1\nalerters:\n  - entity: fraud-scorer\n    summary: service\n    name: "<b>"\n'
COMMANDS = (
    "apply",
    "get",
    "describe",
    "delete",
    "changes",
    "rollback",
    "reference make",
    "reference list",
    "reference approve",
    "reference compare",
)


def steps(page: str = PAGE) -> list[tuple[str, str]]:
    """Each command of the page with the output that the page shows."""
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)


def said_by(words: list[str]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        main(words)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", said.getvalue())


def printed_by(command: str, url: str) -> str:
    line, _, end = command.partition(" | ")
    name, *words = shlex.split(line)
    assert name == "nilometer"
    found = said_by([*words, "--collector", url])
    if end:
        assert end == "tail -1"
        found = found.splitlines()[-1] + "\n"
    return found


def test_the_file_and_the_commands_of_every_kind_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RISK_WEBHOOK_URL", "RETRAINING_URL"):
        monkeypatch.setenv(name, "https://93.184.216.34/hook")
    monkeypatch.setenv("RETRAINING_KEY", "a-key-of-the-target")
    reference = a_reference({"input.amount": [1.0]})
    with running(tmp_path / "collector.db") as served:
        put_reference(reference, served.collector.grpc_target)
        for kind in KINDS:
            page = (DOCS / "declared" / f"{kind.plural}.md").read_text()
            (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
            text = shown.replace("eb0087cfef1e8d81", reference.digest)
            Path(f"{kind.plural}.yaml").write_text(text)
            assert len(steps(page)) > 1
            for command, shown in steps(page):
                assert printed_by(command, served.collector.http_url) == shown, command


@pytest.mark.parametrize("kind", KINDS, ids=[kind.plural for kind in KINDS])
def test_the_page_of_a_kind_has_a_row_for_every_field(kind: Kind[Any]) -> None:
    page = (DOCS / "declared" / f"{kind.plural}.md").read_text()
    cells = re.findall(r"^\| ([^|]*`[^|]*) \|", page, re.MULTILINE)
    shown = [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]
    assert sorted(shown) == sorted(kind.definition.__struct_encode_fields__)
    assert f"(declared/{kind.plural}.md)" in PAGE


def test_the_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "declared").mkdir()
    (shown,) = re.findall(r"`declared/fraud.yaml`:\n\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "declared" / "fraud.yaml").write_text(shown)
    kind = "    kind: FIXED\n    statistic: count\n    threshold: 1\n"
    (tmp_path / "wrong.yaml").write_text(WRONG + kind)
    with running(tmp_path / "collector.db") as served:
        for command, shown in steps():
            assert printed_by(command, served.collector.http_url) == shown, command
    assert len(steps()) > 7


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_row_and_every_row_is_an_option(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    common = {"--collector", "--token-file", "--tls-ca", "--tls-certificate", "--tls-key"}
    offered = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help", *common}
    page = REFERENCES if command.startswith("reference") else PAGE
    table = page.partition(f"| option of `{command}` |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| ([^|]*`--[^|]*) \|", table, re.MULTILINE)
    assert {word for cell in cells for word in re.findall(r"`(--[a-z-]+)`", cell)} == offered


def test_every_kind_and_every_origin_has_a_row() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert {kind.plural for kind in KINDS} | {origin.value for origin in Origin} <= rows


def test_the_python_of_the_page_declares_an_entity(tmp_path: Path) -> None:
    _, code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    store: Store = open_store(tmp_path / "collector.db", "")
    exec(code, {"store": store, "clock": SteppedClock()})
    assert [one.name for one in store.entities.all()] == ["fraud-scorer"]
    store.close()


def test_the_client_of_the_page_declares_an_entity(tmp_path: Path) -> None:
    code, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = {}
    with running(tmp_path / "collector.db") as served:
        exec(code.replace("http://127.0.0.1:7500", served.collector.http_url), found)
    assert len(found["planned"].changes) == 1
    assert [one.name for one in found["entities"]] == ["fraud-scorer"]


def test_the_file_of_the_page_of_references_chooses_a_version(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", REFERENCES, re.DOTALL)
    with running(tmp_path / "collector.db") as served:
        reference = a_reference({"input.amount": [1.0]})
        put_reference(reference, served.collector.grpc_target)
        put_reference(a_reference({"input.amount": [2.0]}), served.collector.grpc_target)
        (tmp_path / "reference.yaml").write_text(re.sub("eb0087cfef1e8d81", reference.digest, text))
        url = served.collector.http_url
        said_by(["apply", "-f", str(tmp_path / "reference.yaml"), "--collector", url])
        (current,) = served.get("references")["references"]
        assert current["digest"] == reference.digest


def test_the_files_of_the_flights_declare_every_object_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLIGHTS_WEBHOOK_URL", "https://hooks.example.com/services/x")
    with running(tmp_path / "collector.db") as served:
        url = served.collector.http_url
        words = ["apply", "-f", str(FLIGHTS), "--collector", url]
        assert said_by(words).splitlines()[-1].startswith("revision 1: ")
        assert said_by(words) == "nothing to change: 10 unchanged\n"
