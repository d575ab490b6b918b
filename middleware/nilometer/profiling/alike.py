"""Decodes the bodies of similar observations in one pass."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from nilometer.decode import Side
from nilometer.decode.learned import Shapes
from nilometer.decode.management import may_manage
from nilometer.decode.oip_v2 import KEYS
from nilometer.decode.probes import is_probe
from nilometer.decode.said import Said, fields_beside_model, said_by_path
from nilometer.profiling.layout import Kind
from nilometer.profiling.observation import Observation
from nilometer.profiling.predictions import route_of
from nilometer.values.entity import Role
from nilometer.values.steps import Steps
from nilometer.values.window import Window

MAX_ROUTES = 256  # routes of one entity whose shapes are learned


class Alike(NamedTuple):
    """Observations of one kind and one window, decoded together in one pass.

    Attributes:
        kind: Kind of all these observations.
        window: Window that contains all of them.
        latest_ns: Newest event time, in Unix nanoseconds.
        sides: Inputs and outputs; None if the bodies were not kept.
        said: Model and version that all of them name.
        paths: Paths of the requests.
    """

    kind: Kind
    window: Window
    latest_ns: int
    sides: Mapping[Role, Side] | None
    said: Said
    paths: AbstractSet[str]

    @property
    def weight(self) -> int:
        """Approximate memory of the sides, in bytes."""
        return sum(side.weight for side in self.sides.values()) if self.sides else 0


class AlikeReader:
    """Decodes similar bodies, by the shapes of earlier bodies of the route. Not thread-safe.

    Args:
        window_ns: Length of a window, in nanoseconds.
    """

    __slots__ = ("_shapes", "_window_ns")

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._shapes: dict[str, tuple[Shapes, Shapes]] = {}  # requests and responses by route

    def read(self, kind: Kind, rows: Sequence[Observation]) -> Steps[Alike | None]:
        """Decode *rows* of one route, all of *kind*; return None if they are too different.

        They are too different if they vary in the window, in the shape, or in the model that they
        name. The result is also None if the path or the body of a row may tell that it never is a
        prediction.
        """
        arrivals = [row.arrival_ns for row in rows]
        window = Window.containing(min(arrivals), self._window_ns)
        latest = max(arrivals)
        if latest >= window.end_ns:
            return None
        paths = {row.path for row in rows}
        said = set(map(said_by_path, paths))
        if len(said) > 1 or any(
            is_probe(kind.method, path) or may_manage(kind.method, path) for path in paths
        ):
            return None
        if any(map(fields_beside_model, paths)) and any(
            b"model" in (row.request_body or b"") for row in rows
        ):
            return None  # each body may name another model
        by_path = said.pop()
        if kind.left_out:
            if not all(row.request_size for row in rows):
                return None  # without a body, only the route shows whether it is a prediction
            return Alike(kind, window, latest, None, by_path, paths)
        shapes = self._of(rows[0].route or route_of(rows[0].path))
        if shapes is None:
            return None
        inputs = shapes[0].read([row.request_body for row in rows])
        yield
        if inputs is None:
            return None
        outputs = shapes[1].read([row.response_body for row in rows])
        yield
        if outputs is None:
            return None
        asked, answered = shapes[0].said, shapes[1].said
        sides = {Role.INPUT: Side(), Role.OUTPUT: Side()}
        sides[Role.INPUT].add_block(inputs)
        sides[Role.OUTPUT].add_block(outputs)
        together = Said(
            by_path.model or asked.model or answered.model,
            by_path.version or asked.version or answered.version,
        )
        return Alike(kind, window, latest, sides, together, paths)

    def _of(self, route: str) -> tuple[Shapes, Shapes] | None:
        """Return the shapes of requests and of responses of *route*; None beyond `MAX_ROUTES`."""
        shapes = self._shapes.get(route)
        if shapes is None and len(self._shapes) < MAX_ROUTES:
            shapes = Shapes(KEYS[Role.INPUT]), Shapes(KEYS[Role.OUTPUT])
            self._shapes[route] = shapes
        return shapes
