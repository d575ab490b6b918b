"""Places: what a request says of itself as labels, and the requests with the same columns.

The model and the version that requests say become labels, unless labels of the server or its entity
say them already. Columns are expected of a route, a model and a version: columns of one route are
not missing on another.
"""

from typing import NamedTuple

from nilometer.decode.said import NOTHING_SAID, Said, said_by_path
from nilometer.profiling.observation import Observation
from nilometer.profiling.predictions import route_of
from nilometer.profiling.segments import label_value
from nilometer.profiling.sides import PREDICTED, Decoded
from nilometer.values.entity import entity_from
from nilometer.values.labels import OVERFLOW_KEY, Labels
from nilometer.values.templates import MODEL, ROUTE, VERSION, filled, names_in

MAX_LABEL_SETS = 256  # that requests say, of one server; later ones share the overflow set
MAX_GROUPS = 256  # groups with columns of their own, of one server; none are expected of later ones

NO_GROUP = 0


class Place(NamedTuple):
    """The place of one request.

    Attributes:
        labels: Labels of the server, and those that the request says.
        group: Number of the requests that should have the same columns; `NO_GROUP` expects none.
    """

    labels: Labels
    group: int


class Places:
    """The places of the requests of one server. Not thread-safe.

    Args:
        entity: Name of the monitored entity.
        labels: Labels of the server; values may be templates.

    Attributes:
        fixed: Labels that are no templates.
        fallback: Place of a request that says nothing, and of one that may not make a new place.
    """

    __slots__ = (
        "_asked",
        "_entity",
        "_groups",
        "_in_bodies",
        "_label_sets",
        "_overflow",
        "_places",
        "_templates",
        "fallback",
        "fixed",
    )

    def __init__(self, entity: str, labels: Labels) -> None:
        self._entity = entity
        self._templates = {key: value for key, value in labels if names_in(value)}
        fixed = {key: value for key, value in labels if key not in self._templates}
        self._asked = frozenset().union(*map(names_in, self._templates.values()))
        self.fixed = Labels.of(fixed)
        self._overflow = Labels.of({**fixed, OVERFLOW_KEY: "true"})
        self.fallback = Place(self._labels(NOTHING_SAID, ""), NO_GROUP)
        self._places: dict[tuple[Said, str], Place] = {}
        self._label_sets: set[Labels] = {self.fallback.labels}
        self._groups = NO_GROUP
        self._in_bodies: set[str] = set()  # routes whose bodies say a model

    @property
    def wants_route(self) -> bool:
        """Whether a label needs the route."""
        return ROUTE in self._asked

    def of(self, said: Said, route: str, path: str, *, may_add: bool = True) -> Place:
        """Return the place of a request.

        Args:
            said: Model and version that the request says.
            route: Template of its route; empty derives it from the path.
            path: Path of the request.
            may_add: Whether a new model may get a place: not if the request failed, because the
                server may not have this model.
        """
        key = said, route or route_of(path)
        place = self._places.get(key)
        if place is None:
            if not may_add:
                return self.fallback
            place = self._new(*key)
        return place

    def of_prediction(self, observation: Observation, decoded: Decoded | None) -> Place:
        """Return the place of a prediction; *decoded* is None if its bodies were not decoded."""
        path = observation.path
        said = said_by_path(path)
        if decoded is not None and decoded.said != said:
            said = decoded.said
            if len(self._in_bodies) < MAX_GROUPS:
                self._in_bodies.add(route_of(path))
        may_add = observation.outcome in PREDICTED
        return self.of(said, observation.route, path, may_add=may_add)

    def needs_body(self, path: str) -> bool:
        """Return whether bodies of this path say the model."""
        return bool(self._in_bodies) and route_of(path) in self._in_bodies

    def _new(self, said: Said, route: str) -> Place:
        labels = self._labels(said, route)
        if labels not in self._label_sets:
            if len(self._label_sets) >= MAX_LABEL_SETS:
                return Place(self._overflow, NO_GROUP)
            self._label_sets.add(labels)
        if self._groups >= MAX_GROUPS:
            return Place(labels, NO_GROUP)
        self._groups += 1
        place = self._places[said, route] = Place(labels, self._groups)
        return place

    def _labels(self, said: Said, route: str) -> Labels:
        values = {MODEL: said.model, VERSION: said.version, ROUTE: route}
        found = {
            key: label_value(filled(template, values)) for key, template in self._templates.items()
        }
        for name in (MODEL, VERSION):
            value = values[name]
            if value and name not in self._asked and entity_from(value) != self._entity:
                found.setdefault(name, label_value(value))
        return Labels.of({**found, **self.fixed.as_dict()})
