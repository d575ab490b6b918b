"""Suppression: removes from received samples what the privacy level does not allow to store.

Everything that the agent stores, exports and ships passes through here before the commit, because
others may read the disk of the pod too. Parts of the same summary are merged first, so that fewer
cells are below the limit.

The key of a JSON object may be a secret as well. So the name of a summary is published only after
enough cells had it in this process, or if a reference or a declared schema publishes it. Cells of
other summaries are counted in the coverage of ``service``. The cells of each summary are counted in
bounded memory: the least recently seen names are forgotten first, and start at zero again.
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Collection, Mapping

from nilometer.profile import (
    Coverage,
    FeatureProfile,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
)
from nilometer.values.entity import SERVICE
from nilometer.values.privacy import Privacy
from nilometer.values.recent_counts import RecentCounts
from nilometer_agent.engine.accounts import Taken, empty_service, lost, seen
from nilometer_agent.engine.merge import Lost, merged_alike
from nilometer_agent.outbox.rows import WindowKey
from nilometer_agent.uplink.plan import ActivePlan, PlanKeeper

MAX_UNNAMED = 10_000  # summaries whose cells are counted

log = logging.getLogger("nilometer.agent")


class Suppression:
    """Decides which parts of received samples may be stored. Only the engine's thread may call.

    Args:
        plans: Plans with the privacy level and the published names.
        published: Summaries whose names the agent's own settings publish.

    Attributes:
        cells: Number of cells by entity and summary, as the last call of `filtered` returned
            them. Summaries whose names a reference or schema publishes are not counted.
    """

    def __init__(self, plans: PlanKeeper, published: Collection[str] = ()) -> None:
        self._plans = plans
        self._published = frozenset(published)
        self.cells = RecentCounts(MAX_UNNAMED)

    def filtered(self, received: list[Taken]) -> tuple[list[Taken], RecentCounts]:
        """Return the part of *received* that may be stored, and the cell counts after storing it.

        This changes no state, so it can be called again after an error. A caller that stores the
        samples then sets `cells` to the returned counts.
        """
        plan = self._plans.active
        if not plan.disclosure.coarsens:
            return received, self.cells
        places: dict[tuple[WindowKey, bool, float], dict[str, list[SummarySample]]] = {}
        for key, samples, decoded_here in received:
            for sample in samples:
                place = places.setdefault((key, decoded_here, sample.sample), {})
                place.setdefault(sample.summary, []).append(sample)
        cells = self.cells.copy()
        found: list[Taken] = []
        for (key, decoded_here, _), parts in places.items():
            added = _Added(cells)
            try:
                samples = self._samples(plan, key, parts, added)
                added.apply()
            except Exception:
                log.exception(
                    "profile not stored, counting its observations as lost: suppression failed",
                    extra={"entity": key.entity},
                )
                found.append(lost(key, sum(map(seen, parts.values()))))
            else:
                found.append((key, samples, decoded_here))
        return found, cells

    def _samples(
        self,
        plan: ActivePlan,
        key: WindowKey,
        parts: Mapping[str, list[SummarySample]],
        cells: "_Added",
    ) -> list[SummarySample]:
        """Return one sample for each summary of *parts*, as it may be stored; adds to *cells*."""
        hidden = 0
        lost_cells: Lost = Counter()
        found: list[SummarySample] = []
        for summary, samples in parts.items():
            merged = merged_alike(key, samples, lost_cells) if summary != SERVICE else None
            if merged is None:
                continue
            try:
                named = self._is_named(plan, merged, cells)
                found += [coarsened(merged, plan)] if named else []
            except Exception:  # an error of a registered content type
                named = False
                log.exception(
                    "summary not stored, counting its cells as suppressed: suppression failed",
                    extra={"entity": key.entity},
                )
            if not named:
                hidden += merged.content.cells
        found = _without_sums_of(found, _withheld(found))
        service = _service(key, parts.get(SERVICE, []), lost_cells)
        if hidden or lost_cells:
            service = service or empty_service(key)
            left_out = Coverage(suppressed=hidden, lost_cells=dict(lost_cells))
            coverage = service.coverage.merge(left_out)
            service = dataclasses.replace(service, coverage=coverage)
        return found if service is None else [service, *found]

    def _is_named(self, plan: ActivePlan, sample: SummarySample, cells: "_Added") -> bool:
        entity, summary = sample.entity, sample.summary
        if summary in self._published or summary in plan.declared(entity):
            return True
        content = sample.content
        present = content.cells
        if isinstance(content, FeatureProfile):
            present -= content.missing
        return cells.add((entity, summary), present) >= plan.disclosure.fewest_values


class _Added:
    """Cells of one window and label set, in addition to those counted before.

    Args:
        counted: Counts that `apply` adds the cells to.
    """

    def __init__(self, counted: RecentCounts) -> None:
        self._counted = counted
        self._added: dict[tuple[str, str], int] = {}

    def add(self, name: tuple[str, str], cells: int) -> int:
        """Add *cells* of an entity and summary; return all of its cells.

        A summary without cells is not counted, because that would keep its name from being
        forgotten.
        """
        if cells:
            self._added[name] = self._added.get(name, 0) + cells
        return self._counted.get(name) + self._added.get(name, 0)

    def apply(self) -> None:
        """Add the cells to the counts, because their samples may be stored."""
        for name, cells in self._added.items():
            self._counted.add(name, cells)


def _service(
    key: WindowKey, samples: list[SummarySample], lost_cells: Lost
) -> SummarySample | None:
    """Merge the samples of `service`; None without samples.

    Raises:
        ValueError: If a sample would be left out, because its observations must be counted.
    """
    if not samples:
        return None
    service = merged_alike(key, samples, lost_cells)
    if service is None or service.coverage.seen != seen(samples):
        raise ValueError("samples of service do not merge")
    return service


def _withheld(samples: Collection[SummarySample]) -> frozenset[str]:
    """Return the summaries whose sample leaves out some numbers, because they were too few."""
    return frozenset(
        sample.summary
        for sample in samples
        if isinstance(sample.content, FeatureProfile) and sample.content.suppressed_numbers
    )


def _without_sums_of(samples: list[SummarySample], outputs: Collection[str]) -> list[SummarySample]:
    """Return *samples* without sums by bin of *outputs*.

    Such an output and its sums by bin would differ by the few numbers that the output leaves out.
    """
    return [_without_sums(sample, outputs) for sample in samples] if outputs else samples


def _without_sums(sample: SummarySample, outputs: Collection[str]) -> SummarySample:
    content = sample.content
    if not isinstance(content, FeatureProfile) or not content.sums:
        return sample
    kept = {
        key: sums
        for key, sums in content.sums.items()
        if not any(key.is_of(output) for output in outputs)
    }
    return dataclasses.replace(sample, content=dataclasses.replace(content, sums=kept))


def coarsened(sample: SummarySample, plan: ActivePlan) -> SummarySample:
    """Return *sample* with groups instead of single numbers, and with pseudonyms if needed."""
    fewest = plan.disclosure.fewest_values
    match sample.content:
        case FeatureProfile() as feature:
            content = feature.coarsened(fewest)
            if plan.disclosure.privacy is Privacy.STRICT:
                published = plan.published(sample.entity, sample.summary)
                content = content.masked(published, plan.names_key)
            return dataclasses.replace(sample, content=content)
        case ScoreProfile() as scores:
            return dataclasses.replace(sample, content=scores.coarsened(fewest))
        case ServiceProfile():
            return sample
        case other:  # a content type from outside implements its own suppression
            return dataclasses.replace(sample, content=other.suppressed(fewest))
