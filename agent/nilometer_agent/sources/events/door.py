"""The port for inference loggers."""

from nilometer.values.clock import Clock
from nilometer_agent.engine.engine import Engine
from nilometer_agent.measure.counters import Counters
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.events.taker import MAX_REQUEST_BYTES, Taker
from nilometer_agent.sources.http_door import Door

MAX_BODY_BYTES = 256 << 10  # of a request or response that is profiled, as in the middleware


class EventDoor:
    """Takes the events of inference loggers. A `Source`.

    Raises:
        ConfigError: If the address cannot be bound.
    """

    name = "events"
    stop_seconds = 6.0  # one for the door, the rest for the engine to take what is held

    def __init__(
        self, settings: AgentSettings, engine: Engine, counters: Counters, clock: Clock
    ) -> None:
        self._taker = Taker(
            engine,
            counters,
            clock,
            entity=settings.events_entity,
            join_seconds=settings.events_join_seconds,
            max_body_bytes=MAX_BODY_BYTES,
        )
        self._door = Door(
            "events_address",
            settings.events_address,
            self._taker.answer,
            MAX_REQUEST_BYTES,
            self._taker.refused,
            by_address=settings.peers_by_address,
        )

    @property
    def port(self) -> int:
        """The real port."""
        return self._door.port

    @property
    def waiting(self) -> int:
        """Events that wait for their other half."""
        return self._taker.waiting

    def start(self) -> None:
        """Begin."""
        self._taker.start()
        self._door.start()

    def stop(self, deadline: float) -> None:
        """Refuse what comes, and hand on what was taken. Safe before `start`, and twice."""
        self._door.stop(deadline)
        self._taker.stop(deadline)
