"""A simulated server of a language model: the service profile of its streams in each window."""

from dataclasses import dataclass

import numpy as np

from nilometer.profile import ServiceProfile
from nilometer.profile.service import Streams

SPREAD = 0.35  # standard deviation of the logarithm of a time
TOKENS = 150.0  # median number of tokens of a response


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """How a server streams its responses.

    Attributes:
        first_token: Median time to the first token, in seconds.
        per_token: Median time per token after the first one, in seconds.
        cut: Share of streams without their end marker.
    """

    first_token: float = 0.4
    per_token: float = 0.02
    cut: float = 0.01

    def served(
        self, streams: int, rng: np.random.Generator, *, load: float = 1.0
    ) -> ServiceProfile:
        """Return the profile of *streams* responses; *load* multiplies all times."""
        first = load * self.first_token * rng.lognormal(0.0, SPREAD, streams)
        each = load * self.per_token * rng.lognormal(0.0, SPREAD / 2, streams)
        tokens = TOKENS * rng.lognormal(0.0, SPREAD, streams)
        cut = int(rng.binomial(streams, self.cut))
        return ServiceProfile.of(
            outcomes={"ok": streams},
            statuses={"200": streams},
            latencies=(first + each * tokens).tolist(),
            request_sizes=[],
            response_sizes=[],
            streams=Streams.of(
                ends={"completed": streams - cut, "cut": cut},
                first_bytes=first.tolist(),
                gaps=np.zeros(0),
                chunks=streams,
                first_tokens=first.tolist(),
                per_tokens=each.tolist(),
            ),
        )
