"""CPU time and memory of an agent until it is ready, beside the import of its packages alone."""

import http.client
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import psutil

from nilometer_collector.demo.processes import free_port

ROUNDS = 5
MOST_RATIO = 4.0  # of the CPU seconds of its imports
IMPORTS = "import numpy, grpc, msgspec, opentelemetry.sdk.metrics, prometheus_client"


def cpu_seconds_of_imports() -> float:
    """Return the CPU time of a process that only imports the agent's packages."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def until_ready(directory: str) -> tuple[float, float]:
    """Return the CPU seconds and the resident megabytes of an agent at its first `ready`."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "nilometer_agent", "--collector", ""),
            *("--directory", directory, "--metrics-address", f"127.0.0.1:{port}"),
        ],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    )
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the agent was not ready within 60 s")
            time.sleep(0.01)
        one = psutil.Process(process.pid)
        spent = one.cpu_times()
        return spent.user + spent.system, one.memory_info().rss / 1e6
    finally:
        process.terminate()
        process.wait(60)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def main() -> int:
    ratios, cpu, megabytes = [], [], []
    for _ in range(ROUNDS):
        imports = cpu_seconds_of_imports()
        with tempfile.TemporaryDirectory() as directory:
            seconds, resident = until_ready(directory)
        cpu.append(seconds)
        megabytes.append(resident)
        ratios.append(seconds / imports)
    ratio = statistics.median(ratios)
    print(f"CPU of an agent until it is ready: {ratio:.2f} of its imports (at most {MOST_RATIO})")
    print(f"  {statistics.median(cpu):.2f} s; resident {statistics.median(megabytes):.0f} MB")
    return 0 if ratio <= MOST_RATIO else 1
