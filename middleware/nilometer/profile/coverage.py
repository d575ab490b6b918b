"""Coverage: what happened to every observation that was seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from nilometer.values.reasons import NO_PREDICTIONS

Counts = Mapping[str, int]


def added(ours: Counts, theirs: Counts) -> dict[str, int]:
    """Return the sum of two counters."""
    total = dict(ours)
    for key, count in theirs.items():
        total[key] = total.get(key, 0) + count
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Counts of observations: ``seen = profiled + sampled_out + dropped + undecodable``, exactly.

    An observation counts as profiled if one of its sides has columns. The other side may be lost:
    ``lost_inputs`` and ``lost_outputs`` are each at most ``profiled``.

    Attributes:
        profiled: Number of observations whose columns are in the profiles.
        sampled_out: Number of observations that sampling left out; sampled ones represent them.
        dropped: Number of lost observations, by `DropReason`.
        undecodable: Number of observations without columns, by `UndecodableReason`.
        lost_inputs: Number of profiled observations whose requests gave no columns, or not all of
            them, by `UndecodableReason`.
        lost_outputs: Number of profiled observations whose responses gave no columns, or not all of
            them, by `UndecodableReason`.
        unnamed: Number of cells, not observations, of columns whose names are not features, by
            type.
        lost_cells: Number of cells, not observations, of summaries that a profile cannot hold, by
            `LostCellReason`; kept on the summary `service`.
        suppressed: Number of cells, not observations, of summaries whose names are hidden because
            too few cells had them; kept on the summary `service`.
        unread_times: Number of observations, profiled or not, whose event time could not be read;
            their arrival time is used.
    """

    profiled: int = 0
    sampled_out: int = 0
    dropped: Counts = field(default_factory=dict)
    undecodable: Counts = field(default_factory=dict)
    lost_inputs: Counts = field(default_factory=dict)
    lost_outputs: Counts = field(default_factory=dict)
    unnamed: Counts = field(default_factory=dict)
    lost_cells: Counts = field(default_factory=dict)
    suppressed: int = 0
    unread_times: int = 0

    @property
    def seen(self) -> int:
        """Number of observations that were seen."""
        lost = sum(self.dropped.values()) + sum(self.undecodable.values())
        return self.profiled + self.sampled_out + lost

    def of_predictions(self) -> Self:
        """Return the coverage of features. Requests that are not predictions are left out."""
        if NO_PREDICTIONS.isdisjoint(self.undecodable):
            return self
        kept = {
            reason: count
            for reason, count in self.undecodable.items()
            if reason not in NO_PREDICTIONS
        }
        return replace(self, undecodable=kept)

    def merge(self, other: Self) -> Self:
        """Return the coverage of both streams."""
        return type(self)(
            profiled=self.profiled + other.profiled,
            sampled_out=self.sampled_out + other.sampled_out,
            dropped=added(self.dropped, other.dropped),
            undecodable=added(self.undecodable, other.undecodable),
            lost_inputs=added(self.lost_inputs, other.lost_inputs),
            lost_outputs=added(self.lost_outputs, other.lost_outputs),
            unnamed=added(self.unnamed, other.unnamed),
            lost_cells=added(self.lost_cells, other.lost_cells),
            suppressed=self.suppressed + other.suppressed,
            unread_times=self.unread_times + other.unread_times,
        )
