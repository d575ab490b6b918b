"""Divides observations by entity, if the entity is a template that each request fills in."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from nilometer.decode import Side
from nilometer.decode.known import NOTHING_KNOWN
from nilometer.decode.said import Said, said_by_path
from nilometer.profiling.observation import Observation, pack, raw_arrays
from nilometer.profiling.predictions import route_of
from nilometer.profiling.sides import decode_sides, is_answered
from nilometer.values.entity import entity_from
from nilometer.values.steps import Steps
from nilometer.values.templates import MODEL, ROUTE, VERSION, filled, names_in

MAX_ENTITIES = 200  # most entities of one template; requests for further ones go to the fallback


class Divided(NamedTuple):
    """The observations of one entity.

    Attributes:
        entity: Name of the entity.
        is_over: Whether the requests name other entities, which are over the limit.
        packed: Observations as `nilometer.profiling.observation.pack` returns.
        observations: Number of observations.
    """

    entity: str
    is_over: bool
    packed: bytes
    observations: int


class Division:
    """Divides the observations of one template. Not thread-safe.

    A client can name any entity. So a new entity is only created for a request with a body and a
    successful response, and there are at most `MAX_ENTITIES`.

    Args:
        template: Template of the entity, such as ``{model}``.

    Attributes:
        fallback: Entity of requests that name no entity.
        over_limit: Number of requests whose entity was over the limit.
    """

    __slots__ = ("_asked", "_known", "_template", "fallback", "over_limit")

    def __init__(self, template: str) -> None:
        self._template = template
        self._asked = names_in(template)
        self.fallback = entity_from(filled(template, dict.fromkeys(self._asked, "")))
        self._known = {self.fallback}
        self.over_limit = 0

    def divided(self, packed: bytes) -> Steps[list[Divided]]:
        """Divide a batch, in steps.

        Raises:
            msgspec.DecodeError: If the bytes are not a batch.
        """
        found: dict[tuple[str, bool], list[Sequence[Any]]] = {}
        for array in raw_arrays(packed):
            found.setdefault(self._entity_of(array), []).append(array)
            yield
        return [
            Divided(entity, is_over, pack(arrays), len(arrays))
            for (entity, is_over), arrays in found.items()
        ]

    def _entity_of(self, array: Sequence[Any]) -> tuple[str, bool]:
        """Return the entity of one observation, and whether it counts for the fallback."""
        try:
            observation = msgspec.convert(array, Observation)
        except msgspec.ValidationError:  # counted as malformed when it is profiled
            return self.fallback, False
        said = self._said(observation)
        route = observation.route or route_of(observation.path)
        values = {MODEL: said.model, VERSION: said.version, ROUTE: route}
        entity = entity_from(filled(self._template, values)) or self.fallback
        if entity in self._known:
            return entity, False
        may_add = is_answered(observation) and (
            observation.request_size or observation.request_body or observation.values
        )
        if not may_add:
            return self.fallback, False
        if len(self._known) > MAX_ENTITIES:
            self.over_limit += 1
            return self.fallback, True
        self._known.add(entity)
        return entity, False

    def _said(self, observation: Observation) -> Said:
        """Return the model that a request names; bodies are decoded only if the path has none."""
        said = said_by_path(observation.path)
        if (MODEL not in self._asked or said.model) and (
            VERSION not in self._asked or said.version
        ):
            return said
        known = NOTHING_KNOWN, NOTHING_KNOWN
        return decode_sides(observation, Side(), Side(), known).said
