"""Spans of time as callers of the client give them, and the windows to divide them into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from nilometer.client.request import Parameters
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.errors import ConfigError
from nilometer.values.times import duration_of, time_of

Time: TypeAlias = str | float | datetime  # ISO 8601, Unix seconds, or a time; UTC without a zone
Duration: TypeAlias = str | float | timedelta  # such as 24h, or seconds
LabelValues: TypeAlias = Mapping[str, str | Sequence[str]]  # values of one key are alternatives

MOST_WINDOWS = 400  # windows of a span whose step is chosen here
STEPS = (
    60,
    300,
    900,
    3600,
    6 * 3600,
    86_400,
)  # seconds; each is a multiple of a level of the store


@dataclass(frozen=True, slots=True)
class Span:
    """``[start, end)`` in Unix seconds; None is open.

    Attributes:
        start: Start of the span.
        end: End of the span.
    """

    start: float | None
    end: float | None

    @classmethod
    def of(
        cls, clock: Clock, last: Duration | None, start: Time | None, end: Time | None
    ) -> "Span":
        """Return the span of *last* until now, or from *start* to *end*.

        Raises:
            ConfigError: If an argument is not allowed, or *last* is given with *start* or *end*.
        """
        if last is None:
            found = cls(_seconds("start", start), _seconds("end", end))
            if found.start is not None and found.end is not None and found.end <= found.start:
                raise ConfigError(f"end = {end!r}: must be after start")
            return found
        if start is not None or end is not None:
            raise ConfigError(f"last = {last!r}: must not be combined with start or end")
        return cls(clock.now_ns() / NANOSECONDS - length_of("last", last), None)

    def step(self, clock: Clock, most: int = MOST_WINDOWS) -> int:
        """Return the shortest of `STEPS`, in seconds, that gives at most *most* windows."""
        if self.start is None:
            return STEPS[-1]
        end = clock.now_ns() / NANOSECONDS if self.end is None else self.end
        fitting = (step for step in STEPS if (end - self.start) / step <= most)
        return next(fitting, STEPS[-1])

    def parameters(self, step: int | None) -> Parameters:
        """Return the query parameters, with the start rounded down to a whole *step*.

        So two questions for the same windows are equal, and the collector need not answer twice.
        """
        found: list[tuple[str, str]] = []
        if self.start is not None:
            start = self.start if step is None else self.start // step * step
            found.append(("start", _text(max(start, 0.0))))
        if self.end is not None:
            found.append(("end", _text(self.end)))
        if step is not None:
            found.append(("step", str(step)))
        return found


def length_of(key: str, length: Duration) -> float:
    """Return the seconds of a duration above 0.

    Raises:
        ConfigError: If it is not one; the message names *key*.
    """
    if isinstance(length, str):
        found = duration_of(key, length)
    else:
        found = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if not 0 < found < 1e11:
        raise ConfigError(f"{key} = {length!r}: must be above 0 and below 3,000 years")
    return found


def step_of(step: Duration) -> int:
    """Return the whole seconds of a step.

    Raises:
        ConfigError: If it is not a whole number of seconds, at least 1.
    """
    found = length_of("step", step)
    if found != int(found):
        raise ConfigError(f"step = {step!r}: must be a whole number of seconds")
    return int(found)


def label_parameters(name: str, labels: LabelValues | None) -> Parameters:
    """Return the query parameters *name* that select *labels*."""
    return [
        (name, f"{key}:{value}")
        for key, values in (labels or {}).items()
        for value in ([values] if isinstance(values, str) else values)
    ]


def instant(seconds: float) -> datetime:
    """Return Unix seconds as a time in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(seconds * 1e6))


def _seconds(key: str, at: Time | None) -> float | None:
    if at is None:
        return None
    if isinstance(at, datetime):
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return at.timestamp()
    return time_of(key, at)


def _text(seconds: float) -> str:
    """Return a number as decimal text without an exponent."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
