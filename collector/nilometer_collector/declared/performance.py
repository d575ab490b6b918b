"""Declared performance: how the predictions of an entity are judged, once there is ground truth."""

from nilometer.values.errors import ConfigError
from nilometer_collector.declared.kind import (
    Misdeclared,
    Plain,
    StoredKind,
    named_first,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.ground_truth.definition import KIND, PerformanceDefinition
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import Key


class PerformanceObjects(StoredKind[PerformanceDefinition]):
    """Performance, one object for each entity."""

    name = KIND
    plural = KIND
    definition = PerformanceDefinition
    names_itself = "entity"

    def key(self, definition: PerformanceDefinition) -> Key:
        """Return the identity: an entity has one object."""
        return performance_key(definition.entity)

    def key_named(self, entity: str, name: str) -> Key:
        """Return the identity; it needs only the name of the entity."""
        del entity
        return performance_key(name)

    def checked(self, definition: PerformanceDefinition) -> Plain:
        """Return the definition without defaults."""
        refuse_controls(definition)
        try:
            definition.check()
        except ConfigError as error:
            raise Misdeclared(
                str(error), str(error).partition(" = ")[0].partition(":")[0]
            ) from error
        return named_first({"task": definition.task, **without_defaults(definition)})

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence if the entity does not exist yet."""
        return known.missing_entities([str(plain["entity"])], "entity")


def performance_key(entity: str) -> Key:
    """Return the identity of the performance of *entity*."""
    return Key(KIND, entity, entity)
