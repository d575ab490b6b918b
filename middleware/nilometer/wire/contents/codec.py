"""The codec of a content type, which converts it to a part of a sample's message.

Counts between frozen edges are sent with the id of the edges only. A reader gets the edges from the
reference, by `EdgesOf`. If the edges are unknown, the counts are read without bins, and a
comparison estimates them from the t-digest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nilometer.profile.content import Content
from nilometer.sketch.tdigest import TDigest
from nilometer.v1 import summary_pb2 as pb

C = TypeVar("C", bound=Content)
EdgesOf = Callable[[str], tuple[float, ...] | None]  # function from the id of edges to the edges


def no_edges(name: str) -> tuple[float, ...] | None:
    """Return None, for readers without a reference."""
    del name
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestCodec(Generic[C]):
    """The fast path for a content type with one t-digest; many are coded in one pass.

    Attributes:
        of: Function that returns the t-digest of a content.
        put: Function that writes a content with an encoded t-digest.
        read: Function that reads a content without its t-digest.
        merge: Function that gives merged contents the merged t-digests of the messages of each.
        are_sound: Function that returns whether the t-digests of all messages can be read and have
            the default compression; False if only reading one by one can tell.
        count: Function that returns the `count` of the content in a message, without reading it.
    """

    of: Callable[[C], TDigest]
    put: Callable[[pb.SummarySample, C, pb.TDigest], None]
    read: Callable[[pb.SummarySample, EdgesOf], C]
    merge: Callable[[Sequence[C], Sequence[Sequence[pb.SummarySample]]], None]
    are_sound: Callable[[Sequence[pb.SummarySample]], bool]
    count: Callable[[pb.SummarySample], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Generic[C]):
    """Converts one content type to its field of a `pb.SummarySample` and back.

    Attributes:
        kind: Kind of the content type.
        field: Name in the message's `content`: the kind, or ``extension`` for types of extensions.
        put: Function that writes a content into its field.
        read: Function that reads a message's field; raises ValueError if it contradicts itself.
        digests: Fast path for a type with one t-digest; None for other types.
        is_exact: Whether the grouping of a merge changes no bit, so that it can be done in groups.
    """

    kind: str
    field: str
    put: Callable[[pb.SummarySample, C], None]
    read: Callable[[pb.SummarySample, EdgesOf], C]
    digests: DigestCodec[C] | None = None
    is_exact: bool = False
