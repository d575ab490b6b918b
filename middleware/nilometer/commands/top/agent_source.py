"""Polls an agent for its status over its socket, in a thread."""

import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from nilometer.commands.top.agents import AgentRow, agent_row
from nilometer.commands.top.entities import Share
from nilometer.commands.top.readings import History, Reading
from nilometer.values.errors import ConfigError
from nilometer.wire.services import CHANNEL_OPTIONS, StatusReply, StatusRequest, agent_stub
from nilometer.wire.status import entities_from_wire

AGENT_SECONDS = 2.0  # longest wait for a response
_NO_FILE = (FileNotFoundError, NotADirectoryError)


class AgentSource:
    """Polls one agent.

    Args:
        address: Address for gRPC, ``unix:/path``.
        seconds: Time between requests.
        on_change: Function that is called after each response and each failure.
    """

    def __init__(self, address: str, seconds: float, on_change: Callable[[], None]) -> None:
        self.address = address
        self._seconds = seconds
        self._on_change = on_change
        self._lock = threading.Lock()
        self._history = History()
        self._reason = "not asked yet"
        self._stop = threading.Event()
        self._asked = 0
        self._thread = threading.Thread(target=self._run, name="nilometer-top", daemon=True)

    def start(self) -> None:
        """Start to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; a request in progress may finish later."""
        self._stop.set()

    @property
    def asked(self) -> int:
        """Number of requests that are finished: answered or failed."""
        return self._asked

    def row(self, span: float) -> AgentRow:
        """Return the agent's row as of now."""
        with self._lock:
            return agent_row(self.address, self._history, span, time.monotonic(), self._reason)

    def share(self) -> Share:
        """Return the agent's share of the entities. Call only under `held`."""
        newest = self._history.newest
        name = newest.agent if newest is not None else self.address
        return Share(name or self.address, self._history, not self._reason)

    @property
    def held(self) -> threading.Lock:
        """The lock that guards the history."""
        return self._lock

    def _run(self) -> None:
        with grpc.insecure_channel(self.address, options=CHANNEL_OPTIONS) as channel:
            stub = agent_stub(channel)
            due = time.monotonic()
            while not self._stop.is_set():
                self._ask(stub)
                self._on_change()
                due = max(due + self._seconds, time.monotonic())
                self._stop.wait(due - time.monotonic())

    def _ask(self, stub: Any) -> None:
        asked = time.monotonic()
        try:
            reply = stub.Status(StatusRequest(entities=True), timeout=AGENT_SECONDS)
            reading = reading_of(reply, (asked + time.monotonic()) / 2)
        except grpc.RpcError as error:
            reason = why_away(self.address, error)
            with self._lock:
                self._reason = reason
        except ValueError as error:
            with self._lock:
                self._reason = f"invalid response: {error}"
        else:
            with self._lock:
                self._history.add(reading)
                self._reason = ""
        self._asked += 1


def reading_of(reply: StatusReply, at: float) -> Reading:
    """Return the reading in *reply*, taken at monotonic *at*.

    Raises:
        ValueError: If the state of an entity is invalid.
    """
    return Reading(
        at=at,
        agent=reply.agent,
        version=reply.version,
        instance=reply.instance,
        uptime=reply.uptime_seconds,
        counters=dict(reply.counters),
        gauges=dict(reply.gauges),
        workers=len(reply.workers),
        collector=reply.collector,
        collector_state=reply.collector_state,
        collector_reason=reply.collector_reason,
        duplicate=reply.duplicate,
        entities={state.entity: state for state in entities_from_wire(reply.entities)},
    )


def why_away(address: str, error: Any) -> str:
    """Return in a few words why no agent answered at *address*; *error* is from gRPC."""
    code = error.code()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return "no agent, or one older than 0.1"
    if code not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return f"{code.name.lower()}: {error.details()}"
    return _socket_state(Path(address.removeprefix("unix:"))) or "no response"


def _socket_state(path: Path) -> str:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return f"{path} is not a socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0.5)
            probe.connect(str(path))
    except _NO_FILE:
        return f"there is no {path}"
    except PermissionError:
        return f"{path} belongs to another user"
    except ConnectionRefusedError:
        return f"no process listens at {path}"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def agent_address(text: str) -> str:
    """Return the gRPC address for a path of a socket, its directory, or ``unix:/path``.

    Raises:
        ConfigError: If the text has none of these forms.
    """
    path = text.removeprefix("unix://").removeprefix("unix:") if text else ""
    if not path or "\0" in path:
        raise ConfigError(f"agent = {text!r}: must be unix:/path, a socket or its directory")
    there = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111  accepts ``~user``, too
    if os.path.isdir(there):  # noqa: PTH112  never raises
        there /= "agent.sock"
    return f"unix:{there}"
