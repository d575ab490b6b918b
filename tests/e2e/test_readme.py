"""The README's three paths, pasted word for word into an empty directory."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml
from support.otlp_receiver import GrpcReceiver, metrics_of

from nilometer.testing import eventually

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PORTS = (4317, 7500, 7501, 8000, 9464)  # that the README names

pytestmark = pytest.mark.timeout(240)


def blocks(heading: str, language: str) -> list[str]:
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return [str(one) for one in found]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def pasted(directory: Path, script: str, taken: int = 0) -> Iterator[str]:
    """What *script* prints, run in *directory* with the installed commands in the path.

    The port that is *taken* is the test's own far side.
    """
    mine = set(PORTS) - {taken}
    if not all(map(is_free, mine)):
        pytest.skip("a port that the README names is taken on this machine")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NILOMETER_", "OTEL_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["HOME"] = environment["XDG_STATE_HOME"] = str(directory)
    with (directory / "output").open("w+") as output:
        shell = subprocess.Popen(
            ["bash", "-eu", "-c", script],
            cwd=directory,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            assert shell.wait(200) == 0, (directory / "output").read_text()
            yield (directory / "output").read_text()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)  # what the script left in the background
            eventually(lambda: all(map(is_free, mine)), timeout=30)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty directory with `app.py` saved as the quickstart says."""
    (code,) = blocks("Quickstart", "python")
    (tmp_path / "app.py").write_text(code)
    return tmp_path


def test_a_model_server_is_wrapped(empty: Path) -> None:
    _, start, look, _ = blocks("Quickstart", "sh")
    with pasted(empty, start + look) as printed:
        assert '{"score":0.0125}' in printed
        summaries = yaml.safe_load(printed.strip().splitlines()[-1])["summaries"]
        names = {one["name"]: one["observations"] for one in summaries}
        assert names["service"] == 1
        assert {"input.amount", "input.country", "output.score"} <= set(names)


def test_the_sidecar_runs_beside_the_server(empty: Path) -> None:
    (script,) = blocks("Run it as a sidecar", "sh")
    with pasted(empty, script) as printed:
        assert '{"score":0.0125}' in printed
        (count,) = re.findall(
            r"^http_server_request_duration_seconds_count{(.*)} (\S+)$", printed, re.MULTILINE
        )
        assert 'nilometer_entity="fraud-scorer"' in count[0]
        assert float(count[1]) == 1
        assert "nilometer_feature_value_bucket" in printed


def test_the_kustomization_names_what_is_there(empty: Path) -> None:
    (text,) = blocks("Run it as a sidecar", "yaml")
    kustomization = yaml.safe_load(text)
    (empty / "kustomization.yaml").write_text(text)
    (empty / "kubernetes").symlink_to(ROOT / "deploy" / "kubernetes")
    for name in (*kustomization["resources"], *kustomization["components"]):
        assert (empty / name).exists()


def test_metrics_reach_an_opentelemetry_endpoint(empty: Path) -> None:
    (script,) = blocks("Forward metrics to OpenTelemetry", "sh")
    try:
        receiver = GrpcReceiver(4317)
    except RuntimeError:
        pytest.skip("port 4317 of the README is taken on this machine")
    try:
        with pasted(empty, script, taken=receiver.port) as printed:
            assert '{"score":0.0125}' in printed
    finally:
        receiver.stop()
    metrics = metrics_of(receiver.requests[-1])
    (latency,) = metrics["http.server.request.duration"].exponential_histogram.data_points
    assert latency.count == 1
    assert "nilometer.feature.value" in metrics
