"""Results as tables and as drawings: the same numbers, and no markup of others."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any

import pytest

from nilometer.client.answers import Moments, Point, Series
from nilometer.client.drawing import line, number, sparkline
from nilometer.client.samples import Sample, Samples
from nilometer.client.series_table import SeriesTable
from nilometer_collector.testing import ENTITY, feature_sample, minute, service_sample

HOSTILE = "<script>alert('x')</script>&\""


def points(*values: float | None) -> list[Point]:
    return [
        Point(
            window_start=60.0 * at,
            window_end=60.0 * at + 60,
            level="5m",
            samples=1,
            count=at,
            quantiles={"0.5": value},
        )
        for at, value in enumerate(values)
    ]


def numbers(labels: dict[str, str] | None = None) -> Samples:
    made = [feature_sample([1.0 * n, 2.0, 3.0], window=minute(n), labels=labels) for n in range(3)]
    return Samples(ENTITY, "input.amount", map(Sample, made))


TABLE = SeriesTable("e", [Series(summary="s", labels={"v": "1"}, points=points(1.0, None))])
RESULTS: dict[str, Samples | SeriesTable] = {
    "numbers": numbers({"v": HOSTILE}),
    "categories": Samples(
        ENTITY, "input.country", [Sample(feature_sample([HOSTILE, "de", None, HOSTILE]))]
    ),
    "service": Samples(ENTITY, "service", [Sample(service_sample([0.1, 0.2]))]),
    "nothing": Samples(HOSTILE, HOSTILE, []),
    "table": SeriesTable(
        HOSTILE, [Series(summary=HOSTILE, labels={"v": HOSTILE}, points=points(1.0, None, 2.0))]
    ),
    "empty table": SeriesTable(HOSTILE, []),
}


@pytest.mark.parametrize("name", RESULTS)
def test_drawings_are_well_formed_and_escaped(name: str) -> None:
    result = RESULTS[name]
    drawings = [result._repr_html_()]
    if isinstance(result, Samples):
        drawings += [one._repr_html_() for one in result]
    for drawn in drawings:
        ET.fromstring(drawn)
        assert "<script" not in drawn


def test_a_plot_has_the_values_at_its_ends() -> None:
    drawn = numbers()._repr_html_()
    window = numbers()[0].start
    assert f"<span>{window:%Y-%m-%d %H:%M}</span>" in drawn
    assert "<span>0</span>" in drawn  # the smallest value
    assert "line: median; band: quantiles 0.05 to 0.95; 3 windows" in drawn
    assert "<span>3</span>" in numbers().merge()._repr_html_()
    assert "latency in seconds" in RESULTS["service"]._repr_html_()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (19_244.0, "19,244"),
        (999.9, "999.9"),
        (0.00017, "0.00017"),
        (-4162.4, "-4,162"),
        (1e15, "1e+15"),
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_is_short_and_has_no_exponent_if_people_can_read_it(
    value: float | None, text: str
) -> None:
    assert number(value) == text


def test_a_line_has_gaps_and_survives_any_number() -> None:
    drawn = line([1.0, 2.0, None, 3.0, float("nan"), 1e308, -1e308])
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 1
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert "<polyline" in line([5.0, 5.0])
    assert ET.fromstring(line([])).tag.endswith("svg")


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"), ([1, None, 2], "▁ █"), ([3, 3], "▅▅"), ([], "")],
)
def test_a_sparkline_has_a_character_for_each_value(values: list[float | None], drawn: str) -> None:
    assert sparkline(values) == drawn


def test_a_table_has_a_row_for_each_point_in_arrow() -> None:
    table = TABLE.to_arrow()
    assert table.column_names == [
        *("summary", "window_start", "window_end", "labels.v", "count", "quantiles.0.5")
    ]
    assert table.column("quantiles.0.5").to_pylist() == [1.0, None]
    assert [one.timestamp() for one in table.column("window_start").to_pylist()] == [0.0, 60.0]
    assert RESULTS["empty table"].to_arrow().num_rows == 0
    rows = numbers({"v": "1"}).to_arrow().to_pylist()
    assert [row["p50"] for row in rows] == [2.0, 2.0, 2.0]
    assert [(row["labels.v"], row["count"], row["seen"]) for row in rows] == [("1", 3, 3)] * 3
    assert rows[0]["unseen_ratio"] is None


def test_moments_have_columns_of_their_own() -> None:
    moments = Moments(
        mean=1.0, standard_deviation=2.0, skewness=None, kurtosis=None, minimum=0.0, maximum=3.0
    )
    (point,) = points(None)
    point = Point(
        **{name: getattr(point, name) for name in Point.__struct_fields__} | {"moments": moments}
    )
    found = SeriesTable("e", [Series(summary="s", labels={}, points=[point])])
    rows = {column.name: column.cells for column in found.columns()}
    assert (rows["mean"], rows["skewness"], rows["maximum"]) == ([1.0], [None], [3.0])


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("polars", "to_polars")])
def test_a_data_frame_has_the_columns_with_their_types(
    monkeypatch: pytest.MonkeyPatch, package: str, method: str
) -> None:
    """A stand-in records what the package receives, because neither is needed otherwise."""

    def frame(cells: dict[str, Any], schema: dict[str, Any] | None = None) -> dict[str, Any]:
        return cells if schema is None else {n: (cells[n], schema[n]) for n in cells}

    fake = SimpleNamespace(
        DataFrame=frame,
        Series=lambda cells, dtype: (cells, dtype),
        Datetime=lambda unit, zone: f"datetime64[{unit}, {zone}]",
        String="object",
        Int64="int64",
        Float64="float64",
    )
    monkeypatch.setitem(sys.modules, package, fake)
    made: Any = getattr(TABLE, method)()
    assert {name: dtype for name, (_, dtype) in made.items()} == {
        "summary": "object",
        "window_start": "datetime64[us, UTC]",
        "window_end": "datetime64[us, UTC]",
        "labels.v": "object",
        "count": "int64",
        "quantiles.0.5": "float64",
    }
    assert made["quantiles.0.5"][0] == [1.0, None]


@pytest.mark.parametrize("package", ["pandas", "polars", "pyarrow"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    method = {"pyarrow": "to_arrow"}.get(package, f"to_{package}")
    convert = getattr(TABLE, method)
    with pytest.raises(ModuleNotFoundError, match=f"{method} needs {package}: pip install"):
        convert()


def test_importing_the_client_imports_nothing_heavy() -> None:
    """These take 10 to 200 ms each; they are imported when they are first needed."""
    code = (
        "import sys; from nilometer import AsyncClient, Client; import nilometer.client; "
        "heavy = {'httpx', 'msgspec', 'numpy', 'google.protobuf', 'pyarrow', 'anyio', 'ssl', 'random'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"
