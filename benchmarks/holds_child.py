"""Serves a real workload through the middleware; records how long its thread holds the interpreter.

Usage: python -m benchmarks.holds_child MODE BODY SECONDS [probe]

MODE is ``agent``, ``process`` or ``bare``. BODY is a name in `BODIES`. The script prints one JSON
object.

A hold begins when the capture thread returns from a wait (a sleep, or the lock that wakes it), and
ends at its next wait. Its length is the thread's own processor time (`time.thread_time_ns`), which
excludes other processes. This script replaces the calls that release the interpreter; nilometer
itself is not changed. Socket calls release the interpreter too, but a non-blocking call returns
before another thread wakes up. So the time of the call is left out, and the hold continues.
"""

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.in_process import WORKER

BURST_SECONDS = 0.005
REQUESTS_A_SECOND = 2000
FIRST_USE_SECONDS = 2.5  # warm-up for imports, the connection, learning the bodies, two deltas
EXAMPLES = 2000  # number of different bodies
PROBE_SECONDS = 50e-6
TEXT_BYTES = 8 << 10
NOISE_STEPS = 2000
NOISE_LOOPS = 4000  # loops of the fixed work that measures noise: about 100 us

numbers = np.random.default_rng(4)


def ten_numbers() -> dict[str, object]:
    return {f"feature_{at}": round(value, 4) for at, value in enumerate(numbers.normal(size=10))}


def with_text() -> dict[str, object]:
    words = " ".join(f"word{number}" for number in numbers.integers(0, 10_000, TEXT_BYTES // 9))
    row = ten_numbers()
    room = TEXT_BYTES - len(json.dumps(row)) - 12
    return row | {"text": words[:room].ljust(room, ".")}


BODIES: dict[str, Callable[[], dict[str, object]]] = {"10 numbers": ten_numbers, "8 KiB": with_text}


class Holds:
    """Processor time of one thread between its waits, in nanoseconds."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.calls = 0  # calls of sockets
        self.thread = -1
        self._since = 0
        self._spent = 0

    def watch(self, thread: int) -> None:
        self.thread = thread

    def lets_go(self) -> None:
        self._spent += time.thread_time_ns() - self._since

    def has_again(self) -> None:
        self._since = time.thread_time_ns()

    def wait(self, call: Callable[[], Any]) -> Any:
        """Run *call*, which may wait; in the watched thread, the current hold ends."""
        if threading.get_ident() != self.thread:
            return call()
        self.lets_go()
        self.ended.append(self._spent)
        self._spent = 0
        try:
            return call()
        finally:
            self.has_again()


holds = Holds()


class WatchedLock:
    """The lock that wakes the capture thread, with its waits recorded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.release, self.locked = self._lock.release, self._lock.locked

    def acquire(self, timeout: float) -> bool:
        return bool(holds.wait(lambda: self._lock.acquire(timeout=timeout)))


def _watched(name: str) -> Callable[..., Any]:
    call = getattr(socket.socket, name)

    def watched(*arguments: Any) -> Any:
        if threading.get_ident() != holds.thread:
            return call(*arguments)
        holds.calls += 1
        holds.lets_go()
        try:
            return call(*arguments)
        finally:
            holds.has_again()

    return watched


class WatchedSocket(socket.socket):
    """A socket that records its calls, which release the interpreter."""

    send, recv, connect, shutdown = map(_watched, ("send", "recv", "connect", "shutdown"))


def replace_calls() -> None:
    from nilometer.handoff import worker

    sleep = time.sleep
    time.sleep = lambda seconds: holds.wait(lambda: sleep(seconds))
    vars(worker)["_held_lock"] = WatchedLock
    socket.socket = WatchedSocket  # type: ignore[misc]


class Counted:
    """The numbers of batches and observations that the outlet sent."""

    def __init__(self) -> None:
        self.batches = 0
        self.observations = 0

    def count(self, outlet: type[Any]) -> None:
        send_batch = outlet.send_batch

        def counting(own: Any, batch: list[bytes], dropped: Any) -> None:
            self.batches += bool(batch)
            self.observations += len(batch)
            send_batch(own, batch, dropped)

        outlet.send_batch = counting


def application(mode: str) -> Any:
    answer = [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json")],
        },
        {"type": "http.response.body", "body": b'{"score": 0.25}'},
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await receive()
        for message in answer:
            await send(message)

    if mode == "bare":
        return app
    from nilometer import NilometerMiddleware

    return NilometerMiddleware(
        app, entity="benchmark", profile_in="process" if mode == "process" else "agent"
    )


async def serve(app: Any, bodies: list[bytes], seconds: float) -> None:
    """Send bursts of requests at a constant rate."""

    async def send(_: Any) -> None:
        return

    def receiving(body: bytes) -> Callable[[], Awaitable[Any]]:
        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        return receive

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    begin = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - begin) < seconds:
        while sent < elapsed * REQUESTS_A_SECOND:
            body = bytes(memoryview(bodies[sent % len(bodies)]))
            await app(dict(scope), receiving(body), send)
            sent += 1
        await asyncio.sleep(BURST_SECONDS)


def switches() -> int:
    """Return the number of voluntary switches of every thread but the main one."""
    main = str(os.getpid())
    found = 0
    for task in Path("/proc/self/task").iterdir():
        if task.name != main:
            status = (task / "status").read_text()
            found += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return found


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def probe(late: list[float], stopped: threading.Event) -> None:
    """Request the interpreter again and again; return the delays in microseconds."""
    while not stopped.is_set():
        before = time.perf_counter()
        time.sleep(PROBE_SECONDS)
        late.append((time.perf_counter() - before - PROBE_SECONDS) * 1e6)


def noise() -> list[float]:
    """Return the processor times of a fixed piece of work, in microseconds, to measure noise."""
    found = []
    for _ in range(NOISE_STEPS):
        time.sleep(0.0005)
        before = time.thread_time_ns()
        sum(range(NOISE_LOOPS))
        found.append((time.thread_time_ns() - before) / 1000)
    return found


def main(mode: str, body: str, seconds: float, *, probing: bool) -> None:
    bodies = [json.dumps(BODIES[body]()).encode() for _ in range(EXAMPLES)]
    before = threads()  # threads of other libraries, such as numpy's BLAS
    counted = Counted()
    if mode != "bare":
        replace_calls()
        from nilometer.handoff.profile_outlet import ProfileOutlet
        from nilometer.handoff.raw_outlet import RawOutlet

        for outlet in (ProfileOutlet, RawOutlet):
            counted.count(outlet)
    app = application(mode)
    asyncio.run(serve(app, bodies, 0.01))
    ours = [thread for thread in threading.enumerate() if thread.name == WORKER]
    holds.thread = ours[0].ident or -1 if ours else -1
    asyncio.run(serve(app, bodies, FIRST_USE_SECONDS))
    first = max(holds.ended, default=0)
    clock = time.pthread_getcpuclockid(holds.thread) if ours else time.CLOCK_MONOTONIC
    late: list[float] = []
    stopped = threading.Event()
    if probing:
        threading.Thread(target=probe, args=(late, stopped), daemon=True).start()
    holds.ended.clear()
    counted.batches = counted.observations = holds.calls = 0
    own, cpu = switches(), time.clock_gettime_ns(clock)
    asyncio.run(serve(app, bodies, seconds))
    spent, own = time.clock_gettime_ns(clock) - cpu, switches() - own
    stopped.set()
    print(
        json.dumps(
            {
                "holds_us": [one / 1000 for one in holds.ended],
                "first_us": first / 1000,
                "batches": counted.batches,
                "observations": counted.observations,
                "cpu_us": spent / 1000,
                "calls": holds.calls,
                "switches": own,
                "threads": 1 + threads() - before - probing,
                "late_us": late,
                "noise_us": noise(),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), probing=sys.argv[4:] == ["probe"])
