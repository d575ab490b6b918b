"""Which outputs are summed by bin of each input, and in which unit."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nilometer.profile.bin_sums import MAX_BITS
from nilometer.profile.feature import FeatureSpec
from nilometer.profile.reference import ReferenceColumn
from nilometer.values.entity import Role, role_of

MOST_OUTPUTS = 4  # outputs of an entity that a setting may name
RESOLUTION_BITS = 10  # a unit is at most 2^-10 of the range that most values have
MAGNITUDE_BITS = 30  # the largest value of the reference is at most 2^30 units
DEFAULT_BITS = 10  # unit without a reference
SCORE_BITS = 14  # unit of probabilities without a reference

Wish: TypeAlias = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedOutputs:
    """The outputs whose sums by bin an agent keeps.

    Attributes:
        wish: Whether sums are kept; ``auto`` keeps them if the collector asks for them.
        declared: Outputs that are summed; empty chooses one output of the reference.
        scores: Outputs that are probabilities by a setting.
    """

    wish: Wish = "off"
    declared: tuple[str, ...] = ()
    scores: frozenset[str] = frozenset()

    def is_on(self, *, asked: bool) -> bool:
        """Return whether sums are kept; *asked* says whether the collector asks for them."""
        return self.wish == "on" or (asked and self.wish == "auto")

    def of(self, references: Iterable[Mapping[str, ReferenceColumn]]) -> frozenset[str]:
        """Return the outputs to sum.

        Without declared outputs, one is chosen that does not depend on the data: a score, else an
        output of numbers, else one of classes; the first by name. All agents with the same
        references and settings choose the same one.

        Args:
            references: Columns of each reference, the newest reference first.
        """
        if self.declared:
            return frozenset(self.declared)
        for columns in references:
            ranked = sorted(
                (_rank(column, is_score=name in self.scores), name)
                for name, column in columns.items()
                if role_of(name) is Role.OUTPUT and _is_summable(column)
            )
            if ranked:
                return frozenset({ranked[0][1]})
        return frozenset([*sorted(self.scores)][:1])

    def bits_of(self, summary: str, spec: FeatureSpec) -> int:
        """Return the binary exponent of the unit of an output.

        The unit is at most 2^-10 of the range between the outer edges of the reference, so that
        rounding is far below the noise of a mean. The range leaves out the tails.
        """
        edges = () if spec.bounds is None else spec.bounds.edges
        if not edges or spec.bounds is None:
            is_score = spec.score is not None or summary in self.scores
            return SCORE_BITS if is_score else DEFAULT_BITS
        low, high = spec.bounds.low, spec.bounds.high
        ends = (edges[0], edges[-1], *(end for end in (low, high) if end is not None))
        width, largest = edges[-1] - edges[0], max(map(abs, ends))
        finest = MAGNITUDE_BITS - math.frexp(largest)[1]
        if 0 < width < math.inf:  # not a constant
            wanted = RESOLUTION_BITS + 1 - math.frexp(width)[1]
        else:
            wanted = DEFAULT_BITS
        return max(-MAX_BITS, min(finest, wanted, MAX_BITS))


def _is_summable(column: ReferenceColumn) -> bool:
    dictionary = column.dictionary
    return bool(column.edges) or (dictionary is not None and bool(dictionary.names))


def _rank(column: ReferenceColumn, *, is_score: bool) -> int:
    if is_score or column.is_score:
        return 0
    return 1 if column.edges else 2
