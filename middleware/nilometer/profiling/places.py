"""Places: the labels that a request adds, and the groups of requests with the same columns.

The model and version that requests name become labels, unless the server's labels or its entity
already contain them. Each group of route, model and version has its own expected columns, so
columns of one route do not count as missing on another.
"""

from typing import NamedTuple

from nilometer.decode import Side
from nilometer.decode.known import NOTHING_KNOWN
from nilometer.decode.said import NOTHING_SAID, Said, said_by, said_by_path
from nilometer.profiling.observation import Observation
from nilometer.profiling.predictions import route_of
from nilometer.profiling.segments import label_value
from nilometer.profiling.sides import Decoded, decode_request, is_answered
from nilometer.values.entity import entity_from
from nilometer.values.labels import OVERFLOW_KEY, Labels
from nilometer.values.templates import MODEL, ROUTE, VERSION, filled, names_in

MAX_LABEL_SETS = 256  # label sets from one server's requests; later ones overflow
MAX_GROUPS = 256  # most groups with expected columns of one server; later groups expect none

NO_GROUP = 0


class Place(NamedTuple):
    """The place of one request.

    Attributes:
        labels: Labels of the server, and labels from the request.
        group: Number of the group of requests with the same columns; `NO_GROUP` expects no columns.
    """

    labels: Labels
    group: int


class Places:
    """The places of the requests of one server. Not thread-safe.

    Args:
        entity: Name of the monitored entity.
        labels: Labels of the server; values may be templates.

    Attributes:
        fixed: Labels that are not templates.
    """

    __slots__ = (
        "_answered",
        "_asked",
        "_entity",
        "_groups",
        "_in_bodies",
        "_label_sets",
        "_overflow",
        "_places",
        "_templates",
        "fixed",
    )

    def __init__(self, entity: str, labels: Labels) -> None:
        self._entity = entity
        self._templates = {key: value for key, value in labels if names_in(value)}
        fixed = {key: value for key, value in labels if key not in self._templates}
        self._asked = frozenset().union(*map(names_in, self._templates.values()))
        self.fixed = Labels.of(fixed)
        self._overflow = Labels.of({**fixed, OVERFLOW_KEY: "true"})
        self._places: dict[tuple[Said, str], Place] = {}
        self._label_sets = {self._labels(NOTHING_SAID, "")}
        self._groups = NO_GROUP
        self._answered = {NOTHING_SAID}  # models named by requests that were answered
        self._in_bodies: set[str] = set()  # routes whose bodies name a model

    def of(self, said: Said, route: str, path: str) -> Place:
        """Return the place of a request that was answered.

        Args:
            said: Model and version that the request names.
            route: Template of the route; if empty, it is derived from the path.
            path: Path of the request.
        """
        key = said, route or route_of(path)
        return self._places.get(key) or self._new(*key)

    def of_prediction(self, observation: Observation, decoded: Decoded | None) -> Place:
        """Return the place of a prediction; *decoded* is None if its bodies were not decoded."""
        path = observation.path
        said = said_by_path(path)
        if not is_answered(observation):
            return self.of(self._known(observation, said), observation.route, path)
        if decoded is not None and decoded.said != said:
            said = decoded.said
            if len(self._in_bodies) < MAX_GROUPS:
                self._in_bodies.add(route_of(path))
        return self.of(said, observation.route, path)

    def _known(self, observation: Observation, said: Said) -> Said:
        """Return the model that a failed request names, if the model has answered before.

        A client can name any model. If the server does not have it, the response is an error.
        """
        if not said.model and self.needs_body(observation.path):
            _, facts = decode_request(observation, Side(), NOTHING_KNOWN)
            said = said_by(observation.path, facts, None)
        if said in self._answered:
            return said
        model = Said(said.model)
        return model if model in self._answered else NOTHING_SAID

    def needs_body(self, path: str) -> bool:
        """Return whether the bodies on this path name the model."""
        return bool(self._in_bodies) and route_of(path) in self._in_bodies

    def _new(self, said: Said, route: str) -> Place:
        labels = self._labels(said, route)
        if len(self._answered) < 2 * MAX_LABEL_SETS:
            self._answered |= {said, Said(said.model)}
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
