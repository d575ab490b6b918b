"""Where the numbers come from: agents over their sockets, a collector over HTTP.

Each is asked by a thread of its own, so that one that hangs holds up neither the others nor a key.
"""

import json
import os
import socket
import ssl
import stat
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from nilometer.commands.top.rates import (
    NO_OBSERVATION,
    AgentRow,
    EntityRow,
    History,
    Reading,
    Share,
    agent_row,
    entity_rows,
)
from nilometer.values.errors import ConfigError
from nilometer.wire.services import CHANNEL_OPTIONS, StatusReply, StatusRequest, agent_stub
from nilometer.wire.status import entities_from_wire

AGENT_SECONDS = 2.0  # for an answer
COLLECTOR_SECONDS = 5.0  # for an answer, and between questions
WINDOW_SECONDS = 3600.0  # how far back a newest window is looked for
MAX_ENTITIES = 30  # whose newest windows are asked for
MAX_ANSWER = 8 << 20  # bytes
_NO_FILE = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One that is open, as the collector tells."""

    entity: str
    summary: str
    alerter: str
    severity: str
    value: float
    threshold: float
    opened: float  # Unix seconds
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorState:
    """What a collector said last.

    Attributes:
        url: Where it was asked; empty where none is.
        answered: Whether it ever did.
        reason: Why it did not, last; empty if it did.
        entities: By name: what it says of each, with the numbers of the newest window.
        open_episodes: Episodes that are open, newest first.
    """

    url: str = ""
    answered: bool = False
    reason: str = ""
    entities: Mapping[str, EntityRow] = field(default_factory=dict)
    open_episodes: Sequence[Episode] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything there is to show, at one moment."""

    agents: tuple[AgentRow, ...]
    entities: tuple[EntityRow, ...]
    collector: CollectorState

    @property
    def answered(self) -> bool:
        """Whether anybody does."""
        return any(agent.up for agent in self.agents) or (
            bool(self.collector.url) and not self.collector.reason and self.collector.answered
        )


class AgentSource:
    """One agent, asked again and again.

    Args:
        address: Of gRPC: ``unix:/path``.
        seconds: Between questions.
        told: Called after each answer, and each that did not come.
    """

    def __init__(self, address: str, seconds: float, told: Callable[[], None]) -> None:
        self.address = address
        self._seconds = seconds
        self._told = told
        self._lock = threading.Lock()
        self._history = History()
        self._reason = "not asked yet"
        self._stop = threading.Event()
        self._asked = 0
        self._thread = threading.Thread(target=self._run, name="nilometer-top", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a question that is under way may outlast it."""
        self._stop.set()

    @property
    def asked(self) -> int:
        """Questions that were answered or failed."""
        return self._asked

    def row(self, span: float) -> AgentRow:
        """The agent, as of now."""
        with self._lock:
            return agent_row(self.address, self._history, span, time.monotonic(), self._reason)

    def share(self) -> Share:
        """What it tells of entities. Only under `held`."""
        newest = self._history.newest
        name = newest.agent if newest is not None else self.address
        return Share(name or self.address, self._history, not self._reason)

    @property
    def held(self) -> threading.Lock:
        """Guards the history."""
        return self._lock

    def _run(self) -> None:
        with grpc.insecure_channel(self.address, options=CHANNEL_OPTIONS) as channel:
            stub = agent_stub(channel)
            due = time.monotonic()
            while not self._stop.is_set():
                self._ask(stub)
                self._told()
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
                self._reason = f"its answer makes no sense: {error}"
        else:
            with self._lock:
                self._history.add(reading)
                self._reason = ""
        self._asked += 1


def reading_of(reply: StatusReply, at: float) -> Reading:
    """What *reply* tells, at monotonic *at*.

    Raises:
        ValueError: If an entity's state cannot be.
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
    """Why nobody answered at *address*, in a few words; *error* is what gRPC raised."""
    code = error.code()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return "no agent, or one older than 0.1"
    if code not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return f"{code.name.lower()}: {error.details()}"
    return _socket_state(Path(address.removeprefix("unix:"))) or "it does not answer"


def _socket_state(path: Path) -> str:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return f"{path} is no socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0.5)
            probe.connect(str(path))
    except _NO_FILE:
        return f"there is no {path}"
    except PermissionError:
        return f"{path} belongs to another user"
    except ConnectionRefusedError:
        return f"nobody listens at {path}"
    except OSError as error:
        return error.strerror or str(error)
    return ""


class CollectorSource:
    """A collector's HTTP API, asked again and again.

    Args:
        url: ``http://host:port``.
        token_file: With a bearer token, read anew for each question; empty shows none.
        ca: Certificates that may have signed the collector's, PEM; empty takes the machine's.
        seconds: Between questions.
        windows: Whether to ask for the newest window of each entity too.
        told: Called after each answer, and each that did not come.

    Raises:
        ConfigError: If *url* is no URL, or a file cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: str,
        ca: str,
        seconds: float,
        windows: bool,
        told: Callable[[], None],
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"collector = {url!r}: must be http:// or https://, host and port")
        here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if token_file and parts.scheme == "http" and not here:
            raise ConfigError("token_file: needs https; a token is not sent in the clear")
        if parts.username or parts.password:
            raise ConfigError("collector: put the token into a file, not into the URL")
        for name, path in (("token_file", token_file), ("tls_ca", ca)):
            if path and not Path(path).is_file():
                raise ConfigError(f"{name} = {path!r}: there is no such file")
        self._url = url.rstrip("/")
        self._token_file = token_file
        context = ssl.create_default_context(cafile=ca or None)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),  # a proxy of the environment is not for the pod's own
            urllib.request.HTTPSHandler(context=context),
            _NoRedirect(),
        )
        self._seconds = max(seconds, COLLECTOR_SECONDS)
        self._windows = windows
        self._told = told
        self._state = CollectorState(url=self._url, reason="not asked yet")
        self._stop = threading.Event()
        self.asked = 0
        self._thread = threading.Thread(target=self._run, name="nilometer-top", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a question that is under way may outlast it."""
        self._stop.set()

    @property
    def state(self) -> CollectorState:
        """The newest."""
        return self._state

    def _run(self) -> None:
        while not self._stop.is_set():
            before = self._state
            try:
                self._state = self._ask()
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                self._state = CollectorState(
                    url=self._url,
                    answered=before.answered,
                    reason=_why(error),
                    entities=before.entities,
                    open_episodes=before.open_episodes,
                )
            self.asked += 1
            self._told()
            self._stop.wait(self._seconds)

    def _ask(self) -> CollectorState:
        entities = self._get("entities")["entities"]
        episodes = self._get("episodes", open="true")["episodes"]
        found: dict[str, EntityRow] = {}
        for position, entity in enumerate(entities):
            ask = self._windows and position < MAX_ENTITIES and entity["last_seen"] is not None
            window = self._newest(entity["name"], entity["last_seen"]) if ask else None
            found[str(entity["name"])] = replace(
                _windowed(str(entity["name"]), window),
                health=str(entity["health"]),
                open_episodes=int(entity["open_episodes"]),
                total=int(entity["observations"]),
            )
        return CollectorState(
            url=self._url,
            answered=True,
            entities=found,
            open_episodes=[_episode(episode) for episode in episodes],
        )

    def _newest(self, entity: str, last_seen: float) -> Mapping[str, Any] | None:
        samples = self._get(
            "samples", entity=entity, summary="service", start=str(last_seen - WINDOW_SECONDS)
        )["samples"]
        return samples[-1] if samples else None

    def _get(self, path: str, **query: str) -> Any:
        request = urllib.request.Request(  # noqa: S310  http or https, as checked
            f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}",
            headers={"accept": "application/json"},
        )
        if self._token_file:
            token = Path(self._token_file).read_text("utf-8").strip()
            request.add_header("authorization", f"Bearer {token}")
        with self._opener.open(request, timeout=COLLECTOR_SECONDS) as answer:
            body = answer.read(MAX_ANSWER + 1)
        if len(body) > MAX_ANSWER:
            raise ValueError(f"an answer of more than {MAX_ANSWER >> 20} MiB")
        return json.loads(body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        match error.code:
            case 401:
                return "it wants a token (401): --token-file"
            case 403:
                return "the token may not read (403)"
            case code:
                return f"it answers {code}"
    if isinstance(error, urllib.error.URLError):
        cause = error.reason
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate: {cause.verify_message}: --tls-ca"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        return str(cause)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "its answer is none of a collector's"


class Sources:
    """All of them, and what they say together.

    Args:
        agents: Addresses of gRPC.
        collector: The collector's source, or None.
        seconds: Between questions to an agent.
        told: Called whenever there may be something new; from any thread.
    """

    def __init__(
        self,
        agents: Sequence[str],
        collector: CollectorSource | None,
        seconds: float,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._agents = [AgentSource(address, seconds, told) for address in agents]
        self._collector = collector

    def start(self) -> None:
        """Begin."""
        for source in self._agents:
            source.start()
        if self._collector is not None:
            self._collector.start()

    def stop(self) -> None:
        """End."""
        for source in self._agents:
            source.stop()
        if self._collector is not None:
            self._collector.stop()

    def asked(self) -> int:
        """How often each has answered or failed, of the agent that did so least.

        A collector that was asked once has told what it has to tell.
        """
        collector = self._collector.asked if self._collector is not None else 1
        least = min((source.asked for source in self._agents), default=2)
        return least if collector else 0

    def picture(self, span: float) -> Picture:
        """What there is to show; rates are over *span* seconds."""
        rows = tuple(source.row(span) for source in self._agents)
        for source in self._agents:
            source.held.acquire()
        try:
            entities = entity_rows([source.share() for source in self._agents], span)
        finally:
            for source in self._agents:
                source.held.release()
        state = CollectorState()
        if self._collector is not None:
            state = self._collector.state
        return Picture(agents=rows, entities=with_collector(entities, state), collector=state)


def with_collector(rows: Sequence[EntityRow], state: CollectorState) -> tuple[EntityRow, ...]:
    """*rows* with the collector's health, and those that only it knows, by name."""
    found = {row.name: row for row in rows}
    fresh = not state.reason
    for name, fleet in state.entities.items():
        row = found.get(name)
        if row is None:
            found[name] = replace(fleet, fresh=fresh)
        elif fresh:
            found[name] = replace(row, health=fleet.health, open_episodes=fleet.open_episodes)
    return tuple(found[name] for name in sorted(found))


def _windowed(name: str, window: Mapping[str, Any] | None) -> EntityRow:
    if window is None or not isinstance(window.get("service"), dict):
        return EntityRow(name=name, windowed=True)
    service, coverage = window["service"], window["coverage"]
    seconds = max(float(window["window_end"] - window["window_start"]), 1.0)
    undecodable = {str(key): int(count) for key, count in coverage["undecodable"].items()}
    dropped = {str(key): int(count) for key, count in coverage["dropped"].items()}
    lost = sum(undecodable.values()) - undecodable.get(NO_OBSERVATION, 0)
    covered = int(coverage["profiled"]) + int(coverage["sampled_out"])
    seen = covered + sum(dropped.values()) + lost
    quantiles = service["latency_quantiles_seconds"]
    return EntityRow(
        name=name,
        windowed=True,
        requests=float(service["requests_per_second"]),
        error_ratio=_number(service["error_ratio"]),
        p50=_number(quantiles.get("0.5")),
        p99=_number(quantiles.get("0.99")),
        coverage=covered / seen if seen else None,
        dropped=sum(dropped.values()) / seconds,
        dropped_total=dropped,
        undecodable=lost / seconds,
        undecodable_total=undecodable,
        outcomes={str(key): int(count) for key, count in service["outcomes"].items()},
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _episode(view: Mapping[str, Any]) -> Episode:
    return Episode(
        entity=str(view["entity"]),
        summary=str(view["summary"]),
        alerter=str(view["alerter"]),
        severity=str(view["severity"]),
        value=float(view["value"]),
        threshold=float(view["threshold"]),
        opened=float(view["opened"]),
        evidence=str(view["evidence"]),
    )


def agent_address(text: str) -> str:
    """The gRPC address of an agent's socket: of a path, a directory that holds it, or ``unix:``.

    Raises:
        ConfigError: If it can be none.
    """
    path = text.removeprefix("unix://").removeprefix("unix:") if text else ""
    if not path or "\0" in path:
        raise ConfigError(f"agent = {text!r}: must be unix:/path, a socket or its directory")
    there = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111  "~" of another user, too
    if os.path.isdir(there):  # noqa: PTH112  never raises
        there /= "agent.sock"
    return f"unix:{there}"
