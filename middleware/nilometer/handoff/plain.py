"""The objects that every request reads and writes; compiled if `nilometer-speedups` is installed.

`nilometer-speedups` contains the same classes in C, and serves plain requests with them. Its classes
replace the ones of this module when it is imported. Everything else is the same Python code, which
derives from either.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

from nilometer.values.errors import ConfigError
from nilometer.values.limited_log import LimitedLog

VARIABLE = "NILOMETER_SPEEDUPS"  # the setting `speedups`, read here before any settings are loaded
INTERFACE = 2  # of the compiled module; changes with what this code expects of it
ITEM_BYTES = 64  # memory of a queued item in addition to its bytes


class Gate:
    """The state of a worker that each request reads.

    Attributes:
        live: Whether requests are observed: the thread runs and the guard has not paused capture.
        in_flight: Number of requests in progress.
        due: Whether the next request should be timed.
        share: Share of the observations whose bodies are held, see `nilometer.handoff.budget`.
        nested: Whether the process has other middlewares, which may be inside or around this one.
        notes: Whether requests must be found through the context, because the model's code may call
            `log` or `label`, or because there are other middlewares.
        sink: Queue of the packed observations.
    """

    live: bool
    in_flight: int
    due: bool
    share: float
    nested: bool
    notes: bool
    sink: "Queue"


class Queue:
    """A bounded list of packed observations.

    Args:
        max_bytes: Largest number of bytes held at once.
    """

    __slots__ = ("_items", "_offered_bytes", "_taken_bytes", "max_bytes", "refused")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.refused = 0  # observations that did not fit
        self._items: list[bytes] = []
        self._offered_bytes = 0
        self._taken_bytes = 0

    def offer(self, packed: bytes) -> None:
        """Store *packed* if there is room; otherwise count it as refused."""
        held = len(packed) + ITEM_BYTES
        if self._offered_bytes - self._taken_bytes + held > self.max_bytes:
            self.refused += 1
            return
        self._offered_bytes += held
        self._items.append(packed)


class ExchangeState:
    """The attributes of an exchange, see `nilometer.capture.exchange.Exchange`."""

    __slots__ = (
        "annotations", "app_receive", "app_send", "cap", "finished", "latest", "more", "request",
        "response", "response_headers", "status", "worker",
    )  # fmt: skip


class Annotations:
    """The values and labels that the model's code added to one observation.

    Attributes:
        values: Values by name; several values of one name are a list.
        labels: Labels by key.
    """

    __slots__ = ("labels", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.labels: dict[str, str] = {}


def _compiled() -> Any:
    """Return the compiled module; None if it is not installed, does not fit, or is turned off."""
    if os.environ.get(VARIABLE) == "off":
        return None
    try:
        return _fitting()
    except ModuleNotFoundError as error:
        if error.name == "nilometer_speedups":
            return None
        problem: Exception = error
    except Exception as error:  # a damaged installation must not stop the model server
        problem = error
    LimitedLog().warning(
        f"nilometer-speedups is not used: {problem}: install the version of nilometer, or remove it"
    )
    return None


def _fitting() -> Any:
    """Return the compiled module of the installed version.

    Raises:
        ImportError: If it is not installed, not whole, or built for another version.
    """
    import nilometer_speedups

    own, built_for = sys.modules["nilometer"].__version__, nilometer_speedups.__version__
    if built_for != own:
        raise ImportError(f"version {built_for} needs nilometer {built_for}, this is {own}")
    from nilometer_speedups import _lane

    if _lane.INTERFACE != INTERFACE:
        raise ImportError(f"its interface is {_lane.INTERFACE}, this version needs {INTERFACE}")
    return _lane


def check_installed(speedups: str) -> None:
    """Check the setting `speedups`.

    Raises:
        ConfigError: If it is ``required`` and the compiled classes are not used.
    """
    if speedups == "required" and lane is None:
        raise ConfigError("speedups = required: install nilometer-speedups of this version")


lane: Any = _compiled()
if lane is not None and not TYPE_CHECKING:
    Gate, Queue, ExchangeState = lane.Gate, lane.Queue, lane.ExchangeState
    Annotations = lane.Annotations
