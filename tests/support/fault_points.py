"""Named places in the capture path at which tests inject faults, and the kinds of faults.

A point is an attribute of a module or class. It is replaced by one that misbehaves and counts its
calls. On the request path, a hang can only delay, so it is short there. On nilometer's own thread,
it lasts until the test releases it.
"""

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

PATH_HANG_SECONDS = 0.002
THREAD_HANG_SECONDS = 10.0

ASGI = "nilometer.capture.asgi"
FINISHER = "nilometer.capture.finisher"
EXCHANGE = "nilometer.capture.exchange"
OBSERVER = "nilometer.capture.observer"
WEBSOCKET = "nilometer.capture.websocket"
WSGI = "nilometer.capture.wsgi"
WSGI_EXCHANGE = "nilometer.capture.wsgi_exchange"
WORKER = "nilometer.handoff.worker"
PACK = "nilometer.handoff.pack"
RAW_OUTLET = "nilometer.handoff.raw_outlet"
LINK = "nilometer.handoff.link"
STREAM = "nilometer.handoff.stream"
SINK = "nilometer.handoff.sink"
GUARD = "nilometer.handoff.guard"
VALUES = "nilometer.capture.values"
REDACT = "nilometer.handoff.redact"

# name -> (module, attribute); failures show the name.
OF_ASGI = {
    "exchange made": (ASGI, "Exchange"),
    "wall clock": (ASGI, "time_ns"),
    "monotonic clock": (ASGI, "perf_counter"),
    "request found for log": (ASGI, "current.set"),
    "id put into the answer": (EXCHANGE, "Exchange._with_id"),
    "prediction id made": (ASGI, "NilometerMiddleware._returned_id"),
    "random bytes for an id": (ASGI, "os.urandom"),
    "outcome named": (FINISHER, "outcome_of"),
    "exception named": (FINISHER, "ended_by"),
    "mark removed": (FINISHER, "leave"),
    "connection made": (ASGI, "Connection"),
    "wall clock of a connection": (WEBSOCKET, "time_ns"),
    "monotonic clock of a connection": (WEBSOCKET, "perf_counter"),
    "message received noted": (WEBSOCKET, "Connection._note_received"),
    "message sent noted": (WEBSOCKET, "Connection._note_sent"),
    "size of a message": (WEBSOCKET, "_size_of"),
    "end of a connection named": (WEBSOCKET, "Connection._ended"),
    "connection packed": (PACK, "Packer.pack_connection"),
}
OF_WSGI = {
    "WSGI exchange made": (WSGI, "WsgiExchange"),
    "wall clock of WSGI": (WSGI, "time_ns"),
    "monotonic clock of WSGI": (WSGI, "perf_counter"),
    "WSGI request found for log": (WSGI, "current.set"),
    "clock of a WSGI chunk": (WSGI_EXCHANGE, "perf_counter"),
    "context of WSGI restored": (WSGI_EXCHANGE, "current.set"),
    "id put into the WSGI answer": (WSGI_EXCHANGE, "WsgiExchange._with_new_id"),
    "prediction id of WSGI made": (WSGI, "NilometerWSGIMiddleware._returned_id"),
    "random bytes for a WSGI id": (WSGI, "os.urandom"),
    "end of the input noted": (WSGI_EXCHANGE, "WsgiExchange._note_end_of_input"),
    "file sought": (WSGI_EXCHANGE, "_is_file"),
    "file noted": (WSGI_EXCHANGE, "WsgiExchange._note_file"),
    "size of the file": (WSGI_EXCHANGE, "_size_of_file"),
    "body completed": (WSGI_EXCHANGE, "WsgiExchange._complete"),
    "size of a chunk": (WSGI_EXCHANGE, "size_of"),
    "WSGI outcome named": (WSGI_EXCHANGE, "outcome_of"),
    "WSGI exception named": (WSGI_EXCHANGE, "ended_by"),
    "WSGI mark removed": (WSGI_EXCHANGE, "leave"),
}
OF_BOTH = {
    "outer middleware sought": (OBSERVER, "outer_of"),
    "request marked": (OBSERVER, "enter"),
    "further request chunk": (EXCHANGE, "Exchange._note_request"),
    "further answer chunk": (EXCHANGE, "Exchange._note_response"),
    "chunks joined": (EXCHANGE, "joined"),
    "clock of a chunk": (EXCHANGE, "perf_counter"),
    "stream made": (EXCHANGE, "Stream"),
    "gap noted": (EXCHANGE, "Stream.note"),
    "stream summed up": (EXCHANGE, "Stream.ended"),
    "stream's end named": (EXCHANGE, "stream_end"),
    "observation packed": (PACK, "Packer.pack"),
    "details summed up": (EXCHANGE, "Exchange.rest"),
    "details packed": (PACK, "Packer._more"),
    "id picked": (PACK, "Packer._id"),
    "labels picked": (PACK, "Packer._labels_of"),
    "values packed": (PACK, "encoded"),
    "bytes made": (PACK, "pack"),
    "offer to the queue": (SINK, "Sink.offer"),
    "worker revived": (WORKER, "Worker.ensure_started"),
    "thread made": (WORKER, "threading.Thread"),
    "users of log sought": (WORKER, "annotations.may_be_used"),
    "value made plain": (VALUES, "plain"),
    "place for values": (VALUES, "Annotations"),
    "label checked": (VALUES, "valid_labels"),
}
ON_THE_PATH = {**OF_ASGI, **OF_WSGI, **OF_BOTH}
ON_THE_THREAD = {
    "outlet opened": (WORKER, "open_outlet"),
    "worker named": (WORKER, "secrets.token_bytes"),
    "batch taken": (SINK, "Sink.take"),
    "batch handed on": (RAW_OUTLET, "RawOutlet.send_batch"),
    "batch made": (RAW_OUTLET, "batch_of"),
    "body redacted": (REDACT, "Redaction.redacted"),
    "message made": (RAW_OUTLET, "Batch"),
    "batch sent": (LINK, "AgentLink.send"),
    "link polled": (LINK, "AgentLink.poll"),
    "batch encoded": (LINK, "frame_of"),
    "stream opened": (LINK, "Stream"),
    "peer checked": (STREAM, "check_peer"),
    "stream polled": (STREAM, "Stream.poll"),
    "frame sent": (STREAM, "Stream._flush"),
    "answers read": (STREAM, "Stream._receive"),
    "answer read": (STREAM, "body_of"),
    "acknowledgements read": (LINK, "AgentLink._forget_until"),
}
POINTS = {**ON_THE_PATH, **ON_THE_THREAD}

HTTP1 = "nilometer_agent.proxy.http1"
PASSING = "nilometer_agent.proxy.passing"
HTTP2 = "nilometer_agent.proxy.http2"
FRAMES = "nilometer_agent.proxy.frames"
MESSAGES = "nilometer_agent.proxy.messages"
GRPC = "nilometer.capture.grpc.call"
# Points of the agent's proxies, where a fault must not change any byte.
IN_THE_HTTP_PROXY = {
    "request followed": (HTTP1, "Http1.sent"),
    "answer followed": (HTTP1, "Http1.answered"),
    "head's end sought": (HTTP1, "head_end"),
    "request's head read": (HTTP1, "request_head"),
    "answer's head read": (HTTP1, "answer_head"),
    "fields of the connection taken away": (HTTP1, "without_named"),
    "exchange begun": (HTTP1, "Http1._observed"),
    "passing exchange made": (HTTP1, "Passing"),
    "path read": (HTTP1, "path_and_query"),
    "request's body followed": (HTTP1, "Http1._follow_request"),
    "answer's body followed": (HTTP1, "Http1._follow_answer"),
    "request's content noted": (PASSING, "Passing.note_request"),
    "answer's content noted": (PASSING, "Passing.note_answer"),
    "request over": (HTTP1, "Http1._request_over"),
    "answer over": (HTTP1, "Http1._answer_over"),
    "exchange offered": (HTTP1, "Http1._offer"),
    "exchange's outcome named": (HTTP1, "_outcome"),
    "proxy's offer to the queue": (SINK, "Sink.offer"),
    "end of the connection noted": (HTTP1, "Http1.ended"),
    "clock of the proxy": (PASSING, "perf_counter"),
}
IN_THE_GRPC_PROXY = {
    "client's bytes followed": (HTTP2, "Http2.sent"),
    "server's bytes followed": (HTTP2, "Http2.answered"),
    "frames read": (FRAMES, "Frames.read"),
    "frame begun": (FRAMES, "Frames._begin"),
    "frame over": (FRAMES, "Frames._over"),
    "header block read": (FRAMES, "Frames._add_block"),
    "content of a frame read": (FRAMES, "Frames._content"),
    "call begun": (HTTP2, "Http2._begin"),
    "call made": (HTTP2, "Call"),
    "message read": (MESSAGES, "MessageReader.read"),
    "request's message noted": (GRPC, "Call.note_request"),
    "answer's message noted": (GRPC, "Call.note_answer"),
    "call ended": (HTTP2, "Http2._end"),
    "call offered": (GRPC, "Call.end"),
    "call's offer to the queue": (SINK, "Sink.offer"),
}
ALL_POINTS = {**POINTS, **IN_THE_HTTP_PROXY, **IN_THE_GRPC_PROXY}

KINDS: dict[str, Callable[[], Exception] | None] = {
    "Exception": lambda: Exception("ours"),
    "MemoryError": lambda: MemoryError("ours"),
    "RecursionError": lambda: RecursionError("ours"),
    "OSError": lambda: OSError(28, "ours"),
    "hang": None,
    "garbage": None,
}


class Garbage:
    """A value that no caller expects; every use of it fails."""


@dataclass
class Fault:
    """One point that misbehaves in one way, with the number of its calls."""

    point: str
    kind: str
    reached: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def act(self, original: Callable[..., Any], arguments: Any, named: Any) -> Any:
        self.reached += 1
        make = KINDS[self.kind]
        if make is not None:
            raise make()
        if self.kind == "garbage":
            return Garbage()
        if self.point not in ON_THE_THREAD:
            time.monotonic_ns()  # not `time.sleep`, which is a point itself
            threading.Event().wait(PATH_HANG_SECONDS)
        else:
            self.released.wait(THREAD_HANG_SECONDS)
        return original(*arguments, **named)


@contextmanager
def injected(point: str, kind: str) -> Iterator[Fault]:
    """Make *point* misbehave like *kind* inside the block."""
    module_name, attribute = ALL_POINTS[point]
    owner: Any = importlib.import_module(module_name)
    *parents, name = attribute.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = getattr(owner, name)
    fault = Fault(point, kind)

    def broken(*arguments: Any, **named: Any) -> Any:
        return fault.act(original, arguments, named)

    monkeypatch = pytest.MonkeyPatch()
    if name == "set":  # a context variable is immutable, so the module's name is replaced

        class Variable:
            set = staticmethod(broken)
            get = owner.get

        module = importlib.import_module(module_name)
        monkeypatch.setattr(module, parents[0], Variable)
    elif parents and parents[0] in {"os", "time", "threading", "secrets"}:
        # Only this module sees the replacement, because others use the standard library as well.
        module = importlib.import_module(module_name)
        monkeypatch.setattr(module, parents[0], _Seen(owner, name, broken))
    else:
        monkeypatch.setattr(owner, name, broken)
    try:
        yield fault
    finally:
        fault.released.set()
        monkeypatch.undo()


class _Seen:
    """A module with one function replaced."""

    def __init__(self, module: Any, name: str, replaced: Callable[..., Any]) -> None:
        self._module, self._name, self._replaced = module, name, replaced

    def __getattr__(self, name: str) -> Any:
        return self._replaced if name == self._name else getattr(self._module, name)
