from hypothesis import given
from hypothesis import strategies as st

from nilometer.values.recent_counts import RecentCounts


def test_keys_that_come_again_outlast_those_that_come_once() -> None:
    counts = RecentCounts(100)
    assert [counts.add("late"), counts.add("late")] == [1, 2]
    for at in range(300):
        counts.add(f"k{at}")
    assert counts.add("late") == 3
    assert len(counts) <= 100
    assert counts.forgotten == 250


def test_a_full_part_forgets_the_least_recent() -> None:
    counts = RecentCounts(4)
    for key in ("a", "b", "a", "b", "a", "c", "c"):
        counts.add(key)
    assert [counts.get(key) for key in ("a", "b", "c")] == [3, 0, 2]
    assert counts.forgotten == 1


def test_a_key_that_is_forgotten_has_no_count() -> None:
    counts = RecentCounts(4)
    counts.add("a", 7)
    assert counts.forget("a")
    assert not counts.forget("a")
    assert (counts.get("a"), len(counts), counts.forgotten) == (0, 0, 0)


def test_a_copy_is_independent() -> None:
    counts = RecentCounts(2)
    counts.add("a")
    copied = counts.copy()
    copied.add("a")
    copied.add("b")
    copied.add("c")
    assert (counts.get("a"), counts.get("b"), counts.forgotten) == (1, 0, 0)
    assert (copied.get("a"), copied.get("c"), copied.forgotten) == (2, 1, 1)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5)), max_size=40))
def test_counts_are_sums_while_there_is_room(added: list[tuple[str, int]]) -> None:
    counts = RecentCounts(12)
    for key, count in added:
        counts.add(key, count)
    for key in "abcdef":
        assert counts.get(key) == sum(count for one, count in added if one == key)
