"""Real processes: our collector, agent and server, and what stands behind them."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import yaml
from google.protobuf import json_format
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from nilometer.batch.reference import reference_of
from nilometer.batch.reference_upload import put_reference
from nilometer.testing import eventually
from nilometer_collector.demo.model import fit, requests_table
from nilometer_collector.demo.names import ENTITY, REFERENCE
from nilometer_collector.demo.processes import Processes, declare, free_port
from nilometer_collector.demo.replay import flights_of, replay
from nilometer_collector.demo.show import flights_directory, half_way

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".e2e"  # what was built from Go modules, kept between runs
GO_MODULES = ROOT / "deploy" / "otel-collector" / "builder.yaml"
BUILD_SECONDS = 1500
DAY_SECONDS = 86_400
ALERTER = {
    "entity": ENTITY,
    "name": "drift",
    "summary": "*put.*",  # input.* and output.*
    "kind": "REFERENCE",
    "reference": REFERENCE,
    "comparator": "psi",
    "threshold": 0.25,  # nats, debiased; other features stay below 0.16 in these two weeks
    "minimum_count": 100,
    "windows_to_open": 2,  # days, so that one stormy day does not alert
    "windows_to_close": 2,
    "severity": "warning",
}


class Stack(Processes):
    """The demo's processes, told where metrics go."""

    def __init__(self, directory: Path, otlp_endpoint: str) -> None:
        super().__init__(directory)
        self.agent_metrics = f"127.0.0.1:{free_port()}"
        self.collector_metrics = f"127.0.0.1:{free_port()}"
        self._more = {
            "NILOMETER_AGENT_METRICS_ADDRESS": self.agent_metrics,
            "NILOMETER_COLLECTOR_METRICS_ADDRESS": self.collector_metrics,
            "NILOMETER_AGENT_OTLP_ENDPOINT": otlp_endpoint,
            "NILOMETER_COLLECTOR_OTLP_ENDPOINT": otlp_endpoint,
            "NILOMETER_AGENT_OTLP_INTERVAL_SECONDS": "1",
            "NILOMETER_COLLECTOR_OTLP_INTERVAL_SECONDS": "1",
        }

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        mine = f"NILOMETER_{name.upper()}_"
        more = {key: value for key, value in self._more.items() if key.startswith(mine)}
        super()._start(name, command, {**environment, **more})

    def stop_one(self, module: str) -> None:
        """End the process that runs *module*, in order."""
        for process in self._running:
            if module in " ".join(map(str, process.args)):  # type: ignore[arg-type]
                process.terminate()
                process.wait(30)


def replayed(stack: Stack, seconds: float) -> int:
    """Start everything, replay flights for at least *seconds*; returns the requests answered."""
    train, recorded = (
        pq.read_table(flights_directory("data") / f"{name}.parquet") for name in ("train", "replay")
    )
    model = fit(train)
    file = stack.directory / "model.json"
    model.save(file)
    stack.start_collector()
    declare(stack.page, flights_directory("apply"), "http://127.0.0.1:9/")  # nobody listens there
    # One feature without a reference is counted by magnitude, and can be compared bucket for bucket.
    known = requests_table(model, train).drop_columns(["input.hour"])
    reference = reference_of(
        known,
        entity=ENTITY,
        name=REFERENCE,
        source="flights",
        created_ns=time.time_ns(),
    )
    put_reference(reference, stack.grpc)
    httpx.put(f"{stack.page}/api/v1/alerters", json=ALERTER, trust_env=False).raise_for_status()
    stack.start_agent(DAY_SECONDS)
    stack.start_server(file, 2)
    flights = list(flights_of(recorded))
    answered = 0
    until = time.monotonic() + seconds
    while not answered or time.monotonic() < until:
        answered += asyncio.run(
            replay(f"{stack.model_url}/predict", flights, half_way(flights), lambda _, __: None)
        )
    stack.settle(answered)
    return answered


@contextmanager
def process(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended at the end."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait(5)


def rotel_binary() -> Path:
    spec = find_spec("rotel")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "rotel-agent"


@contextmanager
def rotel(directory: Path, far_side: str) -> Iterator[str]:
    """rotel between us and *far_side* (host:port of OTLP over gRPC); yields its endpoint."""
    grpc, http = free_port(), free_port()
    command = [
        *(str(rotel_binary()), "start", "--exporter", "otlp"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}"),
        *("--otlp-exporter-endpoint", f"http://{far_side}", "--otlp-exporter-protocol", "grpc"),
    ]
    with process(command, directory / "rotel.log") as started:
        eventually(lambda: listening(grpc, started))
        yield f"http://127.0.0.1:{grpc}"


def built_collector() -> tuple[Path | None, str]:
    """The OpenTelemetry Collector, built from Go modules; or why there is none."""
    binary = BUILT / "otelcol-nilometer"
    if binary.is_file():
        return binary, ""
    go = shutil.which("go")
    if go is None:
        return None, "Go is not installed"
    manifest = yaml.safe_load(GO_MODULES.read_text())
    version = manifest["receivers"][0]["gomod"].rpartition(" ")[2]
    sources = BUILT / "source"
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir(parents=True)
    environment = {**os.environ, "GOBIN": str(BUILT), "GOFLAGS": "-mod=mod"}
    manifest["dist"]["output_path"] = str(sources)
    (BUILT / "builder.yaml").write_text(yaml.safe_dump(manifest))
    modules = [
        one["gomod"] for kind in ("receivers", "exporters", "providers") for one in manifest[kind]
    ]
    stable = manifest["providers"][0]["gomod"].rpartition(" ")[2]
    core = "go.opentelemetry.io/collector"
    modules += [
        f"{core}/component {stable}",
        f"{core}/confmap {stable}",
        f"{core}/otelcol {version}",
    ]
    # The builder's own `go mod tidy` wants the modules of tests too, which a proxy may not have:
    # it writes the sources only, and `go build` finds what they need.
    (sources / "go.mod").write_text(
        "module nilometer.invalid/otelcol\n\ngo 1.25.0\n\nrequire (\n\t"
        + "\n\t".join(modules)
        + "\n)\n"
    )
    steps = (
        [go, "install", f"{core}/cmd/builder@{version}"],
        [
            str(BUILT / "builder"),
            f"--config={BUILT / 'builder.yaml'}",
            "--skip-compilation",
            "--skip-get-modules",
        ],
        [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(binary), "."],
    )
    for step in steps:
        try:
            finished = subprocess.run(
                step,
                cwd=sources,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=BUILD_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return None, f"{step[1]} took more than {BUILD_SECONDS} s"
        if finished.returncode:
            last = finished.stderr.strip().splitlines()[-1:] or ["no word"]
            return None, f"the Go module proxy or the build said no: {last[0][:200]}"
    return binary, ""


class GoCollector:
    """A running OpenTelemetry Collector with our configuration."""

    def __init__(self, directory: Path) -> None:
        self.grpc, self.http, self.port = free_port(), free_port(), free_port()
        self.file = directory / "metrics.jsonl"
        self.url = f"http://127.0.0.1:{self.grpc}"
        self.prometheus = f"127.0.0.1:{self.port}"

    @contextmanager
    def running(self, binary: Path, directory: Path) -> Iterator[None]:
        command = [str(binary), f"--config=file:{GO_MODULES.parent / 'config.yaml'}"]
        with process(
            command,
            directory / "otelcol.log",
            OTLP_GRPC_ADDRESS=f"127.0.0.1:{self.grpc}",
            OTLP_HTTP_ADDRESS=f"127.0.0.1:{self.http}",
            OTLP_FILE=str(self.file),
            PROMETHEUS_ADDRESS=self.prometheus,
        ) as started:
            eventually(lambda: listening(self.grpc, started))
            yield

    def received(self) -> list[MetricsData]:
        """Everything in the file, oldest first."""
        lines = self.file.read_text().splitlines()
        return [
            json_format.Parse(line, MetricsData(), ignore_unknown_fields=True) for line in lines
        ]


class Prometheus:
    """A real Prometheus that scrapes *targets* every second and evaluates the shipped rules."""

    def __init__(self, directory: Path, targets: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._directory = directory
        self._configuration = directory / "prometheus.yaml"
        rules = ROOT / "deploy" / "prometheus" / "nilometer.rules.yaml"
        self._configuration.write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(rules)],
                    "scrape_configs": [
                        {"job_name": job, "static_configs": [{"targets": [target]}]}
                        for job, target in targets.items()
                    ],
                }
            )
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [
            *("prometheus", f"--config.file={self._configuration}"),
            f"--storage.tsdb.path={self._directory / 'tsdb'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--enable-feature=native-histograms",
        ]
        with process(command, self._directory / "prometheus.log") as started:
            eventually(lambda: started.poll() is None and self._answers())
            yield

    def ask(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The instant vector of *expression*, by labels."""
        answer = httpx.get(
            f"{self.url}/api/v1/query", params={"query": expression}, trust_env=False, timeout=10
        ).json()
        assert answer["status"] == "success", (expression, answer)
        found = answer["data"]["result"]
        if answer["data"]["resultType"] == "scalar":
            return {(): float(found[1])}
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found}

    def one(self, expression: str) -> float:
        """The only value of *expression*."""
        (value,) = self.ask(expression).values()
        return value

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def listening(port: int, started: subprocess.Popen[bytes]) -> bool:
    assert started.poll() is None, f"{started.args!r} ended; see its log"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
