"""Pages of series as Arrow streams: one row for each point, one column for each value.

pyarrow is optional. A collector without it refuses Arrow and says what to install.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec

from nilometer_collector.api.coverage import CoverageView
from nilometer_collector.api.forms import Form
from nilometer_collector.api.points import MomentsView, PointView, SeriesPage

if TYPE_CHECKING:
    import pyarrow

MICROSECONDS = 1_000_000  # microseconds in a second
# Fields that map names to values. Each name has a column: quantiles.0.5, rates.per_second.
NAMED = ("quantiles", "cdf", "rates", "statistics", "distances", "other_distances")


def arrow_stream(page: SeriesPage) -> bytes:
    """Return *page* as an Arrow IPC stream. Its metadata has the entity, `next` and the levels."""
    import pyarrow

    rows = [(series, point) for series in page.series for point in series.points]
    points = [point for _, point in rows]
    instant, text = pyarrow.timestamp("us", "UTC"), pyarrow.string()
    whole = pyarrow.int64()
    labels = [list(series.labels.items()) for series, _ in rows]
    columns = {
        "summary": pyarrow.array([series.summary for series, _ in rows], text),
        "labels": pyarrow.array(labels, pyarrow.map_(text, text)),
        "window_start": pyarrow.array([_instant(one.window_start) for one in points], instant),
        "window_end": pyarrow.array([_instant(one.window_end) for one in points], instant),
        "level": pyarrow.array([one.level for one in points], text),
        "samples": pyarrow.array([one.samples for one in points], whole),
        "count": pyarrow.array([one.count for one in points], whole),
        **_named(points),
        **_nested(points),
    }
    metadata = {
        "entity": page.entity,
        "next": page.next or "",
        "levels": msgspec.json.encode(page.levels).decode(),
    }
    table = pyarrow.table(columns).replace_schema_metadata(metadata)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _named(points: Sequence[PointView]) -> dict[str, "pyarrow.Array"]:
    """Return one column of numbers for each name in the fields `NAMED`."""
    import pyarrow

    found = {}
    for field in NAMED:
        values: list[Mapping[str, float | None]] = []
        for point in points:
            value = getattr(point, field)
            values.append({} if value is msgspec.UNSET else value)
        for name in dict.fromkeys(key for value in values for key in value):
            column = [value.get(name) for value in values]
            found[f"{field}.{name}"] = pyarrow.array(column, pyarrow.float64())
    return found


def _nested(points: Sequence[PointView]) -> dict[str, "pyarrow.Array"]:
    """Return the columns of the nested fields that are present."""
    import pyarrow

    text, whole, number = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    numbers = pyarrow.list_(number)
    counts = pyarrow.map_(text, whole)
    coverage = [
        (field.name, whole if field.type is int else counts)
        for field in msgspec.structs.fields(CoverageView)
    ]
    kinds = {
        "histogram": pyarrow.struct(
            [("edges", numbers), ("counts", numbers), ("estimated", pyarrow.bool_())]
        ),
        "moments": pyarrow.struct([(name, number) for name in MomentsView.__struct_fields__]),
        "top": pyarrow.list_(
            pyarrow.struct([("value", text), ("count", whole), ("ratio", number)])
        ),
        "coverage": pyarrow.struct(coverage),
        "other_count": whole,
        "sample": pyarrow.binary(),
    }
    found = {}
    for field, kind in kinds.items():
        values = [getattr(point, field) for point in points]
        if any(value is not msgspec.UNSET for value in values):
            plain = [_plain(one) for one in values]
            found[field] = pyarrow.array([_with_pairs(one) for one in plain], kind)
    return found


def _plain(value: object) -> object:
    """Return a field as builtins; None if it is absent. Bytes stay bytes."""
    if value is msgspec.UNSET:
        return None
    return msgspec.to_builtins(value, builtin_types=(bytes,))


def _with_pairs(value: object) -> object:
    """Return a structure with its mappings as pairs, the form in which Arrow takes maps."""
    if not isinstance(value, dict):
        return value
    return {
        name: list(part.items()) if isinstance(part, dict) else part for name, part in value.items()
    }


def _instant(at: float) -> int:
    """Convert Unix seconds to whole microseconds."""
    return round(at * MICROSECONDS)


def _missing() -> str:
    """Return the reason why pages cannot be encoded as Arrow; empty if they can."""
    if find_spec("pyarrow") is not None:
        return ""
    return f"{MEDIA_TYPE} needs pyarrow: install nilometer[arrow] beside the collector"


MEDIA_TYPE = "application/vnd.apache.arrow.stream"
ARROW = Form(media_type=MEDIA_TYPE, encode=arrow_stream, missing=_missing)
