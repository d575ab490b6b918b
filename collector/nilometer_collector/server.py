"""Starts and stops the collector: store, servers, exports, the default alerter, notifications."""

import gc
import logging
import signal
import socket
import threading
from contextlib import ExitStack
from types import FrameType
from typing import TextIO

from nilometer import kinds
from nilometer.serving.descriptors import raise_limit
from nilometer.serving.listener import Listener
from nilometer.settings import secrets as secret_files
from nilometer.values.clock import Clock, SystemClock
from nilometer.values.errors import ConfigError
from nilometer_collector.access.addresses import Address, parse_address
from nilometer_collector.access.descriptors import shares
from nilometer_collector.access.rights import Gate
from nilometer_collector.access.server_files import ServerFiles
from nilometer_collector.actions.actor import Actor
from nilometer_collector.actions.targets import Targets
from nilometer_collector.alerting.definitions import alerter_of
from nilometer_collector.api import connections
from nilometer_collector.api.app import make_app
from nilometer_collector.api.serving import HttpServer
from nilometer_collector.background import Background
from nilometer_collector.causes.causes import Causes
from nilometer_collector.channels import Couriers, Heartbeat, Receivers
from nilometer_collector.counters import Counters
from nilometer_collector.declared.arriving import OfSettings, take_settings
from nilometer_collector.functions.functions import Functions
from nilometer_collector.ingest.ingest import Ingest
from nilometer_collector.ingest.serving import CollectorServer
from nilometer_collector.judging.judging import Judging
from nilometer_collector.matching.matching import Matching
from nilometer_collector.query.missing_names import KnownNames, missing_names
from nilometer_collector.query.query import Query
from nilometer_collector.rollups.collecting import Collecting
from nilometer_collector.rollups.worker import RollUpWorker
from nilometer_collector.settings import RETENTION, CollectorSettings
from nilometer_collector.store import LEVELS, Level, Store, open_store
from nilometer_collector.telemetry import CollectorExports
from nilometer_collector.watch.watch import Watch
from nilometer_collector.watch.watchdog import Watchdog

log = logging.getLogger("nilometer.collector")


class Collector:
    """One collector on one database.

    `start` returns when both servers accept requests. `stop` refuses new requests, waits for
    running requests, and returns.

    Args:
        settings: Settings of the collector.
        clock: Clock for wall time and monotonic time; None uses the system's.
    """

    def __init__(self, settings: CollectorSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.counters = Counters()
        self.ended = threading.Event()  # set when the HTTP server has ended
        self._clock = clock or SystemClock()
        self._resources = ExitStack()
        self._http_address = parse_address("http_address", settings.http_address)
        self._grpc_address = parse_address("grpc_address", settings.grpc_address)
        self._couriers: Couriers | None = None
        self._actor: Actor | None = None
        self._threads: list[Background] = []
        self.exports: CollectorExports | None = None

    @property
    def http_url(self) -> str:
        """URL of the API and the pages; contains the real port after `start`."""
        scheme = "https" if self.settings.http_certificate else "http"
        return f"{scheme}://{self._http_address}"

    @property
    def grpc_target(self) -> str:
        """Address to which agents ship; contains the real port after `start`."""
        return str(self._grpc_address)

    @property
    def page_url(self) -> str:
        """URL of the pages for links in notifications, without a final slash."""
        return (self.settings.public_url or self.http_url).rstrip("/")

    def start(self) -> None:
        """Open the store, start both servers, exports and notifications.

        Raises:
            ConfigError: If the database is in use or unreadable, or an address cannot be bound.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        kinds.load()
        kinds.require_parts("collector", ("summaries", "check", "view"))
        own = self.settings.own_channel
        store = open_store(
            self.settings.stored_in, own.name if own else "", self.settings.known_workspaces
        )
        self._resources.callback(store.close)
        alerters = [alerter_of(definition) for definition in self.settings.alerters]
        defined = OfSettings(
            alerters,
            self.settings.channel_definitions,
            self.settings.target_definitions,
            self.settings.routes,
        )
        take_settings(store, defined, self._clock.now_ns())
        for alerter in alerters:
            for line in missing_names(KnownNames(store), alerter):
                told = {"alerter": alerter.name, "reason": line}
                log.warning(
                    "an alerter names a summary or reference that does not exist: correct the name",
                    extra=told,
                )
        causes = Causes(store, self._clock)
        receivers = Receivers(
            own=own,
            allowed=self.settings.allowed,
            page_url=lambda: self.page_url,
            likely_cause=causes.likely,
            has_links=bool(self.settings.public_url) and self.settings.decision_links,
        )
        self._couriers = Couriers(store, receivers, self._clock, self.counters)
        targets = Targets(
            allowed=self.settings.allowed,
            page_url=lambda: self.page_url,
            functions=self.settings.functions_allow,
        )
        self._actor = Actor(store, targets, self._clock, self._couriers.thread.wake)
        self._serve_http(store, receivers, targets, causes)
        self._serve_grpc(store)
        self._start_watching(store)
        seconds = self.settings.shutdown_seconds
        for part in (self._couriers, self._actor):
            self._resources.callback(part.stop, seconds)
            self._run(part.thread)
        keep_predictions_ns = self.settings.retention_predictions_days * Level.DAY.length_ns
        rollups = RollUpWorker(
            store, _keep_ns(self.settings), self._clock, self.counters, keep_predictions_ns
        )
        matching = Matching(store, self._clock, self.counters, 2 * keep_predictions_ns)
        for thread in (rollups.thread, matching.thread, Collecting(store).thread):
            self._resources.callback(thread.stop, seconds)
            self._run(thread)

    def _run(self, thread: Background) -> None:
        """Start *thread*, and show its errors and its age."""
        self._threads.append(thread)
        thread.start()

    def _start_watching(self, store: Store) -> None:
        """Start all alerters, the watch on the default one, and the exports that show both."""
        told = self.settings
        watch = Watch(store, self._clock, told.watch, self._wake)
        heartbeat = Heartbeat(told.heartbeat, self.counters) if told.heartbeat else None
        watchdog = Watchdog(
            store, watch, self._clock, self._wake, heartbeat, told.heartbeat_seconds
        )
        self.exports = CollectorExports(
            told, store, self.counters, self._clock, lambda: watchdog.health, self._running
        )
        judging = Judging(store, self._clock, self._wake)
        limits = told.function_limits
        functions = Functions(store, self._clock, limits, lambda: self.http_url, self._wake)
        self._resources.callback(self.exports.stop, told.shutdown_seconds)
        self.exports.start()
        self._resources.callback(functions.stop, told.shutdown_seconds)
        for thread in (watch.thread, judging.thread, functions.thread, watchdog.thread):
            self._resources.callback(thread.stop, told.shutdown_seconds)
            self._run(thread)

    def stop(self) -> None:
        """Refuse new requests, wait for running requests, and close.

        May be called before `start`, and twice.
        """
        self._resources.close()

    def _running(self) -> list[Background]:
        """Return all background threads."""
        return self._threads + (self._couriers.threads if self._couriers else [])

    def _wake(self) -> None:
        if self._couriers is not None:
            self._couriers.thread.wake()
        if self._actor is not None:
            self._actor.thread.wake()

    def _serve_grpc(self, store: Store) -> None:
        told = self.settings
        secret_files.warn(log, (told.grpc_key, told.http_key))
        credentials = None
        if told.grpc_certificate:
            files = ServerFiles(told.grpc_certificate, told.grpc_key, told.grpc_client_ca)
            credentials = files.credentials()
        ingest = Ingest(
            store,
            self._clock,
            self.counters,
            self._wake,
            told.disclosure,
            prediction_sums=told.prediction_sums,
            future_seconds=told.future_seconds,
            watch_rules=told.watch,
        )
        server = CollectorServer(
            self._grpc_address,
            credentials,
            Gate(told.principals, store.workspaces),
            ingest.methods,
            told.shutdown_seconds,
            refused=ingest.tell_refused,
            connections=shares().grpc,
            by_address=told.peers_by_address,
        )
        self._resources.callback(server.stop, told.shutdown_seconds + 2.0)
        server.start()
        self._grpc_address = server.address

    def _serve_http(
        self, store: Store, receivers: Receivers, targets: Targets, causes: Causes
    ) -> None:
        listening = _bound(self._http_address)
        self._resources.callback(listening.close)
        self._http_address = Address(self._http_address.host, listening.getsockname()[1])
        app = make_app(
            store,
            Query(store, self._clock),
            self._clock,
            self.counters,
            wake=self._wake,
            receivers=receivers,
            targets=targets,
            causes=causes,
            public_url=self.settings.public_url,
            principals=self.settings.principals,
            secure=bool(self.settings.http_certificate),
            watch_rules=self.settings.watch,
            future_seconds=self.settings.future_seconds,
        )
        server = HttpServer(
            app,
            listening,
            Listener(
                (listening,),
                log,
                shares().http,
                connections.TURN_SECONDS,
                by_address=self.settings.peers_by_address,
            ),
            certificate=self.settings.http_certificate,
            key=self.settings.http_key,
            shutdown_seconds=self.settings.shutdown_seconds,
            ended=self.ended.set,
        )
        self._resources.callback(server.stop)
        server.start()


def run(settings: CollectorSettings, output: TextIO) -> int:
    """Serve until SIGTERM or SIGINT; return 0 after a signal, and 1 if a server ended by itself.

    Raises:
        ConfigError: If the collector cannot start.
    """
    raise_limit()
    collector = Collector(settings)
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        asked.set()
        collector.ended.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        collector.start()
        # What lives as long as the process need not be visited by each garbage collection.
        gc.collect()
        gc.freeze()
        output.write(
            f"nilometer collector ready: http={collector.http_url} grpc={collector.grpc_target}\n"
        )
        output.flush()
        collector.ended.wait()
    finally:
        collector.stop()
        for number, previous in before.items():
            signal.signal(number, previous)
    return 0 if asked.is_set() else 1


def _keep_ns(settings: CollectorSettings) -> dict[Level, int]:
    """Return the time for which each level is kept."""
    days = (getattr(settings, name) for name in RETENTION)
    return {level: Level.DAY.length_ns * number for level, number in zip(LEVELS, days, strict=True)}


def _bound(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # asyncio disables Nagle's algorithm only if the socket's protocol is set.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"http_address = {str(address)!r}: cannot be bound: {error.strerror}"
        ) from error
    return listener
