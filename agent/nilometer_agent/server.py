"""The agent process: binds the socket, starts the threads, ends in order."""

import fcntl
import logging
import os
import queue
import resource
import secrets
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import nilometer
from nilometer.profile.schema import Schema
from nilometer.values.clock import Clock, SystemClock
from nilometer.values.errors import ConfigError
from nilometer.wire.services import (
    SERVER_OPTIONS,
    AgentServiceServicer,
    CaptureAcknowledgement,
    CaptureBatch,
    FlushReply,
    FlushRequest,
    StatusReply,
    StatusRequest,
    serve_agent,
)
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.engine.intake import Refusal, taken
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.measure.entities import Entities
from nilometer_agent.measure.export import AgentExports
from nilometer_agent.outbox.buffer import Buffer, WhenFull
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.dial import Dial
from nilometer_agent.uplink.plan import PlanKeeper
from nilometer_agent.uplink.ship import Shipper

if TYPE_CHECKING:
    from nilometer_agent.proxy.keeper import Keeper
    from nilometer_agent.sources.events.door import EventDoor
    from nilometer_agent.sources.otlp.servers import OtlpServers

WORKERS_KEPT = 10_000  # marks of workers; those that were silent longest are gone
MAX_STREAMS = 64  # workers of one pod
FLUSH_SECONDS = 60.0
# The end of an agent takes 5 s at most beside its last commit, whoever hangs.
STOP_SHIP_SECONDS = 2.5  # for the collector to take the last rows
STOP_EXPORT_SECONDS = 1.5  # for OTLP to take the last points
SERVICE = "nilometer.v1.AgentService"  # of the health service: takes batches
CAPTURE = "/nilometer.v1.AgentService/Capture"
DURABLE = "nilometer.v1.Durable"  # of the health service: what it acknowledges survives

P = ParamSpec("P")

log = logging.getLogger("nilometer.agent")


class _Servicer(AgentServiceServicer):
    """Hands batches to the engine and its acknowledgements back."""

    def __init__(self, agent: "Agent") -> None:
        self._agent = agent

    def Capture(  # noqa: N802  the contract's name
        self, request_iterator: Iterator[CaptureBatch | Refusal], context: grpc.ServicerContext
    ) -> Iterator[CaptureAcknowledgement]:
        stream = _Stream(self._agent.engine)
        context.add_callback(stream.abandon)
        with self._agent.connected(stream):
            threading.Thread(
                target=stream.read, args=(request_iterator,), name="nilometer-read", daemon=True
            ).start()
            yield from stream.acknowledgements()
        if stream.refused:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, stream.refused)

    def Status(  # noqa: N802
        self, request: StatusRequest, context: grpc.ServicerContext
    ) -> StatusReply:
        del context
        return self._agent.status(entities=request.entities)

    def Flush(  # noqa: N802
        self, request: FlushRequest, context: grpc.ServicerContext
    ) -> FlushReply:
        del request, context
        return FlushReply(samples=self._agent.engine.flush(FLUSH_SECONDS))


class _Stream:
    """One worker's stream: read by its own thread, acknowledged from the engine's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._answers: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._last_received = 0
        self._done_reading = False
        self.worker = b""
        self.refused = ""

    def read(self, batches: Iterator[CaptureBatch | Refusal]) -> None:
        """Take batches until the worker closes its side, is gone, or breaks the contract."""
        acknowledge = self._answers.put
        try:
            for batch in batches:
                if isinstance(batch, Refusal):
                    self.refused = batch.reason
                    self._engine.refuse()
                    log.error(
                        "stream refused",
                        extra={"worker": self.worker.hex(), "reason": batch.reason[:200]},
                    )
                    break
                self.worker = batch.worker
                self._last_received = batch.sequence
                self._engine.offer(Arrival(batch, acknowledge))
        except grpc.RpcError:
            log.info("worker is gone", extra={"worker": self.worker.hex()})
        finally:
            self._done_reading = True
            self._engine.offer(Arrival(None, acknowledge))
            self._answers.put(0)

    def acknowledgements(self) -> Iterator[CaptureAcknowledgement]:
        """What is committed, until everything that was read is."""
        acknowledged = 0
        while not (self._done_reading and acknowledged >= self._last_received):
            answer = self._answers.get()
            if answer is None:
                return
            if answer > acknowledged:
                acknowledged = answer
                yield CaptureAcknowledgement(sequence=answer)

    def abandon(self) -> None:
        """The call is over, however."""
        self._answers.put(None)


class _Bounds(grpc.ServerInterceptor):
    """Looks at batches before they are parsed."""

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """The handler, with `intake.taken` for a parser where it takes batches."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method != CAPTURE:
            return handler
        return grpc.stream_stream_rpc_method_handler(
            handler.stream_stream, taken, handler.response_serializer
        )


class _Connected:
    """Counts a stream while it lasts."""

    def __init__(self, agent: "Agent", stream: _Stream) -> None:
        self._agent, self._stream = agent, stream

    def __enter__(self) -> None:
        self._agent.join(self._stream)

    def __exit__(self, *_: object) -> None:
        self._agent.leave(self._stream)


class Agent:
    """One agent. `start`, then `wait` or `stop`.

    Args:
        settings: What it was told.
        clock: Wall and monotonic time.

    Raises:
        ConfigError: If another agent has the directory or the socket.
    """

    def __init__(self, settings: AgentSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        home = settings.home
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = _locked(home / "agent.lock")
        try:
            _check_socket(settings.socket_path)
            self.counters = Counters()
            self.buffer = Buffer(
                home / "agent.db",
                self.clock,
                self.counters,
                max_bytes=settings.max_outbox_bytes,
                max_memory_bytes=settings.max_memory_bytes,
                when_full=WhenFull(settings.when_full),
            )
        except BaseException:
            os.close(self._lock_file)
            raise
        self._dial: Dial | None = None
        if settings.collector:
            self._dial = Dial(settings.collector, settings.credentials)
        self._instance = secrets.token_bytes(16)
        self.plans = PlanKeeper(
            self.buffer,
            self._dial,
            settings.names_key.encode(),
            {entity: Schema.declared(fields) for entity, fields in settings.schemas.items()},
            agent=settings.agent_name,
            instance=self._instance,
        )
        self.shipper = Shipper(
            settings.agent_name,
            self._instance,
            self.buffer,
            self._dial,
            self.counters,
            self.clock,
        )
        self._serving = False
        self.exports = AgentExports(
            settings,
            self.counters,
            self.clock,
            outbox_rows=self.buffer.queued,
            ready=lambda: self._serving and self.engine.works,
            alive=lambda: not self._serving or self.engine.works,
        )
        self.entities = Entities(settings.window_seconds, self.clock)
        self.engine = Engine(
            settings,
            self.buffer,
            self.plans,
            self.counters,
            self.clock,
            on_observed=self.exports.observed,
            on_cost=_both(self.entities.cost, self.exports.cost),
            on_committed=_both(self.entities.committed, self.exports.committed),
            on_closed=_both(self.entities.closed, self.exports.closed),
            on_queued=self.shipper.wake,
        )
        self.otlp_in: OtlpServers | None = None
        if settings.otlp_in_grpc_address or settings.otlp_in_http_address:
            self.otlp_in = self._otlp_in()
        self.events: EventDoor | None = self._events() if settings.events_address else None
        self.proxies: Keeper | None = self._proxies() if settings.proxy else None
        self._streams: set[_Stream] = set()
        self._streams_lock = threading.Lock()
        self._idle_since = self._started = self.clock.monotonic()
        self._had_workers = False
        self._stop = threading.Event()
        self._stopped = False
        self._planner = threading.Thread(target=self._plan, name="nilometer-plan", daemon=True)
        self.health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(MAX_STREAMS + 16, "nilometer-grpc"),
            interceptors=[_Bounds()],
            options=SERVER_OPTIONS,
        )

    def _otlp_in(self) -> "OtlpServers":
        from nilometer_agent.sources.otlp.servers import OtlpServers
        from nilometer_agent.sources.otlp.taker import OtlpTaker

        settings = self.settings
        taker = OtlpTaker(self.engine, self.counters, settings.otlp_in_service, self.clock)
        self.exports.measured.edges = taker.edges
        return OtlpServers(taker, settings.otlp_in_grpc_address, settings.otlp_in_http_address)

    def _events(self) -> "EventDoor":
        from nilometer_agent.sources.events.door import EventDoor

        return EventDoor(self.settings, self.engine, self.counters, self.clock)

    def _proxies(self) -> "Keeper":
        from nilometer_agent.proxy.keeper import Keeper

        return Keeper(self.settings.proxy, self.settings.socket_path)

    def start(self) -> None:
        """Bind the socket and begin."""
        serve_agent(_Servicer(self), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        path = self.settings.socket_path
        previous = os.umask(0o177)
        try:
            self._server.add_insecure_port(f"unix:{path}")
        finally:
            os.umask(previous)
        self.buffer.forget_workers(WORKERS_KEPT)
        self.engine.start()
        self.shipper.start()
        self.exports.start()
        self._planner.start()
        self._server.start()
        if self.otlp_in is not None:
            self.otlp_in.start()
        if self.events is not None:
            self.events.start()
        if self.proxies is not None:
            self.proxies.start()
        self._serving = True
        self._say_health()
        log.info("agent ready", extra={"socket": str(path)})

    def wait(self) -> None:
        """Serve until `request_stop`, or until idle where that was asked for."""
        while not self._stop.wait(0.05):
            self._say_health()
            idle = self._idle_for(self.clock.monotonic())
            if self.settings.until_idle and idle > self.settings.idle_seconds:
                log.info("no worker is left")
                return

    def _plan(self) -> None:
        """Keep the plan fresh, in a thread of its own: a collector may take its time."""
        while not self._stop.is_set():
            answered = self.plans.refresh()
            self.plans.wanted.wait(self.settings.plan_seconds if answered else 1.0)

    def _say_health(self) -> None:
        """Liveness, readiness, and whether what is acknowledged survives."""
        alive = self.engine.works
        states = {"": alive, SERVICE: alive, DURABLE: alive and self.buffer.durable}
        for name, serving in states.items():
            answer = health_pb2.HealthCheckResponse
            self.health.set(name, answer.SERVING if serving else answer.NOT_SERVING)

    def request_stop(self) -> None:
        """Let `wait` return. Safe in a signal handler."""
        self._stop.set()

    def stop(self) -> None:
        """Refuse new work, commit and close what is held, ship it if the collector answers."""
        if self._stopped:
            return
        self._stopped = True
        self._stop.set()
        self._serving = False
        self.plans.wanted.set()
        self.health.enter_graceful_shutdown()
        if self.proxies is not None:
            self.proxies.stop()  # first: what they hold comes in by the socket
        self._server.stop(grace=0.5).wait(2.0)
        if self.otlp_in is not None:
            self.otlp_in.stop()
        if self.events is not None:
            self.events.stop()
        self.engine.stop(timeout=30.0)
        self.shipper.stop(STOP_SHIP_SECONDS)
        self.exports.stop(STOP_EXPORT_SECONDS)
        if self._dial is not None:
            self._dial.close()
        self.buffer.close()
        os.close(self._lock_file)

    def connected(self, stream: _Stream) -> _Connected:
        """Count *stream* while it lasts."""
        return _Connected(self, stream)

    def join(self, stream: _Stream) -> None:
        """A worker has come."""
        with self._streams_lock:
            self._streams.add(stream)
            self._had_workers = True

    def leave(self, stream: _Stream) -> None:
        """A worker has left."""
        with self._streams_lock:
            self._streams.discard(stream)
            self._idle_since = self.clock.monotonic()

    def status(self, *, entities: bool = False) -> StatusReply:
        """What the agent holds and has done, and of which *entities* where they are asked for."""
        with self._streams_lock:
            workers = sorted(stream.worker.hex() for stream in self._streams)
        return StatusReply(
            version=nilometer.__version__,
            agent=self.settings.agent_name,
            epoch=self.buffer.epoch,
            counters=self.counters.snapshot(),
            gauges=self.gauges(),
            workers=workers,
            data_directory=str(self.settings.home),
            collector=self.settings.collector,
            collector_state=self.shipper.state.value,
            collector_reason=self.shipper.reason,
            duplicate=self.shipper.duplicate,
            uptime_seconds=self.clock.monotonic() - self._started,
            dropped=self.counters.reasons(Counter.DROPPED),
            undecodable=self.counters.reasons(Counter.UNDECODABLE),
            entities=self.entities.to_wire() if entities else (),
            instance=self._instance,
        )

    def gauges(self) -> dict[str, int]:
        """What is held now and what it costs, by the names of docs/telemetry.md."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            **self.buffer.gauges(),
            "batches_uncommitted": self.engine.uncommitted,
            "events_waiting": self.events.waiting if self.events is not None else 0,
            "workers": len(self._streams),
            "cpu_milliseconds": int(1000 * (used.ru_utime + used.ru_stime)),
            "resident_bytes": _resident_bytes(),
        }

    def _idle_for(self, now: float) -> float:
        with self._streams_lock:
            if self._streams:
                return 0.0
            # Before the first worker has come, it is given the time a slow server takes.
            return now - self._idle_since if self._had_workers else (now - self._idle_since) / 6


def run(settings: AgentSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigError: If another agent has the directory or the socket.
    """
    os.umask(0o077)  # what is stored is for this user only
    agent = Agent(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.request_stop())
    agent.start()
    try:
        agent.wait()
    finally:
        agent.stop()


def _both(first: Callable[P, None], second: Callable[P, None]) -> Callable[P, None]:
    """One after the other, told the same."""

    def both(*given: P.args, **named: P.kwargs) -> None:
        first(*given, **named)
        second(*given, **named)

    return both


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ConfigError(
            f"directory = {str(path.parent)!r}: another agent is using it; give each its own"
        ) from error
    return lock


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:  # not Linux: the peak is the next best
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _check_socket(path: Path) -> None:
    """Refuse a path that is somebody else's; a second server would take it over silently."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"socket = {str(path)!r}: there is a file that is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise ConfigError(f"socket = {str(path)!r}: another server is listening on it")
