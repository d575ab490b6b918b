"""Every example and the README's server answer, and what they observed is accounted for."""

import json
import re
import runpy
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from support.asgi_zoo import request_of, run, scope_of

from nilometer.handoff.worker import Worker
from nilometer.receive import Order
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


class ClusterStandIn(BaseHTTPRequestHandler):
    """The API of Kubernetes with one InferenceService, whose newest revision is rolled out."""

    predictor: ClassVar[dict[str, str]] = {}
    patches: ClassVar[list[tuple[str, object]]] = []

    def do_GET(self) -> None:
        self._respond({"status": {"components": {"predictor": self.predictor}}})

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.patches.append((self.path, json.loads(body)))
        self._respond({})

    def _respond(self, content: object) -> None:
        fine = self.headers["authorization"] == "Bearer token-of-the-account"
        body = json.dumps(content).encode()
        self.send_response(200 if fine else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def test_the_runner_of_kserve_moves_the_traffic_of_known_services(tmp_path: Path) -> None:
    runner = runpy.run_path(str(ROOT / "examples" / "kserve_runner" / "runner.py"))
    token = tmp_path / "token"
    token.write_text("token-of-the-account\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), ClusterStandIn)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    cluster = runner["Cluster"](url=url, token_path=token)

    def roll_back(service: str = "fraud", cure: str = "rollback") -> None:
        place = {"namespace": "models", "inference_service": service}
        order = Order("k" * 32, {"kserve": place, "cure": cure, "run": 7})
        runner["roll_back"](order, cluster, frozenset({"models/fraud"}))

    try:
        for wrong in ({"service": "other"}, {"cure": "retrain"}, {}):
            with pytest.raises(runner["CannotRollBack"]):
                roll_back(**wrong)
        assert ClusterStandIn.patches == []
        ClusterStandIn.predictor.update(
            latestReadyRevision="fraud-2",
            latestRolledoutRevision="fraud-2",
            previousRolledoutRevision="fraud-1",
        )
        roll_back()
    finally:
        server.shutdown()
        server.server_close()
    path = "/apis/serving.kserve.io/v1beta1/namespaces/models/inferenceservices/fraud"
    patch = {"spec": {"predictor": {"canaryTrafficPercent": 0}}}
    assert ClusterStandIn.patches == [(path, patch)]
