"""How one content type travels in a sample's message.

Counts on frozen edges travel with the edges' name only: who reads them knows the reference, or
gives its edges by `EdgesOf`. Counts whose edges are not known come back without bins, and a
comparison estimates them from the t-digest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nilometer.profile.content import Content
from nilometer.sketch.tdigest import TDigest
from nilometer.v1 import summary_pb2 as pb

C = TypeVar("C", bound=Content)
EdgesOf = Callable[[str], tuple[float, ...] | None]  # edges by their name


def no_edges(name: str) -> tuple[float, ...] | None:
    """For readers that know no reference."""
    del name
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestCodec(Generic[C]):
    """The fast paths of a content type that holds one t-digest: many are coded in one pass.

    Attributes:
        of: The t-digest of a content.
        put: Writes a content whose t-digest is coded already.
        read: A content without its t-digest.
        merge: Gives a merged content the t-digests of all messages that it was merged from.
    """

    of: Callable[[C], TDigest]
    put: Callable[[pb.SummarySample, C, pb.TDigest], None]
    read: Callable[[pb.SummarySample, EdgesOf], C]
    merge: Callable[[C, Sequence[pb.SummarySample]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Generic[C]):
    """One content type <-> its field of a `pb.SummarySample`.

    Attributes:
        kind: Of the content type.
        field: Name in the message's `content`: the kind, or ``extension`` for types from outside.
        put: Writes a content into its field.
        read: The content of a message's field; raises ValueError if it contradicts itself.
        digests: For a type that holds one t-digest; None for any other.
    """

    kind: str
    field: str
    put: Callable[[pb.SummarySample, C], None]
    read: Callable[[pb.SummarySample, EdgesOf], C]
    digests: DigestCodec[C] | None = None
