"""The README, pasted word for word into one shell in an empty directory, section after section."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from support.otlp_receiver import GrpcReceiver, metrics_of

from nilometer.testing import eventually

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PORTS = (7500, 7501, 8000, 8001, 9464)  # that the README names; an agent exports to 4317
# test_install.py runs the first, tests/demo the second.
ELSEWHERE = ("Install", "See it work")
SHELL_SECONDS = 420

pytestmark = pytest.mark.timeout(SHELL_SECONDS + 60)


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


SECTIONS = {
    heading: text
    for heading, _, text in (part.partition("\n") for part in README.split("\n## ")[1:])
}
PASTED = {
    heading: blocks(text, "sh")
    for heading, text in SECTIONS.items()
    if heading not in ELSEWHERE and blocks(text, "sh")
}


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def receiver() -> Iterator[GrpcReceiver]:
    """What a reader has at port 4317."""
    try:
        receiver = GrpcReceiver(4317)
    except RuntimeError:
        pytest.skip("port 4317 of the README is taken on this machine")
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def printed(
    receiver: GrpcReceiver, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """What each block prints, by section."""
    if not all(map(is_free, PORTS)):
        pytest.skip("a port that the README names is taken on this machine")
    directory = tmp_path_factory.mktemp("stranger")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NILOMETER_", "OTEL_", "XDG_"))
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["HOME"] = str(directory)
    mark = "=== the next block ==="
    script = "".join(f"{block}echo\necho '{mark}'\n" for one in PASTED.values() for block in one)
    output = directory.with_name("printed")
    with output.open("w+") as file:
        shell = subprocess.Popen(
            ["bash", "-e"],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=environment,
            text=True,
            start_new_session=True,
        )
        try:
            shell.communicate(script, timeout=SHELL_SECONDS)
            assert shell.returncode == 0, output.read_text()
            # The README says how to stop what it starts; an agent ends by itself.
            eventually(lambda: all(map(is_free, PORTS)))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
    parts = iter(output.read_text().split(f"\n{mark}\n"))
    return {heading: [next(parts) for _ in one] for heading, one in PASTED.items()}


def test_a_model_server_is_observed(printed: dict[str, list[str]]) -> None:
    _, start, look, logs = printed["Quickstart"]
    assert start.strip() == '{"score":0.0125}'
    summaries = yaml.safe_load(look)["summaries"]
    named = SECTIONS["Quickstart"].partition("lists four summaries: ")[2].partition(".\n")[0]
    assert {one["name"] for one in summaries} == set(re.findall(r"`([\w.]+)`", named))
    assert {one["observations"] for one in summaries} == {1}
    assert "agent ready" in logs
    assert logs.strip().endswith("nothing is wrong")


def test_the_fault_opens_the_episodes_that_the_readme_names(printed: dict[str, list[str]]) -> None:
    profile, put, look = printed["Compare with a reference"]
    for line in blocks(SECTIONS["Compare with a reference"], "text")[0].splitlines():
        assert line in profile
    assert yaml.safe_load(put)["warnings"] == []
    episodes = yaml.safe_load(look)["episodes"]
    assert {one["summary"] for one in episodes} == {"input.amount", "output.score"}
    assert all(one["closed"] is None for one in episodes)


def test_the_sidecar_runs_beside_the_server(printed: dict[str, list[str]]) -> None:
    (sidecar,) = printed["Run it as a sidecar"]
    answer, _, _ = sidecar.partition("}")
    assert answer == '{"score":0.0125'
    counted = (
        r'^http_server_request_duration_seconds_count\{.*nilometer_entity="fraud-scorer".*\} 1'
    )
    assert re.search(counted, sidecar.partition("}")[2], re.MULTILINE)


def test_metrics_reach_an_opentelemetry_endpoint(
    printed: dict[str, list[str]], receiver: GrpcReceiver
) -> None:
    assert printed["Forward metrics to OpenTelemetry"][0].strip() == '{"score":0.0125}'
    metrics = metrics_of(receiver.requests[-1])
    (latency,) = metrics["http.server.request.duration"].exponential_histogram.data_points
    assert latency.count == 1
    assert "nilometer.feature.value" in metrics


def test_the_kustomization_names_what_is_there(tmp_path: Path) -> None:
    (text,) = blocks(SECTIONS["Run it as a sidecar"], "yaml")
    kustomization = yaml.safe_load(text)
    (tmp_path / "kubernetes").symlink_to(ROOT / "deploy" / "kubernetes")
    for name in (*kustomization["resources"], *kustomization["components"]):
        assert (tmp_path / name).exists()
