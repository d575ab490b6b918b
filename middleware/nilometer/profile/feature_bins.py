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

import numpy as np

MAX_BINS = 256  # most bins of numbers and categories together
_EXTRA = 3  # bins after those of numbers and categories


@dataclass(frozen=True, slots=True, order=True)
class FeatureBins:
    """The number and the identity of a feature's bins.

    Attributes:
        id: Hash of edges and names, 32 bits; bins with different ids never add.
        numbers: Number of bins of numbers: one more than there are edges; 0 without edges.
        categories: Number of bins of categories: one more than there are names; 0 without names.
    """

    id: int
    numbers: int
    categories: int

    @classmethod
    def of(cls, edges: Sequence[float], names: Sequence[str] | None) -> Self:
        """Return the bins for ascending *edges* and for *names*; None if names are not counted."""
        digest = hashlib.blake2b(np.asarray(edges, dtype="<f8").tobytes(), digest_size=4)
        if names is not None:
            digest.update("\0".join(("", *names)).encode("utf-8", "surrogatepass"))
        return cls(
            int.from_bytes(digest.digest(), "little"),
            len(edges) + 1 if edges else 0,
            0 if names is None else len(names) + 1,
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
