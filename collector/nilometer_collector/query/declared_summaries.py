"""Summaries as users have declared them."""

from nilometer_collector.alerting.summaries import KIND, SummaryDefinition
from nilometer_collector.query.definitions import Declared
from nilometer_collector.store.written import readable_of


def declared_summaries(store: Declared, entity: str | None = None) -> list[SummaryDefinition]:
    """Return the declared summaries of *entity*, or of all entities, by entity and name.

    One that a newer version wrote is left out, and logged.
    """
    found = store.history.objects(KIND).items()
    texts = (text for key, text in found if entity in {None, key.entity})
    return readable_of(texts, SummaryDefinition)


def declared_edges(store: Declared, entity: str) -> dict[str, tuple[float, ...]]:
    """Return the declared edges of the summaries of *entity* that have some."""
    return {one.name: tuple(one.edges) for one in declared_summaries(store, entity) if one.edges}
