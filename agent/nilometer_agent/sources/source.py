"""Sources of observations: what each must do, and the order in which they start and stop."""

import logging
import threading
import time
from typing import Protocol, TypeVar

LATE_SECONDS = 1.0  # after its deadline a source is left behind

log = logging.getLogger("nilometer.agent")


class Source(Protocol):
    """Takes observations from outside and hands them to the engine.

    A source may bind its address when it is made. It takes nothing before `start`.
    """

    @property
    def name(self) -> str:
        """One word for log lines."""

    @property
    def stop_seconds(self) -> float:
        """Its share of the time in which the agent stops: the most that `stop` needs."""

    def start(self) -> None:
        """Take observations from now on.

        Raises:
            ConfigError: If that is not possible as it is set.
        """

    def stop(self, deadline: float) -> None:
        """Take nothing new, hand what was taken to the engine, end every thread and process.

        The three steps come in this order. Safe before `start`, where it gives the address back.

        Args:
            deadline: Monotonic time at which it must have returned. What is not handed over
                until then is given up.
        """


AnySource = TypeVar("AnySource", bound=Source | None)


class Sources:
    """Starts sources in the order in which they were added, and stops them in reverse.

    A source may feed one that was added before it: the proxies' process is a worker on the
    workers' socket. The engine must run from before `start` until after `stop`.
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
            ConfigError: Or whatever else a source raised. All sources are stopped by then.
        """
        try:
            for source in self._sources:
                source.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every source, each within its own share of the time. Safe before `start`, and twice.

        A source that raises is logged. A source that hangs is logged and left behind. Either way
        the next one is stopped, with its full share.
        """
        while self._sources:
            source = self._sources.pop()
            stopping = threading.Thread(
                target=_stop, args=(source,), name=f"nilometer-stop-{source.name}", daemon=True
            )
            stopping.start()
            stopping.join(source.stop_seconds + LATE_SECONDS)
            if stopping.is_alive():
                log.error("source hangs, stopping without it", extra={"source": source.name})


def _stop(source: Source) -> None:
    try:
        source.stop(time.monotonic() + source.stop_seconds)
    except Exception:  # the other sources still hold observations
        log.exception("source failed to stop", extra={"source": source.name})


def seconds_until(deadline: float) -> float:
    """Seconds from now until *deadline*, which is monotonic; at least 0."""
    return max(deadline - time.monotonic(), 0.0)
