"""The profile of WebSocket connections: their duration, their messages, and how they ended."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from nilometer.profile.coverage import Counts, added
from nilometer.profile.magnitudes import EMPTY, magnitudes, total
from nilometer.sketch.exponential import ExponentialHistogram


@dataclass(frozen=True, slots=True)
class WebSockets:
    """WebSocket connections of one entity, labels and window. A connection counts when it ends.

    Attributes:
        ends: Number of connections by `nilometer.values.reasons.ConnectionEnd`.
        close_codes: Number of connections by close code, as text; none without a code.
        duration: Seconds from the opening request to the end of the connection.
        duration_sum: Sum of the durations, in seconds.
        messages_received: Messages from clients.
        messages_sent: Messages to clients.
        bytes_received: Bytes of the messages from clients.
        bytes_sent: Bytes of the messages to clients.
    """

    ends: Counts = field(default_factory=dict)
    close_codes: Counts = field(default_factory=dict)
    duration: ExponentialHistogram = EMPTY
    duration_sum: float = 0.0
    messages_received: int = 0
    messages_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0

    @classmethod
    def of(
        cls,
        *,
        ends: Sequence[str],
        close_codes: Sequence[int],
        durations: Sequence[float],
        messages: tuple[int, int],
        sizes: tuple[int, int],
    ) -> Self:
        """Return the profile of a batch of connections.

        Args:
            ends: How each connection ended.
            close_codes: Close code of each connection; 0 without one.
            durations: Duration of each connection, in seconds.
            messages: Numbers of messages received and sent, summed over the connections.
            sizes: Bytes received and sent, summed over the connections.
        """
        return cls(
            dict(Counter(ends)),
            dict(Counter(str(code) for code in close_codes if code)),
            magnitudes(durations),
            float(sum(durations)),
            *messages,
            *sizes,
        )

    @property
    def count(self) -> int:
        """Number of connections."""
        return sum(self.ends.values())

    @classmethod
    def merge_all(cls, parts: Iterable[Self]) -> Self:
        """Return one profile of all connections; the result is bit-identical for every order."""
        found = [part for part in parts if part.count]
        ends: Counts = {}
        codes: Counts = {}
        for part in found:
            ends = added(ends, part.ends)
            codes = added(codes, part.close_codes)
        return cls(
            ends,
            codes,
            ExponentialHistogram.merge_all((EMPTY, *(part.duration for part in found))),
            total(part.duration_sum for part in found),
            sum(part.messages_received for part in found),
            sum(part.messages_sent for part in found),
            sum(part.bytes_received for part in found),
            sum(part.bytes_sent for part in found),
        )


NO_WEBSOCKETS = WebSockets()
