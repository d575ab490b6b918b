"""Work in steps, for a thread that shares the interpreter with others.

A function that works in steps is a generator. It yields whenever another thread may run, and
returns its result. `finished` runs it without pauses.
"""

from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from itertools import accumulate
from typing import TypeAlias, TypeVar

TEXTS_AT_ONCE = 512
CHARACTERS_AT_ONCE = 16 << 10

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]


def finished(steps: Steps[T]) -> T:
    """Return the result of *steps*, run without pauses."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def parts_of(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield *texts* in order, in parts for one step each; a very long text is its own part."""
    ends = list(accumulate(map(len, texts)))
    start = before = 0
    while start < len(ends):
        fitting = bisect_right(ends, before + CHARACTERS_AT_ONCE, start)
        end = min(max(fitting, start + 1), start + TEXTS_AT_ONCE)
        yield texts[start:end]
        start, before = end, ends[end - 1]
