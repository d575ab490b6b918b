"""How long to wait before the next attempt."""

import random

LEAST_SECONDS = 1.0
MOST_SECONDS = 60.0
MOST_ASKED_SECONDS = 600.0  # that a collector may ask for
SPREAD_ROUNDS = 2  # at the most, with full jitter; then everybody has a phase of its own


class Backoff:
    """Full jitter of 1 to 60 s, for ever; then a steady pace that keeps agents apart.

    Full jitter scatters those whom one outage stopped in the same second. Kept up for ever it
    would also double their rate just when the collector returns, since half of its waits are
    short; so after two rounds at the most an agent keeps its phase and waits 57 to 60 s.
    `test_a_thousand_agents_come_back_apart` holds the peak to twice the mean.

    Args:
        draw: Random numbers in [0, 1).
    """

    def __init__(self, draw: random.Random | None = None) -> None:
        self._random = draw or random.Random()  # noqa: S311  jitter, not a secret
        self.failures = 0

    def succeed(self) -> None:
        """The next wait is a short one again."""
        self.failures = 0

    def fail(self, asked_seconds: float = 0.0) -> float:
        """Seconds to wait; at least *asked_seconds*, if the far side asked for some."""
        bound = min(LEAST_SECONDS * 2.0 ** min(self.failures, 16), MOST_SECONDS)
        at_most = self.failures - 6  # rounds at the most: 1 s doubled 6 times is over it
        self.failures += 1
        least = 0.95 * bound if at_most >= SPREAD_ROUNDS else 0.0
        wait = self._random.uniform(least, bound)
        if asked_seconds > 0:
            return min(asked_seconds, MOST_ASKED_SECONDS) + wait
        return wait
