"""A thread of the collector that repeats a step until it is stopped."""

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from nilometer_collector.errors import Outdated, StoreUnavailable

MOST_SECONDS = 60.0  # longest pause after errors in a row, unless the first one is longer
OUTDATED = (
    "a newer collector has changed the database, this one leaves work to it: update this collector"
)

log = logging.getLogger("nilometer.collector")


class Pause(NamedTuple):
    """The time between two steps.

    Attributes:
        seconds: Longest time until the next step.
        is_firm: Whether a wake does not end it, such as the wait after a failed attempt.
    """

    seconds: float
    is_firm: bool = False


class Background:
    """Repeats a step on a thread of its own. Any thread may call all methods.

    An error ends the step and not the thread: it is logged and counted, and the step is repeated. The
    pause doubles with each error in a row, up to `MOST_SECONDS`.

    Args:
        name: Name of the thread, without the prefix ``nilometer-``.
        step: Function that works, and returns the pause until the next step; None ends the thread.
        after_error: Pause after the first error, and whenever the store is unavailable.
        unavailable: Log line when the store is unavailable: what waits for it, and what to check.
        failed: Log line of any other error.
        first: Pause before the first step.

    Attributes:
        name: Name of the thread.
        errors: Number of steps that ended with an error other than an unavailable store.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Pause | None],
        *,
        after_error: Pause,
        unavailable: str,
        failed: str,
        first: Pause = Pause(0.0),  # noqa: B008  immutable
    ) -> None:
        self.name = name
        self.errors = 0
        self._step = step
        self._after_error = after_error
        self._unavailable = unavailable
        self._failed = failed
        self._first = first
        self._in_a_row = 0
        self._is_outdated = False
        self._beat = time.monotonic()
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"nilometer-{name}", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end, so that a long step should return early."""
        return self._stopping.is_set()

    @property
    def age_seconds(self) -> float:
        """Seconds since a step last began, or since it was made."""
        return time.monotonic() - self._beat

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """End the pause, unless it is firm."""
        self._awake.set()

    def end(self) -> None:
        """Ask the thread to end after the current step, and return."""
        self._stopping.set()
        self._awake.set()

    def stop(self, timeout: float) -> None:
        """End after the current step. Safe to repeat, and before `start`.

        Args:
            timeout: Longest time to wait for the step, in seconds.
        """
        self.end()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        self._rest(self._first)
        while not self._stopping.is_set():
            self._awake.clear()
            self._beat = time.monotonic()
            pause = self._stepped()
            if pause is None:
                return
            self._rest(pause)

    def _stepped(self) -> Pause | None:
        try:
            pause = self._step()
        except Outdated as error:
            if not self._is_outdated:  # only an update ends it, so one line is enough
                log.warning(OUTDATED, extra={"work": self.name, "reason": str(error)})
            self._is_outdated = True
            return self._after_error
        except StoreUnavailable as error:
            log.warning(self._unavailable, extra={"reason": str(error)})
            return self._after_error
        except Exception as error:
            self.errors += 1
            log.exception(self._failed, extra={"reason": str(error)})
            return self._longer()
        self._in_a_row = 0
        self._is_outdated = False
        return pause

    def _longer(self) -> Pause:
        """Return the pause after an error, twice as long as that after the error before it."""
        seconds, is_firm = self._after_error
        most = max(MOST_SECONDS, seconds)
        doubled = min(seconds * 2 ** min(self._in_a_row, 16), most)
        self._in_a_row += 1
        return Pause(doubled, is_firm)

    def _rest(self, pause: Pause) -> None:
        (self._stopping if pause.is_firm else self._awake).wait(pause.seconds)
