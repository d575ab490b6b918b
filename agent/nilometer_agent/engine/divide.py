"""Divides batches whose entity is a template into one batch for each entity that requests name."""

import msgspec

from nilometer.profiling.division import Division
from nilometer.profiling.observation import declared
from nilometer.values.steps import finished
from nilometer.values.templates import names_in
from nilometer.wire.frames import Batch

MAX_TEMPLATES = 100  # templates remembered; the oldest is forgotten together with its entities


class Divider:
    """Divides batches, and remembers the entities of each template. Not thread-safe.

    Args:
        most: Number of observations in a batch above which it is not divided.
        unreadable: Errors that parsing the data of another program may raise.
    """

    def __init__(self, most: int, unreadable: tuple[type[Exception], ...]) -> None:
        self._most = most
        self._unreadable = unreadable
        self._divisions: dict[str, Division] = {}
        self._forgotten_over_limit = 0

    @property
    def over_limit(self) -> int:
        """Number of requests that named an entity beyond the limit of its template."""
        known = sum(division.over_limit for division in self._divisions.values())
        return self._forgotten_over_limit + known

    def parts(self, batch: Batch) -> list[tuple[Batch, bool]]:
        """Return one batch for each entity, and whether requests named entities beyond the limit.

        The largest part gets the drops and the cost, because their entity is not known. A batch
        that cannot be divided belongs to the fallback as a whole.
        """
        if not names_in(batch.entity):
            return [(batch, False)]
        division = self._division(batch.entity)
        whole = msgspec.structs.replace(batch, entity=division.fallback)
        held = declared(batch.observations)
        if not held or held > min(batch.count, self._most):
            return [(whole, False)]
        try:
            parts = finished(division.divided(batch.observations))
        except self._unreadable:
            return [(whole, False)]
        parts.sort(key=lambda part: -part.observations)
        found = []
        for at, part in enumerate(parts):
            changed = msgspec.structs.replace(
                batch,
                entity=part.entity,
                observations=part.packed,
                count=part.observations,
            )
            if at:
                changed.dropped, changed.cost = {}, None
            else:
                changed.count += batch.count - held
            found.append((changed, part.is_over))
        return found

    def _division(self, template: str) -> Division:
        division = self._divisions.get(template)
        if division is None:
            if len(self._divisions) >= MAX_TEMPLATES:
                oldest = self._divisions.pop(next(iter(self._divisions)))
                self._forgotten_over_limit += oldest.over_limit
            division = self._divisions[template] = Division(template)
        return division
