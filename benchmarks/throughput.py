"""Requests that an agent on one core receives and commits, compared with an HTTP sink.

Enough workers send batches as plain frames over the Unix socket to keep the agent busy. A batch
counts when it is acknowledged, which happens after its profile is committed. The agent and the sink
have one core each. CPU time is judged, because other processes affect it less than wall time. The
sink decodes and profiles like the agent, but commits nothing.
"""

import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import psutil

from benchmarks.cloudevent_sink import REQUEST_TYPE, RESPONSE_TYPE
from benchmarks.cost_per_request import free_port
from benchmarks.pipeline import flat
from benchmarks.throughput_child import ENTITY
from nilometer.wire.services import CHANNEL_OPTIONS, StatusReply, StatusRequest, agent_stub

WORKERS = 2
BATCHES = 400  # batches for each worker and round
SIZE = 256  # observations in a batch
SMALLER = 128  # observations in a batch of a worker without a backlog
ROUNDS = 3
REQUESTS = 4000  # requests to the sink in each round
CONNECTIONS = 16
LEAST_REQUESTS = 400_000  # requests per second
LEAST_RATIO = 70.0
WHEN = "2023-11-14T22:13:20+00:00"
CORES = os.sched_getaffinity(0)
OWN_CORE = {min(CORES)}
OTHER_CORES = CORES - OWN_CORE or CORES


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Run processes that are started inside the block on *cores*."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, OTHER_CORES)


@contextmanager
def agent(directory: Path, *options: str) -> Iterator[psutil.Process]:
    """Run an agent on the first core."""
    with on(OWN_CORE):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nilometer_agent", "--directory", str(directory)),
                *("--collector", "", *options),
            ],
            stderr=subprocess.DEVNULL,
        )
    try:
        while not (directory / "agent.sock").exists():
            time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def status(directory: Path) -> StatusReply:
    target = f"unix:{directory / 'agent.sock'}"
    with grpc.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
        found: StatusReply = agent_stub(channel).Status(
            StatusRequest(), timeout=60, wait_for_ready=True
        )
        return found


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def streamed(process: psutil.Process, directory: Path, size: int) -> tuple[float, float]:
    """Return the agent's CPU time per request in microseconds, and the requests per second."""
    command = [sys.executable, "-m", "benchmarks.throughput_child", str(directory / "agent.sock")]
    workers = [
        subprocess.Popen(
            [*command, str(BATCHES), str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(WORKERS)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    counters = status(directory).counters
    before, started = cpu_seconds(process), time.monotonic()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    left = [worker.stdout.readline() if worker.stdout else "" for worker in workers]
    seconds, spent = time.monotonic() - started, cpu_seconds(process) - before
    for worker in workers:
        worker.communicate(timeout=60)
    sent = WORKERS * BATCHES * size
    after = status(directory).counters
    committed = after["profiled"] - counters["profiled"]
    if left != ["0\n"] * WORKERS or committed != sent:
        raise RuntimeError(
            f"{committed} of {sent} requests were profiled; {left} were not acknowledged"
        )
    return spent / sent * 1e6, sent / seconds


@contextmanager
def sink() -> Iterator[tuple[psutil.Process, int]]:
    """Run the HTTP sink on the first core, under uvicorn with uvloop and httptools."""
    port = free_port()
    with on(OWN_CORE):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "benchmarks.cloudevent_sink:app"),
                *("--port", str(port), "--no-access-log", "--log-level", "error"),
                *("--loop", "uvloop", "--http", "httptools"),
            ]
        )
    try:
        for _ in range(200):
            try:
                asyncio.run(exchange(port, b"GET /profiled HTTP/1.1\r\nhost: x\r\n\r\n"))
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield psutil.Process(process.pid), port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def exchange(port: int, *requests: bytes) -> bytes:
    """Send *requests* one after another on one connection; return the body of the last response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b""
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(head.decode())
        length = re.search(rb"content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
    writer.close()
    await writer.wait_closed()
    return body


def post(path: str, number: int, kind: str, data: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: sink\r\ncontent-type: application/json\r\n"
        f"ce-specversion: 1.0\r\nce-id: {number}\r\nce-source: /models/{ENTITY}\r\n"
        f"ce-type: {kind}\r\nce-time: {WHEN}\r\ncontent-length: {len(data)}\r\n\r\n"
    ).encode() + data


def pair(number: int) -> list[bytes]:
    """Return the events that an inference logger posts for one request and its response."""
    request, response = bodies(number)
    return [
        post("/events", number, REQUEST_TYPE, request),
        post("/events", number, RESPONSE_TYPE, response),
    ]


def both(number: int) -> list[bytes]:
    """Return one event with both bodies."""
    data = b'{"request":%s,"response":%s}' % bodies(number)
    return [post("/bare", number, REQUEST_TYPE, data)]


def bodies(number: int) -> tuple[bytes, bytes]:
    return flat([round(0.1234 * (number % 97 + at), 4) for at in range(10)])


async def post_all(port: int, posts: Sequence[Sequence[bytes]]) -> None:
    def share(start: int) -> list[bytes]:
        return [one for events in posts[start::CONNECTIONS] for one in events]

    await asyncio.gather(*(exchange(port, *share(start)) for start in range(CONNECTIONS)))


def posted(process: psutil.Process, port: int, events_of: Callable[[int], list[bytes]]) -> float:
    """Return the sink's CPU time per request in microseconds."""
    posts = [events_of(number) for number in range(REQUESTS)]
    before = cpu_seconds(process)
    asyncio.run(post_all(port, posts))
    profiled = int(asyncio.run(exchange(port, b"GET /profiled HTTP/1.1\r\nhost: x\r\n\r\n")))
    spent = cpu_seconds(process) - before
    if abs(profiled - REQUESTS) >= SIZE:  # one batch may be from before, or may still be waiting
        raise RuntimeError(f"the sink profiled {profiled} of {REQUESTS} requests")
    return spent / REQUESTS * 1e6


def main() -> int:
    print(f"10 numbers in and 1 out as JSON; {WORKERS} workers, {BATCHES} batches each and round")
    ways: dict[str, list[float]] = {
        name: []
        for name in (
            f"plain frames, batches of {SIZE}, committed",
            f"plain frames, batches of {SMALLER}, committed",
            "the first with metrics at a port",
            "inference logger's two CloudEvents, HTTP",
            "one CloudEvent, the least that can be",
        )
    }
    own, _, _, pairs, _ = ways.values()
    rates: list[float] = []
    os.sched_setaffinity(0, OTHER_CORES)
    with ExitStack() as stack:
        homes = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        plain = stack.enter_context(agent(homes[0]))
        exporting = stack.enter_context(
            agent(homes[1], "--metrics-address", f"127.0.0.1:{free_port()}")
        )
        server, port = stack.enter_context(sink())
        for number in range(ROUNDS + 1):
            cost, rate = streamed(plain, homes[0], SIZE)
            figures = (
                cost,
                streamed(plain, homes[0], SMALLER)[0],
                streamed(exporting, homes[1], SIZE)[0],
                posted(server, port, pair),
                posted(server, port, both),
            )
            if number:  # the first round warms up
                rates.append(rate)
                for found, one in zip(ways.values(), figures, strict=True):
                    found.append(one)
    os.sched_setaffinity(0, CORES)
    print(f"{'way in':<44} {'us/request':>11} {'requests/s of a core':>21} {'times':>6}")
    for name, found in ways.items():
        cost = statistics.median(found)
        ratio = cost / statistics.median(own)
        print(f"{name:<44} {cost:>11.2f} {1e6 / cost:>21,.0f} {ratio:>6.1f}")
    requests = 1e6 / statistics.median(own)
    ratio = statistics.median(peer / ours for peer, ours in zip(pairs, own, strict=True))
    fine = requests >= LEAST_REQUESTS and ratio >= LEAST_RATIO
    print(
        f"requests per second and core: {requests:,.0f}, at least {LEAST_REQUESTS:,}: "
        f"{'met' if requests >= LEAST_REQUESTS else 'MISSED'} "
        f"(on this machine's clock: {max(rates):,.0f})"
    )
    print(
        f"throughput as a multiple of the CloudEvents sink: {ratio:.0f}, at least {LEAST_RATIO:g}: "
        f"{'met' if ratio >= LEAST_RATIO else 'MISSED'}"
    )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
