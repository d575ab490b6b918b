"""Runs a variant's application without sockets, so that callgrind can count its instructions.

Usage: python -m benchmarks.in_process VARIANT REQUESTS [bytecodes]

Headers, path and body are new objects for every request, as in a server, so requests do not share
hashes and caches of objects. The script prints one JSON object. ``worker`` is the position of the
capture thread among all threads of the process. With the argument ``bytecodes``, the object
contains the number of nilometer's bytecodes that one request ran, by function.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.util import FileWrapper

import nilometer
from benchmarks.variants import ROW, VARIANTS, WSGI
from nilometer.handoff import budget, profile_outlet

BODY = json.dumps(ROW).encode()
PATH = "/predict"
HEADERS = (
    *((b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json")),
    *((b"accept", b"*/*"), (b"content-length", str(len(BODY)).encode())),
)
SLOWED = "BENCHMARK_SLOWED"  # factor by which everything runs slower, as under callgrind
PAUSE_EVERY = 64  # requests after which the loop yields, as in a server
FIRST_USE = 200  # warm-up requests, for imports, connections and caches
TRACED = 20  # requests whose bytecodes are counted, one after the other
SETTLE_SECONDS = 3.0  # wait for queued work, which is part of the cost
WORKER = "nilometer-capture"
OURS = str(Path(nilometer.__file__).parent)


async def drive(app: Any, requests: int) -> None:
    async def send(_: Any) -> None:
        return

    for number in range(requests):
        message = {"type": "http.request", "body": fresh(BODY), "more_body": False}

        async def receive(message: Any = message) -> Any:
            return message

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": fresh(PATH.encode()).decode("ascii"),
            "raw_path": fresh(PATH.encode()),
            "query_string": b"",
            "root_path": "",
            "headers": [(fresh(name), fresh(value)) for name, value in HEADERS],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        await app(scope, receive, send)
        if number % PAUSE_EVERY == 0:
            await asyncio.sleep(0)


def drive_wsgi(app: Any, requests: int) -> None:
    def start_response(*_: Any) -> Any:
        return print

    for _ in range(requests):
        environ = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": fresh(PATH.encode()).decode("ascii"),
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(fresh(BODY)),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }
        for name, value in HEADERS:
            key = name.decode().upper().replace("-", "_")
            key = key if key.startswith("CONTENT_") else f"HTTP_{key}"
            environ[key] = fresh(value).decode("ascii")
        result = app(environ, start_response)
        for _chunk in result:
            pass
        result.close()


def serve(variant: str, app: Any, requests: int) -> None:
    """Let the application of *variant* serve *requests* requests."""
    if variant in WSGI:
        drive_wsgi(app, requests)
    else:
        asyncio.run(drive(app, requests))


def fresh(content: bytes) -> bytes:
    """Return an equal object whose hash has not been computed."""
    return bytes(memoryview(content))


def worker_place() -> int | None:
    """Return the position of the capture thread among the threads by age, from 1."""
    ids = sorted(int(task.name) for task in Path("/proc/self/task").iterdir())
    for thread in threading.enumerate():
        if thread.name == WORKER and thread.native_id is not None:
            return ids.index(thread.native_id) + 1
    return None


def bytecodes(variant: str, app: Any) -> dict[str, int]:
    """Return the bytecodes of nilometer that a plain request runs, by function.

    Several requests are traced, because the middleware times some of them. The cheapest is plain.
    """
    return min(
        (traced(variant, app) for _ in range(TRACED)), key=lambda counts: sum(counts.values())
    )


def traced(variant: str, app: Any) -> dict[str, int]:
    """Return the bytecodes of nilometer that the next request runs, by function."""
    counts: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        del argument
        if event == "call":
            if not frame.f_code.co_filename.startswith(OURS):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            counts[frame.f_code.co_qualname] += 1
        return trace

    # Only this thread is traced, because the capture thread is not part of the request.
    sys.settrace(trace)
    try:
        serve(variant, app, 1)
    finally:
        sys.settrace(None)
    return dict(counts)


def main(variant: str, requests: int, *, count_bytecodes: bool) -> None:
    app = VARIANTS[variant][0]()
    slowed = float(os.environ.get(SLOWED, "1"))
    profile_outlet.DELTA_SECONDS *= slowed
    budget.BETWEEN_TIMED_SECONDS *= slowed
    serve(variant, app, FIRST_USE)
    if count_bytecodes:
        print(json.dumps(bytecodes(variant, app)))
        return
    time.sleep(SETTLE_SECONDS)
    serve(variant, app, requests)
    time.sleep(SETTLE_SECONDS)
    print(json.dumps({"worker": worker_place()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), count_bytecodes=sys.argv[3:] == ["bytecodes"])
