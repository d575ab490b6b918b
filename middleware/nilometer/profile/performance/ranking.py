"""Performance of a ranking: one list of items for each query, judged by the relevance of its items.

The discounted cumulative gain adds the relevance of each item divided by ``log2(rank + 1)``, down to
rank *k*; the normalised gain divides it by that of the best order. The reciprocal rank is 1 over the
rank of the first relevant item.

Source: Jarvelin and Kekalainen, "Cumulated gain-based evaluation of IR techniques" (2002).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from nilometer.profile.content import TypeCounts
from nilometer.profile.performance.estimate import Estimate, share
from nilometer.profile.performance.judged import Judged, value_of
from nilometer.profile.performance.mean import NO_MEAN, Mean
from nilometer.sketch.exact import MAX_FACTOR, Floats

CUTOFFS = (1, 3, 5, 10)  # ranks down to which lists are judged, unless others are set
MAX_CUTOFFS = 8
MAX_CUTOFF = 1000


@dataclass(frozen=True, slots=True)
class Ranking(Judged):
    """Ranked lists. Parts merge in any order and grouping with the same bits.

    Merged contents keep the ranks *k* that all contents with lists have.

    Attributes:
        gains: Normalised discounted cumulative gain by rank *k*, from 0 to 1.
        hits: Number of lists with a relevant item among the first *k*, by rank *k*.
        reciprocal_ranks: Reciprocal rank of the first relevant item.
        without_relevant: Number of lists without a relevant item, which count nowhere else.
    """

    kind: ClassVar[str] = "ranking"

    gains: Mapping[int, Mean] = field(default_factory=dict)
    hits: Mapping[int, int] = field(default_factory=dict)
    reciprocal_ranks: Mean = NO_MEAN
    without_relevant: int = 0

    @classmethod
    def of(
        cls,
        relevance: Iterable[ArrayLike],
        scores: Iterable[ArrayLike] | None = None,
        *,
        cutoffs: Sequence[int] = CUTOFFS,
    ) -> Self:
        """Return the performance of lists.

        Args:
            relevance: Relevance of each item of each list, from 0 to `MAX_FACTOR`, in the order in
                which the items were shown. Include items that were not shown, or the best order is
                not known. For an exponential gain pass ``2**relevance - 1``.
            scores: Scores of the items, which then are ranked by them, the highest first; None
                keeps the given order. Items of equal scores share their relevance in the gain, and
                keep the given order in hits and reciprocal ranks.
            cutoffs: Ranks *k*, each at least 1.

        Raises:
            ValueError: If a relevance is out of bounds, a list of scores has another length, or the
                cutoffs are none or too many.
        """
        ranks = sorted(set(cutoffs))
        if not 1 <= len(ranks) <= MAX_CUTOFFS or not 1 <= ranks[0] <= ranks[-1] <= MAX_CUTOFF:
            raise ValueError(f"cutoffs: must be 1 to {MAX_CUTOFFS}, each from 1 to {MAX_CUTOFF}")
        lists = [np.asarray(items, dtype=np.float64) for items in relevance]
        if any(not ((items >= 0.0) & (items <= MAX_FACTOR)).all() for items in lists):
            raise ValueError(f"relevance: must be from 0 to {MAX_FACTOR:g}")
        shown = [(items, items) for items in lists]
        if scores is not None:
            shown = [
                _ranked(items, np.asarray(by, dtype=np.float64))
                for items, by in zip(lists, scores, strict=True)
            ]
        found = [one for one in shown if (one[0] > 0.0).any()]
        first = np.array([int(np.argmax(items > 0.0)) + 1 for items, _ in found], dtype=np.float64)
        return cls(
            gains={
                rank: Mean.of(np.array([_gain(items, shared, rank) for items, shared in found]))
                for rank in ranks
            },
            hits={rank: int(np.count_nonzero(first <= rank)) for rank in ranks},
            reciprocal_ranks=Mean.of(1.0 / first),
            without_relevant=len(lists) - len(found),
        )

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        """Return one content of all; no order or grouping of *contents* changes a bit of it."""
        parts = list(contents)
        known = [part for part in parts if part.cells] or parts
        ranks = set(known[0].gains if known else ()).intersection(*(part.gains for part in known))
        return cls(
            gains={
                rank: Mean.merge_all(part.gains[rank] for part in known) for rank in sorted(ranks)
            },
            hits={rank: sum(part.hits[rank] for part in known) for rank in sorted(ranks)},
            reciprocal_ranks=Mean.merge_all(part.reciprocal_ranks for part in parts),
            without_relevant=sum(part.without_relevant for part in parts),
        )

    def without(self, part: Self) -> Self:
        """Return the content of the lists that are not in *part*, which are some of these lists.

        Raises:
            ValueError: If the contents have other ranks, or *part* has other lists.
        """
        if self.gains.keys() != part.gains.keys():
            raise ValueError(f"cutoffs: are {[*part.gains]}, not {[*self.gains]}")
        rest = replace(
            self,
            gains={rank: mean.without(part.gains[rank]) for rank, mean in self.gains.items()},
            hits={rank: hits - part.hits[rank] for rank, hits in self.hits.items()},
            reciprocal_ranks=self.reciprocal_ranks.without(part.reciprocal_ranks),
            without_relevant=self.without_relevant - part.without_relevant,
        )
        if min(rest.count, rest.without_relevant, *rest.hits.values()) < 0:
            raise ValueError("lists: some of the lists to take out are not in the content")
        return rest

    @property
    def count(self) -> int:
        """Number of lists with a relevant item."""
        return self.reciprocal_ranks.count

    @property
    def cells(self) -> int:
        """Number of lists."""
        return self.count + self.without_relevant

    @property
    def type_counts(self) -> TypeCounts:
        """The number of lists, because relevance is a number."""
        return TypeCounts(numbers=self.count)

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """The number of lists, the metrics at the usual ranks, and the mean reciprocal rank."""
        names = (
            "mrr",
            *(f"{name}_at_{rank}" for name in ("ndcg", "hit_ratio") for rank in CUTOFFS),
        )
        return {
            "count": lambda lists: float(lists.count),
            **{name: value_of(name) for name in names},
        }

    def estimates(self) -> Mapping[str, Estimate]:
        """Return ``mrr``, and ``ndcg_at_k`` and ``hit_ratio_at_k`` for each rank *k*, by name."""
        means = {"mrr": self.reciprocal_ranks}
        means |= {f"ndcg_at_{rank}": gain for rank, gain in self.gains.items()}
        inside = {name: mean.as_share for name, mean in means.items()}
        found = {name: one for name, one in inside.items() if one is not None}
        for rank, hits in self.hits.items() if self.count else ():
            value = hits / self.count
            found[f"hit_ratio_at_{rank}"] = share(
                value, value * (1 - value) / self.count, self.count
            )
        return found


def _ranked(items: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Return *items* by descending score, and the same with the mean of each group of equal scores.

    Items of equal scores keep their order.
    """
    if items.shape != scores.shape:
        raise ValueError(f"scores: has {scores.size} numbers for {items.size} items")
    _, group, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    shared = np.bincount(group, items, sizes.size) / sizes
    order = np.argsort(group, kind="stable")
    return items[order], shared[group[order]]


def _gain(items: Floats, shared: Floats, rank: int) -> float:
    shown, best = shared[:rank], np.sort(items)[::-1][:rank]
    discounts = 1.0 / np.log2(np.arange(2, shown.size + 2))
    gained, most = (math.fsum((of * discounts).tolist()) for of in (shown, best))
    return min(gained / most, 1.0)
