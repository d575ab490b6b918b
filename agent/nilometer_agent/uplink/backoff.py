"""Random waits between attempts."""

import random

LEAST_SECONDS = 1.0
MOST_SECONDS = 60.0
MOST_ASKED_SECONDS = 600.0  # longest wait that a collector may ask for


class Backoff:
    """Waits with full jitter: a random time below a bound that doubles from 1 to 60 s.

    Agents that an outage stopped in the same second spread out within a minute, and do not meet
    again. Of 1,000 agents, about 33 retry in each second, also in the second in which the outage
    ends. `test_a_thousand_agents_come_back_apart` limits the busiest second to twice that rate.

    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        draw: Function that returns random numbers in [0, 1).
    """

    def __init__(self, draw: random.Random | None = None) -> None:
        self._random = draw or random.Random()  # noqa: S311  jitter, not a secret
        self.failures = 0

    def succeed(self) -> None:
        """Reset the bound, so that the next wait is short again."""
        self.failures = 0

    def fail(self, asked_seconds: float = 0.0) -> float:
        """Return the seconds to wait; at least *asked_seconds*, which the collector asked for."""
        bound = min(LEAST_SECONDS * 2.0 ** min(self.failures, 16), MOST_SECONDS)
        self.failures += 1
        wait = self._random.uniform(0.0, bound)
        if asked_seconds > 0:
            return min(asked_seconds, MOST_ASKED_SECONDS) + wait
        return wait
