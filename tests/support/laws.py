"""One suite of laws that every sketch and every profile passes.

A `Subject` says how to sketch a stream and what can be read from the sketch; each law is a
function of a subject and of streams that hypothesis draws. "The same" is equality of everything
that can be read, floats by their bits, unless the subject brings a tolerance.
"""

import copy
import struct
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeAlias, TypeVar

from hypothesis import strategies as st

S = TypeVar("S")


def bits(*numbers: float) -> bytes:
    """Floats by their bits: NaN equals itself and -0.0 is not 0.0."""
    return struct.pack(f"<{len(numbers)}d", *numbers)


def equal(ours: Any, theirs: Any) -> bool:
    """Plain equality."""
    return bool(ours == theirs)


@dataclass(frozen=True, kw_only=True)
class Subject(Generic[S]):
    """A kind of sketch under the laws.

    Attributes:
        name: Of the kind.
        of: The sketch of a stream.
        streams: Streams that it takes.
        merge: Of two.
        merge_all: Of any number, where the kind promises the same bits for every order.
        count: Observations of a sketch.
        size: Observations of a stream.
        content: Everything that can be read from a sketch.
        exact: What a sketch says no matter how its stream was cut into parts; None where the
            parts may show (a digest's centroids).
        same: Whether two exact contents are one.
        commutes: Whether the contents of `a + b` and `b + a` are one.
        round_trip: Over the wire and back; None for what never travels alone.
        travels: What survives the wire unrounded.
    """

    name: str
    of: Callable[[list[Any]], S]
    streams: st.SearchStrategy[list[Any]]
    merge: Callable[[S, S], S]
    count: Callable[[S], int]
    size: Callable[[list[Any]], int] = len
    content: Callable[[S], Any]
    merge_all: Callable[[Sequence[S]], S] | None = None
    exact: Callable[[S], Any] | None = None
    same: Callable[[Any, Any], bool] = equal
    commutes: Callable[[Any, Any], bool] = equal
    round_trip: Callable[[S], S] | None = None
    travels: Callable[[S], Any] | None = None

    def __str__(self) -> str:
        return self.name


def merge_is_commutative(subject: Subject[S], data: st.DataObject) -> None:
    a, b = (subject.of(data.draw(subject.streams)) for _ in range(2))
    one, other = subject.content(subject.merge(a, b)), subject.content(subject.merge(b, a))
    assert subject.commutes(one, other)


def merge_is_associative(subject: Subject[S], data: st.DataObject) -> None:
    assert subject.exact is not None
    a, b, c = (subject.of(data.draw(subject.streams)) for _ in range(3))
    left = subject.merge(subject.merge(a, b), c)
    right = subject.merge(a, subject.merge(b, c))
    assert subject.same(subject.exact(left), subject.exact(right))


def the_empty_sketch_changes_nothing(subject: Subject[S], data: st.DataObject) -> None:
    a = subject.of(data.draw(subject.streams))
    expected = subject.content(a)
    for merged in (subject.merge(a, subject.of([])), subject.merge(subject.of([]), a)):
        assert subject.content(merged) == expected


def merge_conserves_the_count(subject: Subject[S], data: st.DataObject) -> None:
    streams = [data.draw(subject.streams) for _ in range(2)]
    a, b = (subject.of(stream) for stream in streams)
    assert [subject.count(a), subject.count(b)] == [subject.size(stream) for stream in streams]
    assert subject.count(subject.merge(a, b)) == subject.count(a) + subject.count(b)


def merge_leaves_its_operands_alone(subject: Subject[S], data: st.DataObject) -> None:
    a, b = (subject.of(data.draw(subject.streams)) for _ in range(2))
    before = copy.deepcopy((subject.content(a), subject.content(b)))
    merged = subject.merge(a, b)
    subject.merge(merged, a)
    assert (subject.content(a), subject.content(b)) == before


def any_partition_is_the_whole(subject: Subject[S], data: st.DataObject) -> None:
    """However the stream is cut and in whatever order its parts arrive."""
    assert subject.exact is not None
    stream = data.draw(subject.streams)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    bounds = [0, *cuts, len(stream)]
    parts = [stream[low:high] for low, high in pairwise(bounds)]
    merged = subject.of([])
    for part in data.draw(st.permutations(parts)):
        merged = subject.merge(merged, subject.of(part))
    assert subject.same(subject.exact(merged), subject.exact(subject.of(stream)))


def every_order_gives_the_same_bits(subject: Subject[S], data: st.DataObject) -> None:
    assert subject.merge_all is not None
    parts = [subject.of(stream) for stream in data.draw(st.lists(subject.streams, max_size=6))]
    shuffled = data.draw(st.permutations(parts))
    one, other = subject.merge_all(parts), subject.merge_all(shuffled)
    assert subject.content(one) == subject.content(other)


def the_wire_round_trips(subject: Subject[S], data: st.DataObject) -> None:
    """What comes back reads alike, and a second journey changes nothing at all."""
    assert subject.round_trip is not None
    a = subject.of(data.draw(subject.streams))
    back = subject.round_trip(a)
    read = subject.travels or subject.content
    assert read(back) == read(a)
    assert subject.content(subject.round_trip(back)) == subject.content(back)


Law: TypeAlias = Callable[[Subject[Any], st.DataObject], None]


def cases(subjects: Iterable[Subject[Any]]) -> Iterator[tuple[Subject[Any], Law]]:
    """Every subject with every law that it is under; each subject is under the first four."""
    for subject in subjects:
        for law in (
            merge_is_commutative,
            the_empty_sketch_changes_nothing,
            merge_conserves_the_count,
            merge_leaves_its_operands_alone,
        ):
            yield subject, law
        if subject.exact is not None:
            yield subject, merge_is_associative
            yield subject, any_partition_is_the_whole
        if subject.merge_all is not None:
            yield subject, every_order_gives_the_same_bits
        if subject.round_trip is not None:
            yield subject, the_wire_round_trips


def case_name(part: object) -> str:
    """What pytest calls a case."""
    return str(getattr(part, "__name__", part))


def sorted_items(counts: Any) -> tuple[tuple[Hashable, int], ...]:
    """A counter without the order of its keys."""
    return tuple(sorted(counts.items()))
