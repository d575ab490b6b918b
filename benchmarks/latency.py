"""Effects on clients and the event loop: p99, throughput, stalls, bodies of 100 MB.

Bare and observed servers run at the same time, each in its own process. Rounds alternate between
them. Each figure is the median of the ratios or differences in all rounds, with their range. On a
shared machine the range can be wide, so a goal counts as missed only if every round misses it. Two
of the servers are bare and equal. If their p99 differs by more than a goal allows, p99 is not
judged, and the output says so.
"""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from benchmarks.cost_per_request import free_port
from benchmarks.in_process import BODY

ROUNDS = 7
REQUESTS = 2000  # requests per round, to measure p99
PIPELINED = 32  # requests in flight, for throughput: the client must need less CPU than the server
BURSTS = 100  # bursts per round
STALL_SECONDS = 4.0
LARGE_BYTES = 100 << 20
CAP_BYTES = 256 << 10
REQUEST = (
    b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n" % len(BODY)
) + BODY


@contextmanager
def _agent(directory: Path) -> Iterator[psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "-m", "nilometer_agent", "--directory", str(directory), "--collector", ""],
        stderr=subprocess.DEVNULL,
    )
    while not (directory / "agent.sock").exists():
        time.sleep(0.05)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def _garbage(path: Path) -> Iterator[None]:
    """Serve random bytes at the agent's socket."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(16)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(os.urandom(4096))
            except OSError:
                if listener.fileno() < 0:
                    return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def _server(profile_in: str, path: Path) -> Iterator[tuple[psutil.Process, int]]:
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "benchmarks.latency_app:app", "--port", str(port)),
            *("--no-access-log", "--log-level", "critical"),
        ],
        env={
            **os.environ,
            "BENCHMARK_PROFILE_IN": profile_in,
            "NILOMETER_AGENT": f"unix:{path}",
            "NILOMETER_SHUTDOWN_SECONDS": "0.2",
        },
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield psutil.Process(process.pid), port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def _latencies(port: int, count: int) -> list[float]:
    """Return the seconds of each of *count* requests, which are sent one after another."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = []
    for _ in range(count):
        before = time.perf_counter()
        writer.write(REQUEST)
        await _answer(reader)
        seconds.append(time.perf_counter() - before)
    writer.close()
    return seconds


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
    return await reader.readexactly(int(length))


def _p99_us(port: int) -> float:
    return float(np.quantile(asyncio.run(_latencies(port, REQUESTS)), 0.99)) * 1e6


def _requests_a_second(port: int) -> float:
    """Return the throughput with bursts of pipelined requests, whose responses are only counted."""
    burst = REQUEST * PIPELINED
    with socket.create_connection(("127.0.0.1", port)) as connection:
        before = time.perf_counter()
        for _ in range(BURSTS):
            connection.sendall(burst)
            left = PIPELINED
            while left:
                left -= connection.recv(1 << 16).count(b"HTTP/1.1 200")
        return BURSTS * PIPELINED / (time.perf_counter() - before)


def _stall_ms(port: int) -> float:
    """Return the p99.9 delay of the event loop under load, in milliseconds."""

    async def loaded() -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        question = b"GET /stalls HTTP/1.1\r\nhost: x\r\n\r\n"
        writer.write(question)
        await _answer(reader)
        until = time.perf_counter() + STALL_SECONDS
        while time.perf_counter() < until:
            await _latencies(port, 20)
            await asyncio.sleep(0.01)
        writer.write(question)
        late: list[float] = json.loads(await _answer(reader))
        writer.close()
        return late

    return float(np.quantile(asyncio.run(loaded()), 0.999))


def _large_seconds(port: int) -> float:
    """Return the seconds to send one body of 100 MB."""
    head = b"POST /large HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % LARGE_BYTES
    chunk = bytes(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        before = time.perf_counter()
        connection.sendall(head)
        for _ in range(LARGE_BYTES >> 20):
            connection.sendall(chunk)
        if b"200 OK" not in connection.recv(1 << 16):
            raise RuntimeError("the large body was refused")
        return time.perf_counter() - before


def _peak_growth(process: psutil.Process, post: Callable[[], object]) -> float:
    """Return the number of bytes by which the peak memory of *process* grew while *post* ran."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    before = process.memory_info().rss
    post()
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) << 10
    return float(peak - before)


def _row(
    name: str, figures: list[float], goal: float, unit: str = "", *, judged: bool = True
) -> bool:
    """Print one line; return whether the goal was met in any round, or cannot be judged."""
    middle, low, high = statistics.median(figures), min(figures), max(figures)
    verdict = "met" if middle <= goal else "unsure" if low <= goal else "MISSED"
    if not judged:
        verdict = "cannot be judged here"
    print(
        f"{name:44} {middle:9.3f} {low:9.3f} {high:9.3f} {goal:8.2f} {unit:5} {verdict}", flush=True
    )
    return low <= goal or not judged


def _p99_rows(p99: dict[str, list[float]]) -> list[bool]:
    """Print how much two equal servers differ; if that is little, print the added p99 as well."""
    apart = [abs(ratio - 1) for ratio in _ratios(p99["bare again"], p99["bare"])]
    noise = statistics.median(apart)
    print(
        f"two equal bare servers differ by {100 * noise:.0f} % at p99 "
        f"({100 * min(apart):.0f} to {100 * max(apart):.0f} % in a round)"
    )
    fine = []
    for name, goal in (("agent", 1.15), ("process", 1.25)):
        judged = noise <= goal - 1
        if not judged:
            print(
                f"this is more than the {100 * (goal - 1):.0f} % of the goal, so p99 is not judged"
            )
        ratios = _ratios(p99[name], p99["bare"])
        row = f"p99, profiled in the {name} / bare"
        fine.append(_row(row, ratios, goal, judged=judged))
    return fine


def _alternating(measure: Callable[[int], float], ports: dict[str, int]) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {name: [] for name in ports}
    for number in range(ROUNDS):
        for name in list(ports) if number % 2 else reversed(list(ports)):
            figures[name].append(measure(ports[name]))
    return figures


def _ratios(ours: list[float], bare: list[float]) -> list[float]:
    return [one / other for one, other in zip(ours, bare, strict=True)]


def main() -> int:
    print(f"{'what':44} {'median':>9} {'least':>9} {'most':>9} {'at most':>8}")
    fine = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(_agent(directory))
        path = directory / "agent.sock"
        servers = {
            name: stack.enter_context(_server(where, path))
            for name, where in (("bare", ""), ("agent", "agent"), ("process", "process"))
        }
        # The difference between two equal bare servers is the noise of this machine.
        servers["bare again"] = stack.enter_context(_server("", path))
        ports = {name: port for name, (_, port) in servers.items()}
        for port in ports.values():
            asyncio.run(_latencies(port, 500))
        fine += _p99_rows(_alternating(_p99_us, ports))
        rates = _alternating(_requests_a_second, ports)
        print(f"a request of the bare server takes {1e6 / max(rates['bare']):.0f} us at saturation")
        for name in ("agent", "bare again"):
            lost = [100 * (1 - ratio) for ratio in _ratios(rates[name], rates["bare"])]
            met = _row(f"throughput lost, {name}", lost, 8.0, "%")
            fine += [met] * (name == "agent")
        del ports["process"], ports["bare again"]
        seconds = _alternating(_large_seconds, ports)
        slower = [100 * (1 - 1 / ratio) for ratio in _ratios(seconds["agent"], seconds["bare"])]
        fine.append(_row("throughput of 100 MB in, lost", slower, 2.0, "%"))
        growth = {}
        for name in ports:
            process, port = servers[name]
            growth[name] = [
                _peak_growth(process, partial(_large_seconds, port)) for _ in range(ROUNDS)
            ]
        more = (statistics.median(growth["agent"]) - statistics.median(growth["bare"])) / CAP_BYTES
        fine.append(_row("memory of 100 MB in, more than bare", [more], 2.0, "caps"))
    fine += _stalls()
    return 0 if all(fine) else 1


def _stalls() -> list[bool]:
    """Measure the added delay of the server's event loop with an agent that does not work."""
    fine = []
    for state in ("absent", "stopped", "garbage"):
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            path = directory / "agent.sock"
            process = stack.enter_context(_agent(directory)) if state == "stopped" else None
            if state == "garbage":
                stack.enter_context(_garbage(path))
            ports = {
                name: stack.enter_context(_server(where, path))[1]
                for name, where in (("bare", ""), ("agent", "agent"))
            }
            for port in ports.values():
                asyncio.run(_latencies(port, 200))
            if process is not None:
                process.suspend()
            added = [_stall_ms(ports["agent"]) - _stall_ms(ports["bare"]) for _ in range(3)]
            fine.append(_row(f"stall of the loop at p99.9, agent {state}", added, 5.0, "ms"))
    return fine
