"""Draws requests and interruptions at random, and compares C with Python until the time is up.

Usage: python speedups/fuzz.py SECONDS [SEED]

Each round serves the same request in C and in Python. Both must pass on the same messages, values and
exceptions, and offer the same observations. The command prints the seed of a round that differs.
"""

import contextlib
import gc
import logging
import random
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.lane_rig import fields, observing, packed

import nilometer
from nilometer.handoff.plain import lane

BODIES: list[Any] = [
    b"",
    b"{}",
    b'{"a": 1}',
    b"x" * 300,
    b"x" * 70_000,
    b"x" * 300_000,
    bytearray(b"[1]"),
    None,
    7,
]
NAMES: list[Any] = [
    b"content-type",
    b"Content-Type",
    b"content-encoding",
    b"x-request-id",
    b"a" * 70,
    "text",
    None,
]
VALUES: list[Any] = [b"application/json", b"gzip", b"\xff", b"", b"v" * 300, "text", None]
THROWN = [KeyError, GeneratorExit, KeyboardInterrupt("stop"), ValueError("thrown"), StopIteration]


class Pause:
    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield "paused")


class Broken:
    def __init__(self, result: Any) -> None:
        self.result = result

    def __await__(self) -> Any:
        return self.result


def value_of(draw: random.Random) -> Any:
    return draw.choice(
        [b"", b"x", "", "x", 0, 200, 404, 500, -1, 1 << 70, None, True, False, [], {}, 1.5, object]
    )


def headers_of(draw: random.Random) -> Any:
    pairs = [
        draw.choice([tuple, list])((draw.choice(NAMES), draw.choice(VALUES)))
        for _ in range(draw.randrange(4))
    ]
    if draw.random() < 0.1:
        pairs.append(draw.choice([(), (b"one",), None, 5, (b"a", b"b", b"c")]))
    return draw.choice([list, list, list, tuple])(pairs)


def logged_of(draw: random.Random) -> dict[str, Any]:
    return {
        draw.choice(["a", "b", "c" * 40, "\ud800"]): draw.choice(
            [value_of(draw), draw.random(), draw.getrandbits(66) - (1 << 65), [1, 2.5, None]]
        )
        for _ in range(draw.randrange(4))
    }


def message_of(draw: random.Random, kind: str) -> Any:
    message: dict[Any, Any] = {"type": kind}
    if kind == "http.response.start":
        message |= {
            "status": draw.choice([200, 200, 204, 302, 404, 500]),
            "headers": headers_of(draw),
        }
    else:
        message |= {"body": draw.choice(BODIES), "more_body": draw.random() < 0.3}
    if draw.random() < 0.2:
        message[draw.choice(list(message))] = value_of(draw)
    if draw.random() < 0.1:
        del message[draw.choice(list(message))]
    return message if draw.random() < 0.97 else value_of(draw)


def scope_of(draw: random.Random) -> Any:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/p",
        "root_path": "",
        "headers": headers_of(draw),
    }
    if draw.random() < 0.2:
        scope[draw.choice(list(scope))] = value_of(draw)
    if draw.random() < 0.1:
        del scope[draw.choice(list(scope))]
    return scope


class Round:
    """One request, drawn from a seed: the server, the application, and what passed between them."""

    def __init__(self, seed: str) -> None:
        self.draw = random.Random(seed)
        self.passed: list[Any] = []

    async def receive(self) -> Any:
        if self.draw.random() < 0.3:
            self.passed.append(("received", await Pause()))
        return message_of(self.draw, "http.request")

    async def send(self, message: Any) -> None:
        self.passed.append(("sent", repr(message)[:80]))
        if self.draw.random() < 0.3:
            await Pause()
        if self.draw.random() < 0.05:
            raise OSError("the client left")

    async def app(self, _scope: Any, receive: Any, send: Any) -> Any:
        draw = self.draw
        for _ in range(draw.randrange(6)):
            step = draw.randrange(6)
            with contextlib.suppress(*draw.choice([(), (KeyError,), (OSError, ValueError)])):
                if step == 0:
                    self.passed.append(("message", repr(await receive())[:80]))
                elif step == 1:
                    await send(message_of(draw, "http.response.start"))
                elif step in {2, 3}:
                    await send(message_of(draw, "http.response.body"))
                elif step == 4:
                    nilometer.log(**logged_of(draw))
                else:
                    await Pause()
        if draw.random() < 0.1:
            raise LookupError("of the application")
        return draw.choice([None, None, 1, (1, 2)])

    def no_coroutine(self, *_: Any) -> Any:
        if self.draw.random() < 0.3:
            raise self.draw.choice([StopIteration(1), LookupError, KeyboardInterrupt])
        return self.draw.choice([None, 5, Broken(None), Broken(iter([1])), Broken(5)])

    def interrupt(self, made: Any) -> None:
        """Run *made* to its end, or throw something into it, close it, or drop it."""
        made.send(None)
        while True:
            act = self.draw.random()
            if act < 0.8:
                self.passed.append(("yielded", made.send(self.draw.choice([None, None, 1]))))
            elif act < 0.9:
                self.passed.append(("yielded", made.throw(self.draw.choice(THROWN))))
            elif act < 0.95:
                made.close()
                return
            else:
                return


def served(seed: str, *, in_python: bool) -> tuple[bool, list[Any], list[Any], int]:
    """Return whether C served it, what passed, the observations, and the requests in flight."""
    one = Round(seed)
    app = one.app if one.draw.random() < 0.97 else one.no_coroutine
    capture = one.draw.choice(["bodies", "bodies", "values"])
    middleware = observing(app, in_python=in_python, capture=capture)
    middleware._worker.notes = one.draw.random() < 0.2
    made = middleware(scope_of(one.draw), one.receive, one.send)
    in_c = type(made) is lane.Serving
    try:
        one.interrupt(made)
    except StopIteration as stopped:
        one.passed.append(("returned", stopped.value))
    except BaseException as error:
        one.passed.append(("raised", type(error).__name__))
    del made
    observations = [fields(observation) for observation in packed(middleware)]
    return in_c, one.passed, observations, middleware._worker.in_flight


def main(seconds: float, first: int) -> int:
    """Compare until *seconds* are over; return the exit code."""
    if lane is None:
        print("nilometer-speedups is not installed: use `make speedups`", file=sys.stderr)
        return 2
    logging.disable()
    deadline, number, compiled = time.monotonic() + seconds, first, 0
    while time.monotonic() < deadline:
        seed = f"round {number}"
        in_c, *mine = served(seed, in_python=False)
        in_python, *theirs = served(seed, in_python=True)
        compiled += in_c
        if mine != theirs or in_python:
            print(f"SEED {number} differs:\n  C      {mine}\n  Python {theirs}")
            return 1
        number += 1
        if number % 1000 == 0:
            gc.collect()
    rounds = number - first
    print(f"{rounds} rounds in {seconds:g} s, {compiled} of them in C: the same as in Python")
    if compiled < rounds / 2:
        print("too few requests were plain")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
