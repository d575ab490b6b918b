"""Summaries as users have declared them."""

import msgspec

from nilometer_collector.alerting.summaries import KIND, SummaryDefinition
from nilometer_collector.query.definitions import Declared


def declared_summaries(store: Declared, entity: str | None = None) -> list[SummaryDefinition]:
    """Return the declared summaries of *entity*, or of all entities, by entity and name."""
    return [
        msgspec.json.decode(text, type=SummaryDefinition)
        for key, text in store.history.objects(KIND).items()
        if entity in {None, key.entity}
    ]


def declared_edges(store: Declared, entity: str) -> dict[str, tuple[float, ...]]:
    """Return the declared edges of the summaries of *entity* that have some."""
    return {one.name: tuple(one.edges) for one in declared_summaries(store, entity) if one.edges}
