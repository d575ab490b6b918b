"""What the sidecar costs a pod before it has any work: packages, start, memory."""

import http.client
import os
import resource
import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from nilometer_collector.demo.processes import free_port

MOST_MEGABYTES = 150
READY_RATIO = 4.0  # CPU of the start over that of its imports alone; measured: 2.6 to 3.1
IDLE_MEGABYTES = 100


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Every package that `pip install name[extras]` brings."""
    found: set[str] = set()
    waiting = [(name, extras)]
    seen = set()
    while waiting:
        package, wanted = waiting.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        found.add(package)
        for text in distribution(package).requires or ():
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in wanted or {""}]
            marker = requirement.marker
            if marker is None or any(marker.evaluate(environment) for environment in environments):
                waiting.append((requirement.name.lower(), frozenset(requirement.extras)))
    return found


def bytes_of(package: str) -> int:
    files = distribution(package).files or ()
    return sum(
        path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()
    )


def test_the_agents_packages_are_small() -> None:
    packages = closure("nilometer", frozenset({"agent"}))
    assert {"numpy", "grpcio", "opentelemetry-sdk", "prometheus-client"} <= packages
    assert not packages & {"scikit-learn", "pyarrow", "pandas", "starlette", "rotel"}
    assert sum(map(bytes_of, packages)) < MOST_MEGABYTES * 1e6


def test_the_agent_is_ready_soon_and_idles_small(tmp_path: Path) -> None:
    port = free_port()
    started = time.monotonic()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "nilometer_agent", "--collector", ""),
            *("--directory", str(tmp_path), "--metrics-address", f"127.0.0.1:{port}"),
        ],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    )
    try:
        while not answers(port):
            assert process.poll() is None
            assert time.monotonic() < started + 60
            time.sleep(0.01)
        spent = psutil.Process(process.pid).cpu_times()
        resident = psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.terminate()
        process.wait(60)
    assert spent.user + spent.system < READY_RATIO * cpu_seconds_of_imports()
    assert resident < IDLE_MEGABYTES


def cpu_seconds_of_imports() -> float:
    """Return the CPU time of a process that only imports the agent's packages."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    imports = "import numpy, grpc, msgspec, opentelemetry.sdk.metrics, prometheus_client"
    subprocess.run([sys.executable, "-c", imports], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
