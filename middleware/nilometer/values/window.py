"""Windows of event time."""

from dataclasses import dataclass

from nilometer.values.errors import ConfigError


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """``[start_ns, end_ns)`` of Unix time, UTC: half-open, so no observation is counted twice.

    >>> Window.containing(95, 60)
    Window(start_ns=60, end_ns=120)
    >>> Window(0, 60_000_000_000).seconds
    60.0

    Raises:
        ConfigError: If the window is empty.
    """

    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if self.end_ns <= self.start_ns:
            raise ConfigError(f"window must not be empty: [{self.start_ns}, {self.end_ns})")

    @classmethod
    def containing(cls, event_ns: int, length_ns: int) -> "Window":
        """Return the window of *length_ns*, aligned to the epoch, that contains *event_ns*."""
        start = event_ns - event_ns % length_ns
        return cls(start, start + length_ns)

    def at(self, event_ns: int) -> "Window":
        """Return the window of equal length that contains *event_ns*; often this window itself."""
        if self.start_ns <= event_ns < self.end_ns:
            return self
        return Window.containing(event_ns, self.end_ns - self.start_ns)

    @property
    def seconds(self) -> float:
        """Length of the window in seconds."""
        return (self.end_ns - self.start_ns) / 1e9
