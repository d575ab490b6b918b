"""The bins of the cells of one feature, as a reference froze them.

Each cell is in exactly one bin, in this order: a bin between edges, a category with its own bin,
any other category, missing, and not usable. A cell is not usable if it has no other bin: NaN, an
infinity, a string such as ``"n/a"``, or a cell of an unexpected type. The last bin pools the rows
of bins that were too small to be disclosed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from nilometer.profile.category import Dictionary
from nilometer.sketch.binned import edges_id

MAX_BINS = 256  # most bins of numbers and categories together
_EXTRA = 3  # bins after those of numbers and categories


def bins_id(edges: str, dictionary: str) -> int:
    """Return the id of bins, from 1 to 2^32 - 1.

    Args:
        edges: Id of the edges, see `nilometer.sketch.binned.edges_id`; empty without edges.
        dictionary: Id of the dictionary; empty without one.
    """
    digest = hashlib.blake2b(f"{edges}\0{dictionary}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") or 1


@dataclass(frozen=True, slots=True, order=True)
class FeatureBins:
    """The number and the identity of a feature's bins.

    Attributes:
        id: Hash of edges and names, see `bins_id`; bins with different ids never add.
        numbers: Number of bins of numbers: one more than there are edges; 0 without edges.
        categories: Number of bins of categories: one more than there are names; 0 without names.
    """

    id: int
    numbers: int
    categories: int

    @classmethod
    def of(cls, edges: Sequence[float], dictionary: Dictionary | None) -> Self:
        """Return the bins for ascending *edges* and for the names of *dictionary*."""
        return cls(
            bins_id(edges_id(edges) if edges else "", dictionary.id if dictionary else ""),
            len(edges) + 1 if edges else 0,
            len(dictionary.names) + 1 if dictionary else 0,
        )

    @property
    def size(self) -> int:
        """Number of all bins."""
        return self.numbers + self.categories + _EXTRA

    @property
    def missing(self) -> int:
        """Position of the bin of missing cells."""
        return self.numbers + self.categories

    @property
    def unusable(self) -> int:
        """Position of the bin of cells that are not usable."""
        return self.missing + 1

    @property
    def pooled(self) -> int:
        """Position of the bin of rows whose own bin was too small to be disclosed."""
        return self.missing + 2
