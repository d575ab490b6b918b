"""The profile of the requests themselves: outcomes, status codes, latency and sizes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from nilometer.profile.coverage import Counts, added
from nilometer.reasons import Outcome
from nilometer.sketch.histogram import ExponentialHistogram


@dataclass(frozen=True, slots=True)
class ServiceProfile:
    """Requests of one entity, labels and window.

    Attributes:
        outcomes: Requests by `Outcome`.
        statuses: Requests by HTTP status code, as text; without an answer none.
        latency: Seconds from the first byte we saw to the last byte we passed on.
        latency_sum: Seconds.
        request_bytes: Body sizes as they were on the wire.
        request_bytes_sum: Bytes.
        response_bytes: Body sizes as they were on the wire.
        response_bytes_sum: Bytes.
    """

    outcomes: Counts = field(default_factory=dict)
    statuses: Counts = field(default_factory=dict)
    latency: ExponentialHistogram = field(default_factory=ExponentialHistogram)
    latency_sum: float = 0.0
    request_bytes: ExponentialHistogram = field(default_factory=ExponentialHistogram)
    request_bytes_sum: int = 0
    response_bytes: ExponentialHistogram = field(default_factory=ExponentialHistogram)
    response_bytes_sum: int = 0

    @classmethod
    def of(
        cls,
        *,
        outcomes: Counts,
        statuses: Counts,
        latencies: Sequence[float],
        request_sizes: Sequence[int],
        response_sizes: Sequence[int],
    ) -> Self:
        """The profile of a batch: latencies in seconds, sizes in bytes, one each per request."""
        return cls(
            dict(outcomes),
            dict(statuses),
            ExponentialHistogram.of(np.array(latencies, dtype=np.float64)),
            float(sum(latencies)),
            ExponentialHistogram.of(np.array(request_sizes, dtype=np.float64)),
            sum(request_sizes),
            ExponentialHistogram.of(np.array(response_sizes, dtype=np.float64)),
            sum(response_sizes),
        )

    @property
    def count(self) -> int:
        """Requests."""
        return sum(self.outcomes.values())

    @property
    def failures(self) -> int:
        """Requests that failed on our side of the wire."""
        return sum(self.outcomes.get(outcome.value, 0) for outcome in Outcome if outcome.failed)

    def merge(self, other: Self) -> Self:
        """The profile of both streams."""
        return type(self)(
            added(self.outcomes, other.outcomes),
            added(self.statuses, other.statuses),
            self.latency.merge(other.latency),
            self.latency_sum + other.latency_sum,
            self.request_bytes.merge(other.request_bytes),
            self.request_bytes_sum + other.request_bytes_sum,
            self.response_bytes.merge(other.response_bytes),
            self.response_bytes_sum + other.response_bytes_sum,
        )
