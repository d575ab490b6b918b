"""The agent process: creates its parts, starts them, and stops them in order."""

import fcntl
import logging
import os
import resource
import secrets
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import ParamSpec

import nilometer
from nilometer import kinds
from nilometer.handoff.settings import frame_socket
from nilometer.profile.schema import Schema
from nilometer.serving.descriptors import raise_limit
from nilometer.settings import secrets as secret_files
from nilometer.settings.private import check_private, open_private, private_directory
from nilometer.values.clock import Clock, SystemClock
from nilometer.values.errors import ConfigError
from nilometer.wire.services import StatusReply
from nilometer_agent.direct import DirectAlerts, can_judge_by_default
from nilometer_agent.engine.close import OnClosed
from nilometer_agent.engine.engine import Engine
from nilometer_agent.engine.in_work import FILE, InWork
from nilometer_agent.health import Health
from nilometer_agent.measure.contents import log_missing_series
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.measure.entities import Entities
from nilometer_agent.measure.export import AgentExports
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.outlets import PredictionOutlet
from nilometer_agent.outbox.policy import WhenFull
from nilometer_agent.outbox.sealing import seal_of
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.optional import events_of, otlp_of, proxies_of
from nilometer_agent.sources.source import Sources
from nilometer_agent.sources.workers.frame_socket import FrameSocket
from nilometer_agent.sources.workers.grpc_socket import GrpcSocket, check_free
from nilometer_agent.sources.workers.registry import Workers
from nilometer_agent.sources.workers.service import WorkerService
from nilometer_agent.uplink.dial import Dial
from nilometer_agent.uplink.messages import OF_PREDICTIONS
from nilometer_agent.uplink.plan import PlanKeeper
from nilometer_agent.uplink.ship import Shipper

DATABASE_FILES = ("agent.db", "agent.db-wal", "agent.db-shm", "agent.db-journal")
WORKERS_KEPT = 10_000  # workers remembered; those idle for longest are forgotten first
LOCK_ATTEMPTS = 50  # a child of a killed agent may keep the lock for a moment
LOCK_WAIT_SECONDS = 0.02  # pause after each attempt
# Unless a source needs longer, an agent stops within 5 s plus its last commit, even if a part hangs.
STOP_ENGINE_SECONDS = 30.0  # longest wait for the last commit
STOP_SHIP_SECONDS = 2.5  # longest time to ship the last rows
STOP_LOG_SECONDS = 1.0  # longest time to ship the last logged predictions
STOP_DIRECT_SECONDS = 1.0  # longest time for the current direct alert
STOP_EXPORT_SECONDS = 1.5  # longest time to export the last points

P = ParamSpec("P")

log = logging.getLogger("nilometer.agent")


class Agent:
    """One agent. Call `start`, then `wait` or `stop`.

    Args:
        settings: Settings of the agent.
        clock: Wall and monotonic time.

    Raises:
        ConfigError: If another agent uses the directory or the socket, or an address is in use.
    """

    def __init__(self, settings: AgentSettings, clock: Clock | None = None) -> None:
        kinds.load()
        log_missing_series()
        self.settings = settings
        self.clock = clock or SystemClock()
        self._instance = secrets.token_bytes(16)
        self._started = self.clock.monotonic()
        self._serving = False
        self._stop = threading.Event()
        self._planner = threading.Thread(target=self._plan, name="nilometer-plan", daemon=True)
        self.counters = Counters()
        # The stack stops the newest part first, also if creating the next part fails. Observations go
        # from sources to engine to outbox to collector, so the parts stop in this order.
        with ExitStack() as ends:
            home = settings.home
            private_directory("directory", home, settings.allowed_uids)
            check_private("directory", *(home / name for name in DATABASE_FILES))
            ends.callback(os.close, _locked(home / "agent.lock"))
            check_free(settings.socket_path)
            check_free(frame_socket(settings.socket_path))
            self.buffer = self._buffer()
            ends.callback(self.buffer.close)
            self._dial: Dial | None = None
            if settings.collector:
                self._dial = Dial(settings.collector, settings.credentials)
                ends.callback(self._dial.close)
            self.plans = self._plan_keeper()
            self.entities = Entities(settings.window_seconds, self.clock)
            self.exports = self._exports()
            ends.callback(self.exports.stop, STOP_EXPORT_SECONDS)
            self.shipper = self._shipper()
            ends.callback(self.shipper.stop, STOP_SHIP_SECONDS)
            self.log_shipper = self._log_shipper()
            if self.log_shipper is not None:
                ends.callback(self.log_shipper.stop, STOP_LOG_SECONDS)
            self.direct = self._direct(ends)
            self._in_work = InWork(settings.home / FILE, self.buffer.worker_sequences())
            ends.callback(self._in_work.close)
            self.engine = self._engine()
            ends.callback(self.engine.stop, STOP_ENGINE_SECONDS)
            self.health = Health(self.engine, self.buffer)
            self.workers = Workers(self.clock)
            self.sources = Sources()
            ends.callback(self.sources.stop)
            # The frame socket starts first. A worker that finds only gRPC assumes an older agent.
            self.sources.add(self._frame_socket())
            self.sources.add(self._grpc_socket())
            of_engine = (settings, self.engine, self.counters, self.clock)
            self.otlp_in = self.sources.add(otlp_of(*of_engine))
            self.events = self.sources.add(events_of(*of_engine))
            self.proxies = self.sources.add(proxies_of(settings))
            if self.otlp_in is not None:
                self.exports.measured.edges = self.otlp_in.edges
            self._ends = ends.pop_all()

    def _buffer(self) -> Buffer:
        settings = self.settings
        log_bytes = settings.prediction_log_max_bytes if settings.prediction_log else 0
        return Buffer(
            settings.home / "agent.db",
            self.clock,
            self.counters,
            max_bytes=settings.max_outbox_bytes + log_bytes,
            max_memory_bytes=settings.max_memory_bytes,
            when_full=WhenFull(settings.when_full),
            seal=seal_of(settings.prediction_log_key_file),
        )

    def _plan_keeper(self) -> PlanKeeper:
        settings = self.settings
        return PlanKeeper(
            self.buffer,
            self._dial,
            settings.names_key.encode(),
            {entity: Schema.declared(fields) for entity, fields in settings.schemas.items()},
            disclosure=settings.disclosure,
            summed=settings.summed,
            agent=settings.agent_name,
            instance=self._instance,
            wants_baselines=self._tells_directly() and can_judge_by_default(),
            clock=self.clock,
        )

    def _exports(self) -> AgentExports:
        return AgentExports(
            self.settings,
            self.counters,
            self.clock,
            outbox_rows=self.buffer.queued,
            ready=lambda: self._serving and self.engine.works,
            alive=lambda: not self._serving or self.engine.works,
        )

    def _shipper(self) -> Shipper:
        return Shipper(
            self.settings.agent_name,
            self._instance,
            self.buffer,
            self._dial,
            self.counters,
            self.clock,
        )

    def _log_shipper(self) -> Shipper | None:
        """Return the shipper of logged predictions; None if none are logged or wait."""
        if not self.settings.prediction_log and not self.buffer.has_predictions:
            return None
        return Shipper(
            self.settings.agent_name,
            self._instance,
            PredictionOutlet(self.buffer, self.counters),
            self._dial,
            self.counters,
            self.clock,
            tally=OF_PREDICTIONS,
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
            on_closed=self._on_closed(),
            on_queued=self.shipper.wake,
            in_work=self._in_work,
        )

    def _on_closed(self) -> OnClosed:
        told = _both(self.entities.closed, self.exports.closed)
        return told if self.direct is None else _both(self.direct.closed, told)

    def _tells_directly(self) -> bool:
        return self.settings.direct_channel is not None and self._dial is not None

    def _direct(self, ends: ExitStack) -> DirectAlerts | None:
        """Return what sends the agent's own alerts; None without a receiver or a collector."""
        channel = self.settings.direct_channel
        if channel is None or not self._tells_directly():
            return None
        secret_files.warn(log, (self.settings.direct_channel_file,))
        name = self.settings.agent_name
        direct = DirectAlerts(channel, name, lambda: self.plans.contact, self.counters)
        if self.plans.wants_baselines:
            direct.judge_by_default(self.plans, self.clock)
        ends.callback(direct.stop, STOP_DIRECT_SECONDS)
        return direct

    def _frame_socket(self) -> FrameSocket:
        return FrameSocket(
            frame_socket(self.settings.socket_path),
            self.engine,
            self.workers,
            self.counters,
            self.clock,
            self.settings.allowed_uids,
        )

    def _grpc_socket(self) -> GrpcSocket:
        service = WorkerService(
            self.engine, self.workers, lambda entities: self.status(entities=entities)
        )
        return GrpcSocket(self.settings.socket_path, service, self.health.servicer)

    def start(self) -> None:
        """Start every part; a part starts before the parts that send data to it.

        Raises:
            ConfigError: If a source cannot start. All sources are then stopped; call `stop` for
                the other parts.
        """
        self.buffer.forget_workers(WORKERS_KEPT)
        self.exports.start()
        self.shipper.start()
        if self.log_shipper is not None:
            self.log_shipper.start()
        if self.direct is not None:
            self.direct.start()
        self.engine.start()
        self._planner.start()
        self.sources.start()
        self._serving = True
        self.health.refresh()
        log.info("agent ready", extra={"socket": str(self.settings.socket_path)})

    def wait(self) -> None:
        """Serve until `request_stop`, or until the agent is idle if `until_idle` is set."""
        while not self._stop.wait(0.05):
            self.health.refresh()
            idle = self.workers.idle_for(self.clock.monotonic())
            if self.settings.until_idle and idle > self.settings.idle_seconds:
                log.info("stopping: no worker is connected")
                return

    def _plan(self) -> None:
        """Refresh the plan in a thread of its own, because a collector may answer slowly."""
        if self._dial is not None:
            self._dial.warn_if_silent()
        while not self._stop.is_set():
            try:
                answered = self.plans.refresh()
            except Exception:  # without this thread the agent would never get a new plan
                answered = True  # the next refresh is a new attempt
                log.exception("plan not refreshed, keeping the old one: will retry")
            self.plans.wanted.wait(self.settings.plan_seconds if answered else 1.0)

    def request_stop(self) -> None:
        """Let `wait` return. May be called in a signal handler."""
        self._stop.set()

    def stop(self) -> None:
        """Refuse new batches, commit, close all windows, and ship if the collector answers.

        May be called before `start`, and twice.
        """
        self._stop.set()
        self._serving = False
        self.plans.wanted.set()
        self.health.leave()
        self._ends.close()

    def status(self, *, entities: bool = False) -> StatusReply:
        """Return the agent's counters, gauges and states; *entities* adds those of entities."""
        return StatusReply(
            version=nilometer.__version__,
            agent=self.settings.agent_name,
            epoch=self.buffer.epoch,
            counters=self.counters.snapshot(),
            gauges=self.gauges(),
            workers=self.workers.names(),
            data_directory=str(self.settings.home),
            collector=self.settings.collector,
            collector_state=self.shipper.state.value,
            collector_reason=self.shipper.reason,
            duplicate=self.shipper.duplicate,
            uptime_seconds=self.clock.monotonic() - self._started,
            dropped=self.counters.reasons(Counter.DROPPED),
            undecodable=self.counters.reasons(Counter.UNDECODABLE),
            lost_inputs=self.counters.reasons(Counter.INPUTS_LOST),
            lost_outputs=self.counters.reasons(Counter.OUTPUTS_LOST),
            unnamed=self.counters.reasons(Counter.UNNAMED_CELLS),
            lost_cells=self.counters.reasons(Counter.CELLS_LOST),
            entities=self.entities.to_wire() if entities else (),
            instance=self._instance,
        )

    def gauges(self) -> dict[str, int]:
        """Return the current gauges by their names in docs/telemetry.md."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            **self.buffer.gauges(),
            "batches_uncommitted": self.engine.uncommitted,
            "events_waiting": self.events.waiting if self.events is not None else 0,
            "workers": len(self.workers),
            "cpu_milliseconds": int(1000 * (used.ru_utime + used.ru_stime)),
            "resident_bytes": _resident_bytes(),
        }


def run(settings: AgentSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigError: If another agent uses the directory or the socket, or a source cannot start.
    """
    raise_limit()
    os.umask(0o077)  # only this user may read the stored files
    agent = Agent(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.request_stop())
    try:
        agent.start()
        agent.wait()
    finally:
        agent.stop()


def _both(first: Callable[P, None], second: Callable[P, None]) -> Callable[P, None]:
    """Return a function that calls both functions with the same arguments, in order."""

    def both(*given: P.args, **named: P.kwargs) -> None:
        first(*given, **named)
        second(*given, **named)

    return both


def _locked(path: Path) -> int:
    try:
        lock = open_private(path, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise ConfigError(
            f"directory = {str(path.parent)!r}: {path.name}: {error.strerror}: let uid "
            f"{os.geteuid()} write there, or set `directory`"
        ) from error
    for _ in range(LOCK_ATTEMPTS):
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        threading.Event().wait(LOCK_WAIT_SECONDS)
    os.close(lock)
    raise ConfigError(
        f"directory = {str(path.parent)!r}: another agent is using it; give each its own"
    )


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:  # only Linux reports more than the peak
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
