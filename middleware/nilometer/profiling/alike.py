"""Bodies of observations of one kind, read at once."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nilometer.decode import Side
from nilometer.decode.learned import Shapes
from nilometer.decode.oip_v2 import KEYS
from nilometer.profiling.layout import Kind
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.steps import Steps
from nilometer.values.window import Window


class Alike(NamedTuple):
    """Observations of one kind, read at once.

    Attributes:
        kind: Of all of them.
        window: Of all of them.
        latest_ns: Newest event time.
        sides: Inputs and outputs; None where they were left out.
    """

    kind: Kind
    window: Window
    latest_ns: int
    sides: Mapping[Role, Side] | None

    @property
    def weight(self) -> int:
        """Bytes that the sides hold, about."""
        return sum(side.weight for side in self.sides.values()) if self.sides else 0


class AlikeReader:
    """Reads bodies that are alike by the shapes that one entity's had before. One owner.

    Args:
        window_ns: Length of a window.
    """

    __slots__ = ("_request_shapes", "_response_shapes", "_window_ns")

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._request_shapes = Shapes(KEYS[Role.INPUT])
        self._response_shapes = Shapes(KEYS[Role.OUTPUT])

    def read(self, kind: Kind, rows: Sequence[Observation]) -> Steps[Alike | None]:
        """What *rows*, all of *kind*, hold; None where they are not of one window, or of one shape."""
        arrivals = [row.arrival_ns for row in rows]
        window = Window.containing(min(arrivals), self._window_ns)
        latest = max(arrivals)
        if latest >= window.end_ns:
            return None
        if kind.left_out:
            return Alike(kind, window, latest, None)
        inputs = self._request_shapes.read([row.request_body for row in rows])
        yield
        if inputs is None:
            return None
        outputs = self._response_shapes.read([row.response_body for row in rows])
        yield
        if outputs is None:
            return None
        sides = {Role.INPUT: Side(), Role.OUTPUT: Side()}
        sides[Role.INPUT].add_block(inputs)
        sides[Role.OUTPUT].add_block(outputs)
        return Alike(kind, window, latest, sides)
