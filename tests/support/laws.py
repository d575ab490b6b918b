"""One suite of laws that every sketch and every profile must satisfy.

A `Subject` describes how to sketch a stream and what can be read from the sketch. Each law is a
function of a subject and of streams that hypothesis draws. Two sketches are equal if everything
that can be read is equal, with floats compared by bits, unless the subject defines a tolerance.
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
    """Return floats by their bits, so that NaN equals itself and -0.0 differs from 0.0."""
    return struct.pack(f"<{len(numbers)}d", *numbers)


def equal(ours: Any, theirs: Any) -> bool:
    """Compare with ``==``."""
    return bool(ours == theirs)


@dataclass(frozen=True, kw_only=True)
class Subject(Generic[S]):
    """A kind of sketch that is tested by the laws.

    Attributes:
        name: Name of the kind.
        of: Function that sketches a stream.
        streams: Strategy for streams that the sketch accepts.
        merge: Function that merges two sketches.
        merge_all: Function that merges any number, if the kind promises equal bits for every order.
        count: Function that returns the number of observations in a sketch.
        size: Function that returns the number of observations in a stream.
        content: Function that returns everything that can be read from a sketch.
        exact: Function that returns what does not depend on how the stream was divided; None if
            everything may depend on it (a digest's centroids).
        same: Function that compares two exact contents.
        commutes: Whether the contents of `a + b` and `b + a` are equal.
        round_trip: Function that encodes and decodes a sketch; None if it is never sent alone.
        travels: Function that returns what is sent without rounding.
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
    """Any division of a stream, in any order of arrival, gives the sketch of the whole."""
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
    """A decoded sketch has equal content, and a second round trip changes nothing."""
    assert subject.round_trip is not None
    a = subject.of(data.draw(subject.streams))
    back = subject.round_trip(a)
    read = subject.travels or subject.content
    assert read(back) == read(a)
    assert subject.content(subject.round_trip(back)) == subject.content(back)


Law: TypeAlias = Callable[[Subject[Any], st.DataObject], None]


def cases(subjects: Iterable[Subject[Any]]) -> Iterator[tuple[Subject[Any], Law]]:
    """Return every subject with each law that applies; the first four apply to all."""
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
    """Return the name of a case for pytest."""
    return str(getattr(part, "__name__", part))


def sorted_items(counts: Any) -> tuple[tuple[Hashable, int], ...]:
    """Return a counter without the order of its keys."""
    return tuple(sorted(counts.items()))
