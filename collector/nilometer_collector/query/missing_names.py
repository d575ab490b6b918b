"""Finds names in an alerter that do not exist in the store yet."""

from collections.abc import Callable, Collection

from nilometer.alert import Alerter
from nilometer.values.nearest import did_you_mean
from nilometer_collector.store import Store

MOST_NAMES = 10  # most known names that a warning lists


def missing_names(
    store: Store, alerter: Alerter, may_name: Callable[[str], bool] = lambda _: True
) -> list[str]:
    """Return a warning for each name in *alerter* that does not exist, with a similar name.

    An alerter may be created before its data arrives. So a summary counts as missing only if its
    entity has other summaries.

    Args:
        store: Store of samples and references.
        alerter: Alerter whose entity, summary and reference are looked up.
        may_name: Function that returns whether a warning may reveal an entity.
    """
    entity = alerter.entity
    summaries = sorted({series.summary for series in store.samples.series(entity)})
    references = sorted({record.name for record in store.references.records(entity)})
    found = []
    if not summaries and not references:
        others = {series.entity for series in store.samples.series()}
        if hint := did_you_mean(entity, sorted(filter(may_name, others))):
            found.append(f"entity = {entity!r}: has no data{hint}")
    if summaries and not any(map(alerter.watches, summaries)):
        found.append(
            _line("summary", alerter.summary, f"matches no summary of {entity}", summaries)
        )
    reference = alerter.condition.reference
    if reference and reference not in references:
        found.append(_line("reference", reference, f"{entity} has no such reference", references))
    return found


def _line(key: str, name: str, what: str, known: Collection[str]) -> str:
    """Return the warning for a *name* that is not among the *known* names."""
    shown = [*known][:MOST_NAMES]
    more = ", ..." if len(known) > len(shown) else ""
    listed = f" (known: {', '.join(shown)}{more})" if shown else " (it has none yet)"
    return f"{key} = {name!r}: {what}{did_you_mean(name, known)}{listed}"
