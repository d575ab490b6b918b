"""The agent process: binds the socket, starts the threads, ends in order."""

import fcntl
import logging
import os
import resource
import secrets
import signal
import socket
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import nilometer
from nilometer.profile.schema import Schema
from nilometer.values.clock import Clock, SystemClock
from nilometer.values.errors import ConfigError
from nilometer.wire.services import (
    SERVER_OPTIONS,
    StatusReply,
    serve_agent,
)
from nilometer_agent.engine.engine import Engine
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.measure.entities import Entities
from nilometer_agent.measure.export import AgentExports
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.policy import WhenFull
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.workers import MAX_STREAMS, Bounds, Streams, WorkerService
from nilometer_agent.uplink.dial import Dial
from nilometer_agent.uplink.plan import PlanKeeper
from nilometer_agent.uplink.ship import Shipper

if TYPE_CHECKING:
    from nilometer_agent.proxy.keeper import Keeper
    from nilometer_agent.sources.events.door import EventDoor
    from nilometer_agent.sources.otlp.servers import OtlpServers

WORKERS_KEPT = 10_000  # marks of workers; those that were silent longest are gone
# The end of an agent takes 5 s at most beside its last commit, whoever hangs.
STOP_SHIP_SECONDS = 2.5  # for the collector to take the last rows
STOP_EXPORT_SECONDS = 1.5  # for OTLP to take the last points
SERVICE = "nilometer.v1.AgentService"  # of the health service: takes batches
DURABLE = "nilometer.v1.Durable"  # of the health service: what it acknowledges survives

P = ParamSpec("P")

log = logging.getLogger("nilometer.agent")


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
        self.plans = self._plan_keeper()
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
        self.engine = self._engine()
        self.otlp_in: OtlpServers | None = None
        if settings.otlp_in_grpc_address or settings.otlp_in_http_address:
            self.otlp_in = self._otlp_in()
        self.events: EventDoor | None = self._events() if settings.events_address else None
        self.proxies: Keeper | None = self._proxies() if settings.proxy else None
        self._started = self.clock.monotonic()
        self._streams = Streams(self.clock)
        self._stop = threading.Event()
        self._stopped = False
        self._planner = threading.Thread(target=self._plan, name="nilometer-plan", daemon=True)
        self.health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(MAX_STREAMS + 16, "nilometer-grpc"),
            interceptors=[Bounds()],
            options=SERVER_OPTIONS,
        )

    def _plan_keeper(self) -> PlanKeeper:
        settings = self.settings
        return PlanKeeper(
            self.buffer,
            self._dial,
            settings.names_key.encode(),
            {entity: Schema.declared(fields) for entity, fields in settings.schemas.items()},
            agent=settings.agent_name,
            instance=self._instance,
        )

    def _engine(self) -> Engine:
        return Engine(
            self.settings,
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
        service = WorkerService(
            self.engine, self._streams, lambda entities: self.status(entities=entities)
        )
        serve_agent(service, self._server)
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
            idle = self._streams.idle_for(self.clock.monotonic())
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

    def status(self, *, entities: bool = False) -> StatusReply:
        """What the agent holds and has done, and of which *entities* where they are asked for."""
        return StatusReply(
            version=nilometer.__version__,
            agent=self.settings.agent_name,
            epoch=self.buffer.epoch,
            counters=self.counters.snapshot(),
            gauges=self.gauges(),
            workers=self._streams.workers(),
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
