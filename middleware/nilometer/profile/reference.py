"""A reference: a frozen, versioned profile that production is compared against."""

from collections.abc import Mapping
from dataclasses import dataclass

from nilometer.profile.category import Dictionary
from nilometer.profile.derived.vectors import Embedding
from nilometer.profile.feature import FeatureProfile, FeatureSpec
from nilometer.profile.numeric import Bounds
from nilometer.values.entity import Role, role_of

INPUT_BINS = 32  # statistics: leaves delays of mean and scale unchanged, finds a 5 % spike
OUTPUT_BINS = 64  # predictions deserve the finer eye


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceColumn:
    """One column of a reference and what it froze.

    Attributes:
        feature: The column.
        edges: Of its numbers, ascending; empty for categories.
        dictionary: Of its categories; None for numbers.
        embedding: Of its vectors; None where it has none.
    """

    feature: FeatureProfile
    edges: tuple[float, ...] = ()
    dictionary: Dictionary | None = None
    embedding: Embedding | None = None

    @property
    def bounds(self) -> Bounds | None:
        """What later numbers are counted on; None where the column had no numbers."""
        if not self.edges:
            return None
        digest = self.feature.numbers.digest
        return Bounds(edges=self.edges, low=digest.min, high=digest.max)

    @property
    def is_score(self) -> bool:
        """Whether its numbers look like probabilities: all in [0, 1], and not 0 and 1 alone."""
        numbers = self.feature.numbers
        low, high = numbers.digest.min, numbers.digest.max
        if low is None or high is None or low < 0.0 or high > 1.0:
            return False
        return bool(((numbers.digest.centroids()[0] % 1.0) > 0).any())

    @property
    def expected(self) -> str:
        """The type that most of the cells have; empty for a column of nothing."""
        types = self.feature.types
        return max(sorted(types), key=lambda kind: types[kind]) if types else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What production is compared with.

    Attributes:
        entity: Name of the monitored entity.
        name: Such as ``training`` or ``golden``; unique within the entity.
        rows: Rows of the table.
        created_ns: Unix nanoseconds.
        source: Where the rows came from, for the reader.
        columns: By summary name.
        digest: Hash of the columns: names this version of the reference.
    """

    entity: str
    name: str
    rows: int
    created_ns: int
    source: str
    columns: Mapping[str, ReferenceColumn]
    digest: str

    def spec(self, summary: str, *, readable: bool = False, key: bytes = b"") -> FeatureSpec | None:
        """What a profile of *summary* is told, to be compared with this; None for a new one."""
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
