"""Profiles of tables: the same profiles as live, over a Parquet file or an Arrow table.

A column named ``input.x`` or ``output.y`` has its role in its name; any other is an input.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nilometer.compare.bins import exact_reference_column
from nilometer.entity import Role, entity_name, role_of, summary_name
from nilometer.errors import ConfigError
from nilometer.profile import FeatureProfile, FeatureSpec, Reference, ReferenceColumn
from nilometer.profile.reference import INPUT_BINS, OUTPUT_BINS
from nilometer.wire.alerts import with_digest

if TYPE_CHECKING:
    import pyarrow

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 20


def read_table(path: Path) -> "pyarrow.Table":
    """The table in a Parquet, CSV or JSON-lines file.

    Raises:
        ConfigError: If pyarrow is missing or the file cannot be read as its suffix says.
    """
    try:
        import pyarrow
        from pyarrow import csv, json, parquet
    except ImportError as error:
        raise ConfigError(
            "profiling a file needs pyarrow: pip install 'nilometer[batch]'"
        ) from error
    readers: Mapping[str, Any] = {
        ".parquet": parquet.read_table,
        ".csv": csv.read_csv,
        ".jsonl": json.read_json,
        ".ndjson": json.read_json,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: must end in one of {', '.join(readers)}")
    try:
        return reader(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(f"{path}: {error}") from error


def reference_of(
    table: "pyarrow.Table", *, entity: str, name: str, source: str, created_ns: int
) -> Reference:
    """The profile of *table* as a reference: category names are readable, edges are exact.

    Raises:
        ConfigError: If the table has no rows or the entity's name is not allowed.
    """
    entity_name(entity)
    if not table.num_rows:
        raise ConfigError(f"{source}: a reference needs at least one row")
    columns: dict[str, ReferenceColumn] = {}
    for column in table.column_names:
        role = role_of(column)
        summary = column if role else summary_name(Role.INPUT, column)
        bins = OUTPUT_BINS if role is Role.OUTPUT else INPUT_BINS
        columns[summary] = _column(table.column(column), bins)
    return with_digest(
        Reference(
            entity=entity,
            name=name,
            rows=table.num_rows,
            created_ns=created_ns,
            source=source,
            columns=columns,
            digest="",
        )
    )


def _column(column: "pyarrow.ChunkedArray", bins: int) -> ReferenceColumn:
    import pyarrow.types as kinds

    profile = FeatureProfile(spec=FeatureSpec(readable=True))
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        profile.observe_missing(column.null_count)
        numbers = column.drop_null().to_numpy().astype(np.float64)
        profile.observe_numbers(numbers)
        return exact_reference_column(profile, numbers[np.isfinite(numbers)], bins)
    if kinds.is_string(column.type) or kinds.is_large_string(column.type):
        profile.observe_missing(column.null_count)
        counted = column.drop_null().value_counts()
        profile.observe_categories(
            {entry["values"].as_py(): entry["counts"].as_py() for entry in counted}
        )
        return ReferenceColumn(feature=profile, edges=())
    profile.observe(column.to_pylist())
    return ReferenceColumn(feature=profile, edges=())


def as_json(reference: Reference) -> dict[str, object]:
    """What `nilometer profile --json` prints."""
    features = {
        name: feature_json(column.feature) for name, column in sorted(reference.columns.items())
    }
    return {"entity": reference.entity, "rows": reference.rows, "features": features}


def feature_json(feature: FeatureProfile) -> dict[str, object]:
    """One feature for a machine: a number that does not exist is null."""
    quantiles: dict[str, float] = {}
    if feature.numbers.moments.count:
        found = feature.numbers.digest.quantile(QUANTILES)
        quantiles = {f"{q:g}": float(value) for q, value in zip(QUANTILES, found, strict=True)}
    return {
        "type": feature.data_type,
        "count": feature.count,
        "missing": feature.missing,
        "min": feature.numbers.digest.min,
        "max": feature.numbers.digest.max,
        "mean": feature.numbers.moments.mean if feature.numbers.moments.count else None,
        "quantiles": quantiles,
        "distinct": None if feature.distinct is None else round(feature.distinct.estimate),
        "top": [[value, count] for value, count in feature.categories.top(TOP)],
    }
