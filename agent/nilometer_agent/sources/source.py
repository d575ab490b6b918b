"""The interface of a source of observations, and the order in which sources start and stop."""

import logging
import threading
import time
from typing import Protocol, TypeVar

LATE_SECONDS = 1.0  # time after its deadline at which the agent stops waiting for a source

log = logging.getLogger("nilometer.agent")


class Source(Protocol):
    """Receives observations from outside and passes them to the engine.

    A source may bind its address when it is created. It receives nothing before `start`.
    """

    @property
    def name(self) -> str:
        """Name of the source in log lines, one word."""

    @property
    def stop_seconds(self) -> float:
        """Longest time that `stop` needs, in seconds."""

    def start(self) -> None:
        """Start to receive observations.

        Raises:
            ConfigError: If the settings of the source do not work.
        """

    def stop(self, deadline: float) -> None:
        """Stop receiving, pass received observations to the engine, end all threads and processes.

        The three steps happen in this order. May be called before `start`; it then releases the address.

        Args:
            deadline: Monotonic time at which this method must have returned. Observations that
                are not passed on by then are dropped.
        """


AnySource = TypeVar("AnySource", bound=Source | None)


class Sources:
    """Starts sources in the order in which they were added, and stops them in reverse.

    A source may send to a source that was added before it: the process of the proxies is a worker
    on the workers' socket. The engine must run from before `start` until after `stop`.
    """

    def __init__(self) -> None:
        self._sources: list[Source] = []

    def add(self, source: AnySource) -> AnySource:
        """Add a source that starts after all others; returns it. None adds nothing."""
        if source is not None:
            self._sources.append(source)
        return source

    def start(self) -> None:
        """Start every source.

        Raises:
            ConfigError: If a source cannot start. Other errors of a source are raised unchanged.
                In both cases all sources are stopped.
        """
        try:
            for source in self._sources:
                source.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every source, each within its own `stop_seconds`.

        May be called before `start`, and twice.

        A source that raises or hangs is logged. The next source is then stopped with its full time.
        """
        while self._sources:
            source = self._sources.pop()
            stopping = threading.Thread(
                target=_stop, args=(source,), name=f"nilometer-stop-{source.name}", daemon=True
            )
            stopping.start()
            stopping.join(source.stop_seconds + LATE_SECONDS)
            if stopping.is_alive():
                log.error(
                    "source did not stop in time, its last observations may be lost",
                    extra={"source": source.name},
                )


def _stop(source: Source) -> None:
    try:
        source.stop(time.monotonic() + source.stop_seconds)
    except Exception:  # the other sources still have observations to pass on
        log.exception("source failed to stop: report this error", extra={"source": source.name})


def seconds_until(deadline: float) -> float:
    """Return the seconds from now until *deadline* (monotonic time), at least 0."""
    return max(deadline - time.monotonic(), 0.0)
