"""Every example and the README's server answer, and what they observed is accounted for."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from support.asgi_zoo import request_of, run, scope_of

from nilometer.handoff.worker import Worker
from nilometer.testing import MemoryOutlet

ROOT = Path(__file__).resolve().parents[2]


def readme_server(directory: Path) -> Path:
    (code,) = re.findall(
        r"cat > app.py <<.EOF.\n(.*?)EOF\n", (ROOT / "README.md").read_text(), re.DOTALL
    )
    path = directory / "app.py"
    path.write_text(code)
    return path


@pytest.mark.parametrize("name", ["README.md", "examples/starlette_app/main.py"])
def test_a_server_as_documented_answers_and_is_observed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlet = MemoryOutlet()
    workers: list[Worker] = []
    start = Worker.ensure_started

    def remembered(worker: Worker) -> None:
        workers.append(worker)
        start(worker)

    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    monkeypatch.setattr(Worker, "ensure_started", remembered)
    path = readme_server(tmp_path) if name == "README.md" else ROOT / name
    app = runpy.run_path(str(path))["app"]
    body = b'{"amount": 12.5, "country": "de"}'
    sent, error = run(app, scope_of(root_path="", query_string=b""), request_of(body))
    assert error is None
    assert sent[1]["body"] == b'{"score":0.0125}'
    workers[0].stop()
    (captured,) = outlet.captured
    assert captured.status == 200
    assert captured.request_body == body
    assert captured.response_body == b'{"score":0.0125}'


def test_the_example_of_a_profiler_prints_what_it_found() -> None:
    home = ROOT / "examples" / "own_profiler"
    finished = subprocess.run(
        [sys.executable, "main.py"], cwd=home, capture_output=True, text=True, check=True
    )
    assert "input.tone.polite" in finished.stdout
    assert re.search(r"true +2 +50.0%", finished.stdout)


def test_the_profiler_of_the_page_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "profilers.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert finished.stdout == "{'polite': [False, True]}\n"


def test_the_loop_of_the_flights_is_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = runpy.run_path(str(ROOT / "examples" / "flights" / "loop.py"))
    states = loop["close_the_loop"](tmp_path)
    order = ["waiting", "awaiting_approval", "approved", "sending", "accepted", "worked"]
    assert states == order
    printed = capsys.readouterr().out
    assert "retrained 1 time\n" in printed
    page = (ROOT / "docs" / "actions.md").read_text()
    (shown,) = re.findall(r"```text\n(window 0.*?)```", page, re.DOTALL)
    seconds = re.compile(r"\d+ seconds|\d+ minutes?")
    assert _lines(seconds.sub("N", shown)) <= _lines(seconds.sub("N", printed))


def _lines(text: str) -> set[str]:
    return {line for line in text.splitlines() if not line.startswith("states: ")}
