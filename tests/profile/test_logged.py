"""Contents that users log: merges are exact in every order and grouping, and travel without loss."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import permutations
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nilometer.compare.difference import difference
from nilometer.profile import Content, Coverage, FeatureProfile, SummarySample
from nilometer.profile.logged import confusion_matrix as logged_confusion
from nilometer.profile.logged import line as logged_line
from nilometer.profile.logged import table as logged_table
from nilometer.profile.logged.amounts import (
    MAX_VALUE,
    Aggregation,
    Amount,
    Amounts,
    Head,
    Stamp,
)
from nilometer.profile.logged.confusion_matrix import MAX_MERGED_LABELS, ConfusionMatrix
from nilometer.profile.logged.line import MAX_MERGED_POINTS, MAX_POINTS, Line
from nilometer.profile.logged.logged import Logged
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import MAX_MERGED_ROWS, Table, Value
from nilometer.profile.logged.text import Text
from nilometer.sketch.exact import units_of
from nilometer.values.labels import OVERFLOW_KEY, Labels
from nilometer.values.window import Window
from nilometer.wire.samples import sample_from_bytes, sample_to_bytes

WINDOW = Window(0, 60 * 10**9)

floats = st.floats(-MAX_VALUE, MAX_VALUE)
stamps = st.builds(Stamp, st.integers(0, 3), st.integers(0, 3))
names = st.sampled_from(["a", "b", "ü", ""])
counts = st.integers(0, 1 << 28)


def heads(aggregation: Aggregation) -> st.SearchStrategy[Head]:
    return st.builds(Head, st.just(aggregation), st.just("s"), stamps)


def contents(kind: type[Content], aggregation: Aggregation) -> st.SearchStrategy[Any]:
    """Samples of one *kind* that merge with each other."""
    head, weight = heads(aggregation), st.integers(1, 3)
    match kind.kind:
        case Number.kind:
            return st.builds(Number.of, floats, head, weight)
        case Text.kind:
            return st.builds(Text, names, st.just(1), stamps)
        case Matrix.kind:
            rows = st.lists(st.lists(floats, min_size=2, max_size=2), min_size=2, max_size=2)
            return st.builds(Matrix.of, rows, head, weight)
        case Line.kind:
            points = st.lists(
                st.tuples(st.sampled_from([-1.0, -0.0, 0.5]), floats),
                min_size=1,
                unique_by=lambda point: point[0] + 0.0,
            )
            return st.builds(Line.of, points, head, weight)
        case ConfusionMatrix.kind:
            labels = st.sampled_from([["a", "b"], ["b", "c"]])
            cells = st.lists(st.lists(counts, min_size=2, max_size=2), min_size=2, max_size=2)
            return st.builds(ConfusionMatrix.of, labels, cells, head)
        case _:
            return tables(head, weight)


def tables(head: st.SearchStrategy[Head], weight: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    """Tables of the same columns, any of which may lack values in a whole table."""
    row = st.tuples(st.none() | names, st.none() | names, st.none() | floats)
    return st.builds(Table.of, st.just(["k", "l", "v"]), st.lists(row, max_size=5), head, weight)


def packed(content: Content) -> bytes:
    """The bytes on the wire, which hold everything that can be read."""
    return sample_to_bytes(
        SummarySample(
            entity="e",
            summary="logged.x",
            labels=Labels(),
            window=WINDOW,
            coverage=Coverage(profiled=1),
            content=content,
        )
    )


KINDS: list[type[Any]] = [Number, Text, Table, Matrix, Line, ConfusionMatrix]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@settings(max_examples=25)
@given(data=st.data(), aggregation=st.sampled_from(Aggregation))
def test_every_order_and_grouping_gives_the_same_bits(
    kind: type[Any], aggregation: Aggregation, data: st.DataObject
) -> None:
    parts = data.draw(st.lists(contents(kind, aggregation), min_size=1, max_size=5))
    whole = packed(kind.merge_all(parts))
    shuffled = data.draw(st.permutations(parts))
    cut = data.draw(st.integers(0, len(parts)))
    groups = [kind.merge_all(shuffled[:cut]), kind.merge_all(shuffled[cut:])]
    assert packed(kind.merge_all(shuffled)) == whole
    assert packed(kind.merge_all(groups)) == whole
    assert kind.merge_all(parts).count == len(parts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@settings(max_examples=25)
@given(data=st.data(), aggregation=st.sampled_from(Aggregation))
def test_the_wire_loses_nothing(
    kind: type[Any], aggregation: Aggregation, data: st.DataObject
) -> None:
    merged = kind.merge_all(data.draw(st.lists(contents(kind, aggregation), max_size=4)))
    assert sample_from_bytes(packed(merged)).content == merged


@settings(max_examples=50)
@given(values=st.lists(st.tuples(floats, st.integers(1, 1000)), min_size=1, max_size=6))
def test_a_sum_and_a_weighted_mean_are_rounded_once(values: list[tuple[float, int]]) -> None:
    def merged(aggregation: Aggregation) -> float | None:
        head = Head(aggregation)
        return Number.merge_all(Number.of(value, head, weight) for value, weight in values).value

    exact = sum(Fraction(value) for value, _ in values)
    weighted = sum(Fraction(value) * weight for value, weight in values)
    assert merged(Aggregation.SUM) == float(exact)
    assert merged(Aggregation.MEAN) == float(weighted / sum(weight for _, weight in values))
    assert merged(Aggregation.MIN) == min(value for value, _ in values)
    assert merged(Aggregation.MAX) == max(value for value, _ in values)


@settings(max_examples=200)
@given(
    st.lists(
        st.floats(-1e300, 1e300, allow_subnormal=True)
        | st.sampled_from([1.0, -1.0, 2.0**-53, -(2.0**-54), 2.0**53, 5e-324, 2.0**-1022]),
        min_size=2,
        max_size=6,
    ),
    st.integers(1, 5),
)
def test_a_sum_has_one_form_however_it_is_grouped(values: list[float], cut: int) -> None:
    amounts = [Amount.of(value, Aggregation.SUM) for value in values]
    whole = functools.reduce(Amount.plus, amounts)
    assert whole == Amount.of_units(sum(map(units_of, values)), len(values))
    head, tail = amounts[:cut], amounts[cut:]
    if tail:
        assert (
            functools.reduce(Amount.plus, head).plus(functools.reduce(Amount.plus, tail)) == whole
        )


FEW = 3  # keys that a merged content keeps in the tests below
SIZED: list[type[Any]] = [Table, Line, ConfusionMatrix]


@contextmanager
def few_keys() -> Iterator[None]:
    with (
        patch.object(logged_table, "MAX_MERGED_ROWS", FEW),
        patch.object(logged_line, "MAX_MERGED_POINTS", FEW),
        patch.object(logged_confusion, "MAX_MERGED_LABELS", FEW),
    ):
        yield


def of_keys(kind: type[Any], keys: Sequence[int], value: float, head: Head, weight: int) -> Any:
    """A content whose rows, points or classes are *keys*."""
    if kind is Table:
        return Table.of(["k", "l", "v"], [[str(key), None, value] for key in keys], head, weight)
    if kind is Line:
        return Line.of([(float(key), value) for key in keys], head, weight)
    counts = [[row + column for column in keys] for row in keys]
    return ConfusionMatrix.of([str(key) for key in keys], counts, head)


def keys_of(content: Any) -> int:
    if isinstance(content, ConfusionMatrix):
        return len(content.labels)
    return len(content.rows if isinstance(content, Table) else content.amounts.cells)


def total(contents: Sequence[Any]) -> tuple[int, int]:
    """The exact sum of all units and weights."""
    cells = [cell for content in contents for cell in content.amounts.cells.values()]
    return sum(cell.units for cell in cells), sum(cell.weight for cell in cells)


@pytest.mark.parametrize("kind", SIZED, ids=lambda kind: kind.kind)
@settings(max_examples=50)
@given(data=st.data())
def test_keys_over_the_limit_are_folded_whatever_the_order_and_grouping(
    kind: type[Any], data: st.DataObject
) -> None:
    aggregation = data.draw(
        st.sampled_from([one for one in Aggregation if one is not Aggregation.LAST])
    )
    keys = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)
    one = st.builds(of_keys, st.just(kind), keys, floats, heads(aggregation), st.integers(1, 3))
    parts = data.draw(st.lists(one, min_size=2, max_size=6))
    with few_keys():
        whole = kind.merge_all(parts)
        groups = data.draw(st.permutations(parts))
        while len(groups) > 1:
            cut = data.draw(st.integers(2, len(groups)))
            groups = [*groups[cut:], kind.merge_all(groups[:cut])]
        assert packed(kind.merge_all(groups)) == packed(whole)
    assert keys_of(whole) <= FEW + 1
    assert whole.count == len(parts)
    if aggregation in {Aggregation.SUM, Aggregation.MEAN}:
        assert total([whole]) == total(parts)


def test_a_table_of_too_many_rows_keeps_the_smallest_and_the_sum_of_the_others() -> None:
    head = Head(Aggregation.SUM)
    parts = [
        Table.of(["user", "n"], [[f"{at:04d}", 1.0] for at in range(first, first + 512)], head)
        for first in range(0, 9 * 512, 512)
    ]
    rows = sample_from_bytes(packed(Table.merge_all(parts))).content.rows  # type: ignore[attr-defined]
    assert rows[:MAX_MERGED_ROWS] == [[f"{at:04d}", 1.0] for at in range(MAX_MERGED_ROWS)]
    assert rows[MAX_MERGED_ROWS:] == [[OVERFLOW_KEY, 512.0]]


def test_a_line_of_too_many_points_keeps_those_of_smallest_x() -> None:
    head = Head(Aggregation.MAX)
    points = [(float(x), float(x)) for x in range(9 * MAX_POINTS)]
    parts = [Line.of(points[at::9], head) for at in range(9)]
    merged = sample_from_bytes(packed(Line.merge_all(parts))).content
    assert isinstance(merged, Line)
    assert merged.points == points[:MAX_MERGED_POINTS]
    assert merged.overflow == points[-1][1]
    assert Line.merge_all(parts[:8]).overflow is None


def test_the_accuracy_is_unknown_if_overflowing_classes_are_predicted() -> None:
    head = Head(Aggregation.SUM)
    names = [f"{at:03d}" for at in range(MAX_MERGED_LABELS)]
    known = [ConfusionMatrix.of([name], [[1]], head) for name in names]
    over = ConfusionMatrix.of(["000", "x", "y"], [[0, 1, 0], [0, 0, 0], [0, 0, 0]], head)
    beside = ConfusionMatrix.merge_all([*known, over])
    assert beside.labels == (*names, OVERFLOW_KEY)
    assert beside.accuracy == 256 / 257
    merged = ConfusionMatrix.merge_all([beside, ConfusionMatrix.of(["y"], [[2]], head)])
    assert merged.counts[-1][-1] == 2.0
    assert merged.accuracy is None
    assert sample_from_bytes(packed(merged)).content == merged


@pytest.mark.parametrize(
    "log",
    [
        lambda: Table.of(["k"], [["a"], [OVERFLOW_KEY]], Head()),
        lambda: ConfusionMatrix.of([OVERFLOW_KEY], [[1]], Head()),
        lambda: Line.of([(math.inf, 1.0)], Head()),
    ],
)
def test_the_names_of_the_overflow_are_reserved(log: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"reserved|finite"):
        log()


def number(value: float, head: Head | None = None) -> Number:
    return Number.of(value, head or Head())


def test_the_last_is_of_the_latest_window_then_of_the_latest_creation() -> None:
    parts = [number(1.0, Head(stamp=Stamp(2, 1))), number(2.0, Head(stamp=Stamp(1, 9)))]
    assert Number.merge_all(parts).value == 1.0
    again = [*parts, number(3.0, Head(stamp=Stamp(2, 2)))]
    for order in permutations(again):
        assert Number.merge_all(order).value == 3.0


def test_rows_with_equal_texts_merge_and_a_missing_number_counts_nothing() -> None:
    head = Head(Aggregation.MEAN)
    one = Table.of(["k", "v"], [["a", 1.0], [None, 5.0], ["b", None]], head)
    other = Table.of(["k", "v"], [["b", 4.0], ["a", 3.0]], head, 3)
    assert Table.merge_all([one, other]).rows == [[None, 5.0], ["a", 2.5], ["b", 4.0]]


def test_a_column_without_a_value_merges_with_texts_and_with_numbers() -> None:
    head = Head(Aggregation.SUM)
    logged: list[list[list[Value]]] = [
        [[None, 1.0]],
        [["a", 2.0], [None, None]],
        [["a", 4.0], [None, 8.0]],
    ]
    parts = [Table.of(["k", "v"], rows, head) for rows in logged]
    assert Table.merge_all(parts).rows == [[None, 9.0], ["a", 6.0]]
    assert [part.shape for part in parts[:2]] == [
        (("k", ""), ("v", "number")),
        (("k", "text"), ("v", "number")),
    ]
    numbers = [Table.of(["v"], [[value]], head) for value in (None, 2.0)]
    assert Table.merge_all(numbers).rows == [[2.0]]


def test_the_last_table_keeps_its_order_and_its_equal_rows() -> None:
    rows: list[Any] = [["b", 1.0], ["a", 2.0], ["b", 1.0]]
    table = Table.of(["k", "v"], rows, Head())
    assert Table.merge_all([table]).rows == rows


def test_confusion_matrices_of_other_classes_merge() -> None:
    head = Head(Aggregation.SUM)
    one = ConfusionMatrix.of(["b", "a"], [[5, 1], [0, 2]], head)
    merged = ConfusionMatrix.merge_all([one, ConfusionMatrix.of(["c"], [[4]], head)])
    assert merged.labels == ("a", "b", "c")
    assert merged.counts == [[2.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.0, 0.0, 4.0]]
    assert merged.accuracy == 11 / 12


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([number(1.0, Head(Aggregation.SUM)), number(1.0)], "aggregations"),
        ([number(1.0, Head(unit="s")), number(1.0)], "units"),
        (
            [Matrix.of(rows, Head(Aggregation.SUM)) for rows in ([[1.0]], [[1.0, 2.0]])],
            "shapes",
        ),
        (
            [Table.of([name], [[1.0]], Head(Aggregation.SUM)) for name in ("a", "b")],
            "columns",
        ),
        (
            [Table.of(["k"], [[value]], Head(Aggregation.SUM)) for value in ("a", 1.0)],
            "'k' has texts and numbers",
        ),
    ],
)
def test_what_does_not_merge_says_why(parts: Sequence[Logged[Any]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        type(parts[0]).merge_all(parts)


def matrix(*rows: list[float]) -> Matrix:
    return Matrix.of(rows, Head())


def line(*points: tuple[float, float]) -> Line:
    return Line.of(points, Head())


def confusion(*rows: list[int]) -> ConfusionMatrix:
    return ConfusionMatrix.of(["no", "yes"], rows, Head())


def table(*rows: list[Any]) -> Table:
    return Table.of(["k", "v"], rows, Head())


@pytest.mark.parametrize(
    ("reference", "current", "distance"),
    [
        (number(1.0), number(3.0), 0.5),
        (number(0.0), number(0.0), 0.0),
        (number(-1.0), number(1.0), 1.0),
        (number(MAX_VALUE), number(-MAX_VALUE), 1.0),
        (Text("a", 1), Text("b", 1), 1.0),
        (Text("a", 1), Text("a", 2), 0.0),
        (matrix([1.0, 2.0]), matrix([1.0, 4.0]), 0.25),
        (table(["a", 1.0]), table(["a", 3.0]), 0.5),
        (table(["a", 1.0]), table(["b", 1.0]), 1.0),
        (table(["a", None]), table(["a", None]), 0.0),
        (table([None, 1.0], ["a", 3.0]), table([None, 1.0]), 0.6),
        (table(["a", 1.0], ["b", 2.0]), table(["b", 2.0], ["a", 1.0]), 0.0),
        (line((0.0, 1.0), (1.0, 1.0)), line((0.0, 1.0), (0.5, 1.0), (1.0, 1.0)), 0.0),
        (line((0.0, 0.0), (1.0, 1.0)), line((0.0, 0.0), (1.0, 3.0)), 0.5),
        (line((0.0, 1.0), (2.0, 1.0)), line((1.0, 3.0), (9.0, 3.0)), 0.5),
        (line((1.0, 2.0)), line((0.0, 0.0), (2.0, 2.0)), 1 / 3),
        (confusion([9, 1], [0, 10]), confusion([90, 10], [0, 100]), 0.0),
        (confusion([10, 0], [0, 10]), confusion([5, 5], [0, 10]), 0.25),
        (confusion([1, 0], [0, 0]), confusion([0, 1], [0, 0]), 1.0),
    ],
)
def test_a_distance_is_that_by_hand_and_symmetric(
    reference: Content, current: Content, distance: float
) -> None:
    assert difference(reference, current).distance == pytest.approx(distance, abs=1e-15)
    assert difference(current, reference).distance == pytest.approx(distance, abs=1e-15)


def test_a_change_is_the_current_side_less_the_reference() -> None:
    changed = difference(matrix([1.0, 2.0]), matrix([4.0, 0.5])).change
    assert isinstance(changed, Matrix)
    assert changed.values == [[3.0, -1.5]]
    curve = difference(line((0.0, 0.0), (2.0, 2.0)), line((1.0, 5.0))).change
    assert isinstance(curve, Line)
    assert curve.points == [(1.0, 4.0)]


@pytest.mark.parametrize(
    ("reference", "current", "why"),
    [
        (number(1.0), matrix([1.0]), "different types"),
        (number(1.0), Number(), "no samples"),
        (matrix([1.0]), matrix([1.0, 2.0]), "different shapes"),
        (line((0.0, 1.0)), line((1.0, 1.0)), "no x in common"),
        (Line(Amounts.of(Head(), {})), line((1.0, 1.0)), "no points"),
        (
            line((0.0, 0.0), (1e-300, 1e270)),
            line((0.0, 0.0), (5e-301, 1.0), (1e-300, 1.0)),
            "too steep",
        ),
        (line((-1e308, 1.0), (1e308, 1.0)), line((-1e308, 1.0), (1e308, 2.0)), "too long"),
        (confusion([0, 0], [0, 0]), confusion([1, 0], [0, 0]), "no predictions"),
        (table(["a", 1.0]), Table.of(["k"], [["a"]], Head()), "different columns"),
        (table(["a", 1.0]), table([2.0, 1.0]), "'k' has texts and numbers"),
        (FeatureProfile(), FeatureProfile(), "no samples"),
    ],
)
def test_sides_that_cannot_be_compared_say_why(
    reference: Content, current: Content, why: str
) -> None:
    found = difference(reference, current)
    assert (found.distance, found.change) == (None, None)
    assert why in found.why


@settings(max_examples=50)
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_a_distance_is_a_share_whatever_the_sides(kind: type[Any], data: st.DataObject) -> None:
    sides = st.lists(contents(kind, Aggregation.SUM), min_size=1, max_size=2).map(kind.merge_all)
    found = difference(data.draw(sides), data.draw(sides))
    assert found.distance is None or 0.0 <= found.distance <= 1.0 + 1e-12
    assert found.distance is None or math.isfinite(found.distance)
