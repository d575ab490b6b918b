"""A reference: a frozen, versioned profile that production is compared against."""

from collections.abc import Mapping
from dataclasses import dataclass

from nilometer.profile.feature import FeatureProfile

INPUT_BINS = 32  # statistics: leaves delays of mean and scale unchanged, finds a 5 % spike
OUTPUT_BINS = 64  # predictions deserve the finer eye


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceColumn:
    """One column of a reference and the edges that its numbers froze."""

    feature: FeatureProfile
    edges: tuple[float, ...]  # ascending; empty for categories


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
