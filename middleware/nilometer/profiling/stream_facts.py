"""Facts about a stream: its end, its error, and the times of its tokens.

The decoder finds the positions of the frames, and capture records the times of the messages. A
frame has the time of the message that contains its last byte.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nilometer.bodies.media import is_plain
from nilometer.decode.compressed_places import decoded_places
from nilometer.decode.facts import Facts, Frames
from nilometer.profiling.observation import Observation
from nilometer.values.reasons import Outcome, StreamEnd

_ENDS = frozenset(end.value for end in StreamEnd)


class StreamFacts(NamedTuple):
    """Facts about a stream, besides its columns. Times are in seconds; 0 means unknown.

    Attributes:
        end: End of the stream; None if the response does not show it.
        error: Value of `error.type` if the stream reports an error; otherwise empty.
        is_generated: Whether a language model streamed its response.
        first_token: Time from the request to the first frame with content.
        first_reasoning: Time from the request to the first frame with reasoning.
        per_token: Time per token after the first frame with generated text.
    """

    end: StreamEnd | None = None
    error: str = ""
    is_generated: bool = False
    first_token: float = 0.0
    first_reasoning: float = 0.0
    per_token: float = 0.0

    @classmethod
    def of(cls, observation: Observation, facts: Facts) -> "StreamFacts":
        """Return the facts about the response of *observation*, which was decoded to *facts*."""
        frames = facts.frames
        if frames is None:
            return cls(facts.stream_end, facts.error) if facts.stream_end else NO_FACTS
        times = _Times.of(observation)
        if times is None:
            return cls(facts.stream_end, facts.error, is_generated=True)
        return cls(
            facts.stream_end,
            facts.error,
            is_generated=True,
            first_token=times.at(frames.first),
            first_reasoning=times.at(frames.first_reasoning),
            per_token=_per_token(frames, times),
        )

    def outcome(self, observation: Observation) -> str:
        """Return the outcome of *observation*; it has failed if its stream reports an error."""
        if self.end is StreamEnd.ERROR and observation.outcome == Outcome.OK.value:
            return Outcome.SERVER_ERROR.value
        return observation.outcome

    def stream_end(self, observation: Observation) -> str:
        """Return the end of the stream according to capture and the response; empty if unknown.

        An end that this version does not know counts as an error.
        """
        seen = observation.stream_end
        if not seen:
            return "" if self.end is None else self.end.value
        if self.end is StreamEnd.ERROR or seen not in _ENDS:
            return StreamEnd.ERROR.value
        if self.end is StreamEnd.CUT and seen == StreamEnd.COMPLETED.value:
            return StreamEnd.CUT.value
        return seen


NO_FACTS = StreamFacts()


class _Times:
    """Times of the messages of a response.

    Args:
        ends: Bytes of the body up to the end of each message, ascending, shape (n,).
        seconds: Time of each message since the request, shape (n,).
    """

    __slots__ = ("_ends", "_seconds")

    def __init__(self, ends: NDArray[np.int64], seconds: NDArray[np.float64]) -> None:
        self._ends = ends
        self._seconds = seconds

    @classmethod
    def of(cls, observation: Observation) -> "_Times | None":
        """Return the times of the messages; None if they are unknown."""
        if not observation.first_byte:
            return None
        sizes, gaps = observation.chunk_sizes, observation.chunk_gaps + observation.later_gaps
        if not gaps:  # the whole body is one message
            ends = np.array([observation.response_size], np.int64)
            return cls(ends, np.array([observation.first_byte]))
        if len(sizes) != len(gaps) + 4 or len(gaps) % 4:
            return None
        between = np.frombuffer(gaps, "<f4").astype(np.float64)
        if not (np.isfinite(between) & (between >= 0)).all():
            return None
        seconds = observation.first_byte + np.concatenate(([0.0], between.cumsum()))
        ends = np.frombuffer(sizes, "<u4").astype(np.int64).cumsum()
        encoding = observation.response_encoding
        if not is_plain(encoding):
            body = observation.response_body
            places = decoded_places(body, encoding, ends.tolist()) if body is not None else None
            if places is None:
                return None
            ends = np.array(places, np.int64)
        return cls(ends, seconds)

    def at(self, place: int | None) -> float:
        """Return the time of a position, see `nilometer.decode.facts.Frames`; 0 for None."""
        if place is None:
            return 0.0
        ends = self._ends
        found = int(ends.searchsorted(place if place > 0 else place + ends[-1]))
        return float(self._seconds[min(found, len(ends) - 1)])


def _per_token(frames: Frames, times: _Times) -> float:
    """Return the time per token after the first one; 0 if it is unknown."""
    first = frames.first if frames.first_reasoning is None else frames.first_reasoning
    last = frames.last_reasoning if frames.last is None else frames.last
    if frames.tokens <= 1:
        return 0.0
    return max(times.at(last) - times.at(first), 0.0) / (frames.tokens - 1)
