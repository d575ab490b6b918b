"""Decodes the bodies of similar observations in one pass."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nilometer.decode import Side
from nilometer.decode.learned import Shapes
from nilometer.decode.oip_v2 import KEYS
from nilometer.decode.probes import is_probe
from nilometer.profiling.layout import Kind
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.steps import Steps
from nilometer.values.window import Window


class Alike(NamedTuple):
    """Observations of one kind and one window, decoded in one pass.

    Attributes:
        kind: Kind that all of them have.
        window: Window that contains all of them.
        latest_ns: Newest event time, in Unix nanoseconds.
        sides: Inputs and outputs; None if the bodies were not kept.
    """

    kind: Kind
    window: Window
    latest_ns: int
    sides: Mapping[Role, Side] | None

    @property
    def weight(self) -> int:
        """Approximate memory of the sides, in bytes."""
        return sum(side.weight for side in self.sides.values()) if self.sides else 0


class AlikeReader:
    """Decodes similar bodies by the shapes of earlier bodies of the entity. Not thread-safe.

    Args:
        window_ns: Length of a window, in nanoseconds.
    """

    __slots__ = ("_request_shapes", "_response_shapes", "_window_ns")

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._request_shapes = Shapes(KEYS[Role.INPUT])
        self._response_shapes = Shapes(KEYS[Role.OUTPUT])

    def read(self, kind: Kind, rows: Sequence[Observation]) -> Steps[Alike | None]:
        """Decode *rows*, all of *kind*; return None if they differ in window or shape.

        It is also None if a row is no inference.
        """
        arrivals = [row.arrival_ns for row in rows]
        window = Window.containing(min(arrivals), self._window_ns)
        latest = max(arrivals)
        if latest >= window.end_ns:
            return None
        if any(is_probe(kind.method, path) for path in {row.path for row in rows}):
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
