"""How the predictions of entities are judged, as users have declared it."""

from typing import Protocol

from nilometer.values.entity import PERFORMANCE
from nilometer_collector.errors import Conflict
from nilometer_collector.ground_truth.definition import KIND, PerformanceDefinition
from nilometer_collector.ground_truth.maturity import MaturityRule
from nilometer_collector.store import History, Key
from nilometer_collector.store.written import Unread, read_content


class Declared(Protocol):
    """The declared objects of a store."""

    @property
    def history(self) -> History:
        """Changes of declared objects."""
        ...


def maturity_rule(store: Declared, entity: str, summary: str) -> MaturityRule:
    """Return when a window of *summary* is mature: as declared, if the collector joins its ground truth.

    A declaration that a newer version wrote is set aside, and logged.
    """
    text = _text(store, entity) if summary == PERFORMANCE else None
    found = None if text is None else read_content(text, PerformanceDefinition)
    return MaturityRule.of(found) if isinstance(found, PerformanceDefinition) else MaturityRule()


def performance_of(store: Declared, entity: str) -> PerformanceDefinition:
    """Return how the predictions of *entity* are judged.

    Raises:
        Conflict: If nobody has declared it, or this version cannot read the declaration.
    """
    text = _text(store, entity)
    if text is None:
        raise Conflict(
            f"entity {entity!r} has no `{KIND}` object, which says how predictions are judged: "
            "declare it with `nilometer apply`",
            "entity",
        )
    found = read_content(text, PerformanceDefinition)
    if isinstance(found, Unread):
        raise Conflict(f"the `{KIND}` object of {entity!r} {found.warning}", "entity")
    return found


def _text(store: Declared, entity: str) -> str | None:
    return store.history.object(Key(KIND, entity, entity))
