"""How the predictions of entities are judged, as users have declared it."""

import msgspec

from nilometer_collector.errors import Conflict
from nilometer_collector.ground_truth.definition import KIND, PerformanceDefinition
from nilometer_collector.store import Key, Store


def performance_of(store: Store, entity: str) -> PerformanceDefinition:
    """Return how the predictions of *entity* are judged.

    Raises:
        Conflict: If nobody has declared it.
    """
    text = store.history.objects(KIND).get(Key(KIND, entity, entity))
    if text is None:
        raise Conflict(
            f"entity {entity!r} has no `{KIND}` object, which says how predictions are judged: "
            "declare it with `nilometer apply`",
            "entity",
        )
    return msgspec.json.decode(text, type=PerformanceDefinition)
