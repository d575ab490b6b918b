import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.profiling.maps import CHANGING, CHANGING_BODY, MAX_WATCHED, QUIET, WITHIN, Maps
from nilometer.values.value_like import MAX_NAME


def maps_of(*parents: str) -> Maps:
    """Maps of the given names, which is to say objects that have changed often."""
    maps = Maps()
    for parent in parents:
        for request in range(CHANGING_BODY):
            maps.change(parent, request)
    assert set(maps) == set(parents)
    return maps


def test_an_object_that_often_has_new_keys_is_a_map() -> None:
    maps = Maps()
    changes = [maps.change("users", request) for request in range(0, CHANGING * WITHIN, WITHIN)]
    assert changes == [None] * (CHANGING - 1) + [0]
    assert "users" in maps


def test_an_object_that_seldom_has_new_keys_is_none() -> None:
    maps = Maps()
    for request in range(0, 100 * WITHIN, WITHIN + 1):
        assert maps.change("users", request) is None
    assert not maps


def test_many_new_keys_of_one_request_are_one_change() -> None:
    maps = Maps()
    assert {maps.change("users", 7) for _ in range(100)} == {None}
    assert not maps


def test_a_map_is_quiet_after_its_last_new_key() -> None:
    maps = maps_of("a", "b")
    latest = CHANGING_BODY - 1
    maps.change("a", latest + 10)
    assert maps.forget_quiet(latest + QUIET) == []
    assert maps.forget_quiet(latest + QUIET + 10) == ["b"]
    assert maps.forget_quiet(latest + QUIET + 11) == ["a"]
    assert not maps


def test_so_many_objects_are_watched_and_no_more() -> None:
    maps = Maps()
    for at in range(3 * MAX_WATCHED):
        for request in range(CHANGING):
            maps.change(f"o{at}", request)
    assert len(maps) == MAX_WATCHED
    assert len(maps._changes) <= MAX_WATCHED


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (["users.a.age", "users.b.age", "users.b.city", "other"], {"users": 2, "": 2}),
        (["users.a.seen.1", "users.a.seen.2"], {"users": 1, "users.a.seen": 2, "": 1}),
        (["userless.a"], {"": 1}),
        (["users"], {"": 1}),
        ([".users.a"], {"": 1}),
        ([], {}),
    ],
)
def test_the_size_of_a_map_is_its_number_of_keys(names: list[str], sizes: dict[str, int]) -> None:
    maps = maps_of("users", "users.a.seen", "never")
    assert maps.sizes(names) == {parent: size for parent, size in sizes.items() if parent}
    maps = maps_of("users", "users.a.seen", "never", "")
    assert maps.sizes(names) == sizes


@given(st.lists(st.text("ab.", min_size=1, max_size=12), unique=True))
def test_sizes_are_those_of_each_map_alone(names: list[str]) -> None:
    maps = maps_of("a", "a.b", "b", "b.a", "a.")

    def size(parent: str) -> int:
        inside = f"{parent}."
        return len({one[len(inside) :].split(".")[0] for one in names if one.startswith(inside)})

    assert maps.sizes(names) == {parent: size(parent) for parent in maps if size(parent)}


def test_a_name_of_very_many_objects_is_read_once() -> None:
    class Counted(str):
        __slots__ = ()
        reads = 0

        def find(self, *arguments: object) -> int:
            Counted.reads += 1
            return super().find(*arguments)  # type: ignore[arg-type]  # as given

    assert maps_of("a").sizes([Counted("a." * 500_000)]) == {"a": 1}
    assert Counted.reads <= MAX_NAME
