"""The names in an alerter that nothing in the store has yet."""

from collections.abc import Callable, Collection

from nilometer.alert import Alerter
from nilometer.values.nearest import did_you_mean
from nilometer_collector.store import Store

MOST_NAMES = 10  # that a line lists


def missing_names(
    store: Store, alerter: Alerter, may_name: Callable[[str], bool] = lambda _: True
) -> list[str]:
    """Return a line for each name in *alerter* that does not exist, with the nearest that does.

    An alerter may come before its data, so a summary is missing only where its entity has others.

    Args:
        store: Store of samples and references.
        alerter: Alerter whose entity, summary and reference are looked up.
        may_name: Function that returns whether a line may name an entity.
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
        found.append(_line("summary", alerter.summary, f"matches nothing of {entity}", summaries))
    reference = alerter.condition.reference
    if reference and reference not in references:
        found.append(_line("reference", reference, f"{entity} has no such reference", references))
    return found


def _line(key: str, name: str, what: str, known: Collection[str]) -> str:
    """Return the line for a *name* that is none of the *known*."""
    shown = [*known][:MOST_NAMES]
    more = ", ..." if len(known) > len(shown) else ""
    listed = f" (there are {', '.join(shown)}{more})" if shown else " (there is none yet)"
    return f"{key} = {name!r}: {what}{did_you_mean(name, known)}{listed}"
