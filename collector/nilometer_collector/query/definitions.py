"""How the predictions of entities are judged, as users have declared it."""

from typing import Protocol

import msgspec

from nilometer.values.entity import PERFORMANCE
from nilometer_collector.errors import Conflict
from nilometer_collector.ground_truth.definition import KIND, PerformanceDefinition
from nilometer_collector.ground_truth.maturity import MaturityRule
from nilometer_collector.store import History, Key


class Declared(Protocol):
    """The declared objects of a store."""

    @property
    def history(self) -> History:
        """Changes of declared objects."""
        ...


def maturity_rule(store: Declared, entity: str, summary: str) -> MaturityRule:
    """Return when a window of *summary* is mature: as declared, if the collector joins its ground truth."""
    text = _text(store, entity) if summary == PERFORMANCE else None
    if text is None:
        return MaturityRule()
    return MaturityRule.of(msgspec.json.decode(text, type=PerformanceDefinition))


def performance_of(store: Declared, entity: str) -> PerformanceDefinition:
    """Return how the predictions of *entity* are judged.

    Raises:
        Conflict: If nobody has declared it.
    """
    text = _text(store, entity)
    if text is None:
        raise Conflict(
            f"entity {entity!r} has no `{KIND}` object, which says how predictions are judged: "
            "declare it with `nilometer apply`",
            "entity",
        )
    return msgspec.json.decode(text, type=PerformanceDefinition)


def _text(store: Declared, entity: str) -> str | None:
    return store.history.objects(KIND).get(Key(KIND, entity, entity))
