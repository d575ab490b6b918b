"""The HTTP server for events of inference loggers."""

from nilometer.values.clock import Clock
from nilometer_agent.engine.engine import Engine
from nilometer_agent.measure.counters import Counters
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.events.event_receiver import MAX_REQUEST_BYTES, EventReceiver
from nilometer_agent.sources.http_server import HttpServer

MAX_BODY_BYTES = 256 << 10  # largest request or response that is profiled, as in the middleware


class EventServer:
    """Receives the events of inference loggers over HTTP. A `Source`.

    Raises:
        ConfigError: If the address cannot be bound.
    """

    name = "events"
    stop_seconds = 6.0  # 1 s to stop the HTTP server, the rest to pass events to the engine

    def __init__(
        self, settings: AgentSettings, engine: Engine, counters: Counters, clock: Clock
    ) -> None:
        self._receiver = EventReceiver(
            engine,
            counters,
            clock,
            entity=settings.events_entity,
            join_seconds=settings.events_join_seconds,
            max_body_bytes=MAX_BODY_BYTES,
        )
        self._server = HttpServer(
            "events_address",
            settings.events_address,
            self._receiver.answer,
            MAX_REQUEST_BYTES,
            self._receiver.refused,
            by_address=settings.peers_by_address,
        )

    @property
    def port(self) -> int:
        """The port in use."""
        return self._server.port

    @property
    def waiting(self) -> int:
        """Number of events that wait for the other event of their prediction."""
        return self._receiver.waiting

    def start(self) -> None:
        """Start to receive events."""
        self._receiver.start()
        self._server.start()

    def stop(self, deadline: float) -> None:
        """Refuse new events, and pass received ones to the engine.

        May be called before `start`, and twice.
        """
        self._server.stop(deadline)
        self._receiver.stop(deadline)
