import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles, strategies

from nilometer.sketch import Frequent
from nilometer.values.errors import IncompatibleSketches

parts_of_words = st.lists(
    st.lists(st.text("abcdefghij", min_size=1, max_size=2), max_size=60), min_size=1, max_size=6
)
capacities = st.integers(1, 12)


def merged(parts: list[list[str]], capacity: int) -> Frequent:
    sketch = Frequent(capacity)
    for words in parts:
        sketch = sketch.merge(Frequent.of(oracles.heavy(words), capacity))
    return sketch


@given(parts_of_words, capacities)
def test_a_count_is_never_below_the_true_one_and_above_by_at_most_a_share(
    parts: list[list[str]], capacity: int
) -> None:
    sketch = merged(parts, capacity)
    true = oracles.heavy(word for words in parts for word in words)
    assert sketch.total == sum(true.values())
    for word, count in sketch.counts.items():
        error = sketch.errors.get(word, 0)
        assert count - error <= true[word] <= count
        assert error <= sketch.total / capacity


@given(parts_of_words, capacities)
def test_what_is_more_frequent_than_a_share_is_kept(parts: list[list[str]], capacity: int) -> None:
    sketch = merged(parts, capacity)
    true = oracles.heavy(word for words in parts for word in words)
    heavy = {word for word, count in true.items() if count > sketch.total / capacity}
    assert heavy <= sketch.counts.keys()


@given(parts_of_words, capacities)
def test_it_keeps_at_most_its_capacity_and_never_more_than_the_total(
    parts: list[list[str]], capacity: int
) -> None:
    sketch = merged(parts, capacity)
    assert len(sketch.counts) <= capacity
    assert sum(sketch.counts.values()) + sketch.other == sketch.total


@given(strategies.words)
def test_with_room_the_counts_are_exact(words: list[str]) -> None:
    true = oracles.heavy(words)
    sketch = merged([words[:20], words[20:]], capacity=len(true) + 1)
    assert (dict(sketch.counts), dict(sketch.errors), sketch.other) == (dict(true), {}, 0)


def test_the_largest_come_first_and_ties_by_name() -> None:
    assert Frequent.of({"b": 2, "c": 5, "a": 2}).top(2) == [("c", 5), ("a", 2)]


def test_sketches_of_different_capacity_do_not_merge() -> None:
    with pytest.raises(IncompatibleSketches, match="capacity 8 and 9"):
        Frequent(8).merge(Frequent(9))
