import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.values.errors import ConfigError
from nilometer.values.labels import MAX_VALUE_BYTES, LabelFilter, Labels


@given(strategies.label_sets)
def test_labels_are_sorted_and_hash_alike_however_they_are_written(labels: Labels) -> None:
    backwards = dict(reversed(labels.pairs))
    again = Labels.of(backwards)
    assert again == labels
    assert hash(again) == hash(labels)
    assert list(labels) == sorted(labels)
    assert Labels.of(labels.as_dict()) == labels
    assert len(labels) == len(labels.as_dict())


def test_keywords_win_over_the_mapping() -> None:
    assert Labels.of({"a": "1", "b": "2"}, b="3") == Labels((("a", "1"), ("b", "3")))


def test_labels_read_as_pairs() -> None:
    assert str(Labels.of(version="7", region="eu")) == "region=eu,version=7"
    assert str(Labels()) == ""


@pytest.mark.parametrize("key", ["", "A", "1a", "a-b", "a.b", "_a", "a b", "ä", "a\n", "a" * 64])
def test_a_key_that_is_not_allowed_is_named_with_what_is(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Labels.of({key: "x"})
    assert repr(key) in str(caught.value)
    assert "[a-z][a-z0-9_]{0,62}" in str(caught.value)


@pytest.mark.parametrize("key", ["a", "a1", "a_b", "a" * 63])
def test_a_key_that_is_allowed_is_taken(key: str) -> None:
    assert Labels.of({key: "x"}).as_dict() == {key: "x"}


@pytest.mark.parametrize(
    ("value", "fine"),
    [("x" * MAX_VALUE_BYTES, True), ("x" * 257, False), ("ä" * 128, True), ("ä" * 129, False)],
)
def test_a_value_is_at_most_256_bytes(value: str, *, fine: bool) -> None:
    if fine:
        assert Labels.of(a=value).as_dict() == {"a": value}
        return
    with pytest.raises(ConfigError, match="label a has a value over 256 bytes"):
        Labels.of(a=value)


@pytest.mark.parametrize(
    "pairs", [(("b", "1"), ("a", "1")), (("a", "1"), ("a", "1")), (("a", "1"), ("a", "2"))]
)
def test_pairs_must_be_sorted_and_distinct(pairs: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ConfigError, match="sorted and have distinct keys"):
        Labels(pairs)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ([], True),
        ([("region", "eu")], True),
        ([("region", "eu"), ("region", "us")], True),
        ([("region", "us")], False),
        ([("region", "eu"), ("version", "7")], True),
        ([("region", "eu"), ("version", "8")], False),
        ([("absent", "x")], False),
        ([("absent", "")], False),
    ],
)
def test_a_filter_is_or_inside_a_key_and_and_across_keys(
    wanted: list[tuple[str, str]], *, matches: bool
) -> None:
    assert LabelFilter.of(wanted).matches(Labels.of(region="eu", version="7")) is matches


@given(strategies.label_sets, st.lists(st.tuples(st.just("z"), st.text(max_size=3)), max_size=3))
def test_every_set_matches_the_filter_of_its_own_pairs(
    labels: Labels, more: list[tuple[str, str]]
) -> None:
    assert LabelFilter.of(list(labels)).matches(labels)
    narrower = LabelFilter.of([*labels, *more])
    assert narrower.matches(labels) == (not more or dict(labels).get("z") is not None)
