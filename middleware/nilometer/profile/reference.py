"""A reference: a frozen, versioned profile with which production is compared."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nilometer.profile.category import Dictionary
from nilometer.profile.derived.vectors import Embedding
from nilometer.profile.feature import FeatureProfile, FeatureSpec
from nilometer.profile.numeric import Bounds
from nilometer.sketch.binned import tolerance
from nilometer.values.entity import Role, role_of

INPUT_BINS = 32  # bins per input; enough to detect a spike of 5 %, few enough for fast detection
LEARNED = "learned"  # name of the reference that the collector learns if users give none
OUTPUT_BINS = 64  # bins per output; finer, because predictions matter more


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceColumn:
    """One column of a reference and its frozen parameters.

    Attributes:
        feature: Profile of the column.
        edges: Edges for its numbers, ascending; empty for categories.
        dictionary: Dictionary of its categories; None for numbers.
        embedding: Embedding of its vectors; None without one.
        singletons: Number of category names that occur once. Their share is the expected share of
            unseen names.
        surplus: Number of rows that the names with own counts have more than expected, see
            `nilometer.profile.surplus`.
    """

    feature: FeatureProfile
    edges: tuple[float, ...] = ()
    dictionary: Dictionary | None = None
    embedding: Embedding | None = None
    singletons: int = 0
    surplus: int = 0

    @property
    def bounds(self) -> Bounds | None:
        """Edges and range for later numbers; None if the column has no numbers.

        The range includes the `tolerance` of its ends.
        """
        low, high = self.feature.numbers.digest.min, self.feature.numbers.digest.max
        if not self.edges:
            return None
        if low is None or high is None:
            return Bounds(edges=self.edges, low=low, high=high)
        scale = max(abs(low), abs(high))
        with np.errstate(over="ignore"):
            return Bounds(
                edges=self.edges,
                low=float(low - tolerance(low, scale)),
                high=float(high + tolerance(high, scale)),
            )

    @property
    def is_score(self) -> bool:
        """Whether the numbers look like probabilities: all are in [0, 1], and not only 0 and 1."""
        numbers = self.feature.numbers
        low, high = numbers.digest.min, numbers.digest.max
        if low is None or high is None or low < 0.0 or high > 1.0:
            return False
        return bool(((numbers.digest.centroids()[0] % 1.0) > 0).any())

    @property
    def expected(self) -> str:
        """The type of most cells; empty if there are no cells."""
        types = self.feature.types
        return max(sorted(types), key=lambda kind: types[kind]) if types else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The profile with which production is compared.

    Attributes:
        entity: Name of the monitored entity.
        name: Name of the reference, such as ``training``; unique within the entity.
        rows: Number of rows of the table.
        created_ns: Time of creation, in Unix nanoseconds.
        source: Origin of the rows, for a reader.
        columns: Columns by summary name.
        digest: Hash of the columns, which names this version of the reference.
    """

    entity: str
    name: str
    rows: int
    created_ns: int
    source: str
    columns: Mapping[str, ReferenceColumn]
    digest: str

    def spec(self, summary: str, *, readable: bool = False, key: bytes = b"") -> FeatureSpec | None:
        """Return the spec for *summary* to compare it with this; None for a new summary."""
        column = self.columns.get(summary)
        if column is None:
            return None
        return FeatureSpec(
            bounds=column.bounds,
            dictionary=column.dictionary,
            expected=column.expected,
            embedding=column.embedding,
            score=() if role_of(summary) is Role.OUTPUT and column.is_score else None,
            readable=readable,
            key=key,
        )
