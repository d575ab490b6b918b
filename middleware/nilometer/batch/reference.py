"""Profiles of tables: the same profiles as live, over a Parquet file or an Arrow table.

A column named ``input.x`` or ``output.y`` has its role in its name; any other is an input.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nilometer.compare.bins import categorical_reference_column
from nilometer.profile import FeatureProfile, FeatureSpec, Reference, ReferenceColumn
from nilometer.profile.category import (
    DICTIONARY_HASHES,
    DICTIONARY_NAMES,
    MAX_NAME_CHARACTERS,
    NULL_LIKE,
    Dictionary,
)
from nilometer.profile.derived import Derivation
from nilometer.profile.derived.vectors import Embedding
from nilometer.profile.feature import BOOLEAN, FeatureRecorder
from nilometer.profile.numeric import Bounds
from nilometer.profile.profiler import Column, Profiler
from nilometer.profile.reference import INPUT_BINS, OUTPUT_BINS
from nilometer.profiling.user_profilers import Runner
from nilometer.sketch.hashing import hash_bytes, hash_strings
from nilometer.sketch.histogram import quantile_edges
from nilometer.values.entity import Role, entity_name, role_of, summary_name
from nilometer.values.errors import ConfigError, NilometerError
from nilometer.wire.references import with_digest

if TYPE_CHECKING:
    import pyarrow

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 20
CHUNK_ROWS = 1 << 16
GUEST_SECONDS = 3600.0  # that a profiler may take for a table
PUBLISHED_AT_LEAST = 5  # rows of a reference that a name must have to be readable in it

Floats = NDArray[np.float64]


def read_table(path: Path) -> "pyarrow.Table":
    """The table in a Parquet, CSV or JSON-lines file.

    Raises:
        ConfigError: If pyarrow is missing or the file cannot be read as its suffix says.
    """
    pyarrow = _pyarrow()
    from pyarrow import csv, json, parquet

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


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise ConfigError(
            "profiling a table needs pyarrow: pip install 'nilometer[batch]'"
        ) from error
    return pyarrow


def table_of(frame: object) -> "pyarrow.Table":
    """An Arrow table of *frame*: a table itself, or anything that exports Arrow streams.

    Data frames of pandas and polars do.

    Raises:
        ConfigError: If pyarrow is missing or *frame* exports no Arrow stream.
    """
    pyarrow = _pyarrow()
    if isinstance(frame, pyarrow.Table):
        return frame
    if not hasattr(frame, "__arrow_c_stream__"):
        raise ConfigError(f"{type(frame).__name__} is no table: it exports no Arrow stream")
    return pyarrow.table(frame)


def profile_of(
    frame: object,
    spec_of: Callable[[str], FeatureSpec] | None = None,
    profilers: Sequence[Profiler] = (),
) -> dict[str, FeatureProfile]:
    """The profile of each column of *frame*, by summary name.

    Args:
        frame: An Arrow table or a data frame of pandas or polars, any number of rows.
        spec_of: What is known of a summary; by default names are readable and nothing else is
            known. `Reference.spec` compares with a reference.
        profilers: Of users, each run over the whole table at once.

    Raises:
        ConfigError: If *frame* is no table.
    """
    table = table_of(frame)
    specs = spec_of or (lambda _: FeatureSpec(readable=True))
    profiles: dict[str, FeatureProfile] = {}
    columns: dict[str, Column] = {}
    for column in table.column_names:
        summary = _summary(column)
        recorder = FeatureRecorder(specs(summary))
        _record(recorder, table.column(column))
        profiles[summary] = recorder.profile()
        columns |= _derived(summary, table.column(column), specs(summary))
    columns |= _of_guests(table, profilers)
    for summary, cells in columns.items():
        recorder = FeatureRecorder(specs(summary))
        recorder.observe(cells)
        profiles[summary] = recorder.profile()
    return profiles


def _derived(summary: str, column: "pyarrow.ChunkedArray", spec: FeatureSpec) -> dict[str, Column]:
    """Columns beside one of text, times, vectors or tensors."""
    import pyarrow.types as kinds

    kind = column.type
    wide = kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)
    if not (wide or kinds.is_timestamp(kind) or kinds.is_date(kind) or _is_long_text(column)):
        return {}
    found = Derivation()
    cells = column.to_pylist()
    return found.columns(summary, cells, expected=spec.expected, embedding=spec.embedding)


def _is_long_text(column: "pyarrow.ChunkedArray") -> bool:
    import pyarrow.compute

    if not _is_text(column) or not len(column):
        return False
    longest = pyarrow.compute.max(pyarrow.compute.utf8_length(column.cast("large_string")))
    return (longest.as_py() or 0) > MAX_NAME_CHARACTERS


def _of_guests(table: "pyarrow.Table", profilers: Sequence[Profiler]) -> dict[str, Column]:
    """Columns that profilers of users make of a table.

    Raises:
        NilometerError: If one of them fails: over a table somebody is there to mend it.
    """
    runner = Runner(profilers, budget_seconds=GUEST_SECONDS)
    wanted = {name for one in profilers for name in one.wants([*map(_summary, table.column_names)])}
    batch: dict[str, Column] = {
        _summary(name): table.column(name).to_pylist()
        for name in table.column_names
        if _summary(name) in wanted
    }
    found: dict[str, Column] = {}
    for values in runner.run(batch):
        found |= values.columns
    if runner.disarmed:
        failed = ", ".join(f"{name} ({fault.value})" for name, fault in runner.disarmed.items())
        raise NilometerError(f"profilers failed: {failed}")
    return found


def reference_of(
    table: "pyarrow.Table",
    *,
    entity: str,
    name: str,
    source: str,
    created_ns: int,
    profilers: Sequence[Profiler] = (),
) -> Reference:
    """The profile of *table* as a reference: edges and dictionaries are exact.

    Names of at least `PUBLISHED_AT_LEAST` rows are readable, rarer ones are known by their hash.

    Raises:
        ConfigError: If the table has no rows or the entity's name is not allowed.
    """
    entity_name(entity)
    if not table.num_rows:
        raise ConfigError(f"{source}: a reference needs at least one row")
    pyarrow = _pyarrow()
    columns: dict[str, ReferenceColumn] = {}
    derived = _of_guests(table, profilers)
    for column in table.column_names:
        summary = _summary(column)
        frozen = columns[summary] = _frozen(column, table)
        spec = FeatureSpec(expected=frozen.expected, embedding=frozen.embedding)
        derived |= _derived(summary, table.column(column), spec)
    for summary, cells in derived.items():
        columns[summary] = _frozen(summary, pyarrow.table({summary: pyarrow.array(cells)}))
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


def _summary(column: str) -> str:
    return column if role_of(column) else summary_name(Role.INPUT, column)


def _frozen(name: str, table: "pyarrow.Table") -> ReferenceColumn:
    column = table.column(name)
    bins = OUTPUT_BINS if role_of(name) is Role.OUTPUT else INPUT_BINS
    numbers = _numbers(column)
    if numbers is not None:
        finite = numbers[np.isfinite(numbers)]
        edges = (
            quantile_edges(np.quantile(finite, np.arange(1, bins) / bins)) if finite.size else ()
        )
        bounds = (
            Bounds(edges=edges, low=float(finite.min()), high=float(finite.max()))
            if edges
            else None
        )
        recorder = FeatureRecorder(FeatureSpec(bounds=bounds))
        _record(recorder, column)
        return ReferenceColumn(feature=recorder.profile(), edges=edges)
    dictionary = _dictionary(column) if _is_text(column) else None
    recorder = FeatureRecorder(FeatureSpec(dictionary=dictionary))
    _record(recorder, column)
    feature = recorder.profile()
    embedding = _embedding(column)
    if embedding is not None:
        return ReferenceColumn(feature=feature, embedding=embedding)
    if dictionary is None:
        return categorical_reference_column(feature)
    return ReferenceColumn(feature=feature, dictionary=dictionary)


def _embedding(column: "pyarrow.ChunkedArray") -> Embedding | None:
    """The centroid and components of a column of vectors of one size."""
    import pyarrow.types as kinds

    kind = column.type
    if not (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)):
        return None
    try:
        vectors = np.array(column.drop_null().to_pylist(), dtype=np.float64)
    except (ValueError, TypeError):  # ragged, or no numbers
        return None
    if vectors.ndim != 2:
        return None
    return Embedding.of(vectors[np.isfinite(vectors).all(axis=1)])


def _dictionary(column: "pyarrow.ChunkedArray") -> Dictionary:
    """Of all strings of *column*: names that many rows have, hashes of some others."""
    counted: dict[str, int] = {}
    for entry in column.drop_null().value_counts():
        counted[entry["values"].as_py()] = entry["counts"].as_py()
        if len(counted) > 4 * DICTIONARY_HASHES:  # identifiers, not categories
            return Dictionary((), (), complete=False)
    ranked = sorted(counted, key=lambda name: (-counted[name], name))
    names = [
        name
        for name in ranked
        if counted[name] >= PUBLISHED_AT_LEAST
        and len(name) <= MAX_NAME_CHARACTERS
        and name not in NULL_LIKE
    ][:DICTIONARY_NAMES]
    others = sorted(set(ranked) - set(names) - NULL_LIKE)
    hashes = sorted(hash_strings(others).tolist())[:DICTIONARY_HASHES]
    return Dictionary(tuple(names), tuple(hashes), complete=len(hashes) == len(others))


def _record(recorder: FeatureRecorder, column: "pyarrow.ChunkedArray") -> None:
    """Add a column, at most `CHUNK_ROWS` rows at a time: what is held stays in the caches."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.types as kinds

    recorder.observe_missing(column.null_count)
    if column.null_count:
        column = column.drop_null()
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    numbers = _numbers(column)
    if numbers is not None:
        recorder.observe_numbers(numbers)
    elif kinds.is_boolean(column.type):
        true = pyarrow.compute.sum(column).as_py() or 0
        counted = {"true": true, "false": len(column) - true}
        recorder.observe_categories({k: n for k, n in counted.items() if n}, BOOLEAN)
    elif _is_text(column):
        for start in range(0, len(column), CHUNK_ROWS):
            _record_strings(recorder, column.slice(start, CHUNK_ROWS).combine_chunks())
    elif kinds.is_temporal(column.type):
        recorder.observe_others("timestamp", len(column))
    elif kinds.is_nested(column.type):
        kind = "object" if kinds.is_struct(column.type) or kinds.is_map(column.type) else "list"
        recorder.observe_others(kind, len(column))
    elif kinds.is_null(column.type):
        pass
    else:
        recorder.observe(column.to_pylist())


def _numbers(column: "pyarrow.ChunkedArray") -> Floats | None:
    """The present numbers of a numeric column as float64; None for another type."""
    import pyarrow.types as kinds

    kind = column.type
    if not (kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)):
        return None
    if kinds.is_decimal(kind):
        column = column.cast("float64")
    if column.null_count:
        column = column.drop_null()
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _is_text(column: "pyarrow.ChunkedArray") -> bool:
    import pyarrow.types as kinds

    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


def _record_strings(recorder: FeatureRecorder, array: Any) -> None:
    """Add strings without making Python objects of them: counted and hashed where they are."""
    import pyarrow

    if isinstance(array, pyarrow.ChunkedArray):
        array = array.combine_chunks()
    counted = array.value_counts()
    values = counted.field("values").cast("large_string")
    counts = counted.field("counts").to_numpy()
    _, offsets, data = values.buffers()
    at = np.frombuffer(offsets, dtype=np.int64)[values.offset : values.offset + len(values) + 1]
    hashes = hash_bytes(memoryview(data) if data is not None else b"", at)
    recorder.observe_hashed(hashes, counts, lambda index: str(values[index].as_py()))


def as_json(entity: str, rows: int, profiles: Mapping[str, FeatureProfile]) -> dict[str, object]:
    """What `nilometer profile --json` prints."""
    features = {name: feature_json(feature) for name, feature in sorted(profiles.items())}
    return {"entity": entity, "rows": rows, "features": features}


def feature_json(feature: FeatureProfile) -> dict[str, object]:
    """One feature for a machine: a number that does not exist is null."""
    quantiles: dict[str, float] = {}
    if feature.numbers.count:
        found = feature.numbers.digest.quantile(QUANTILES)
        quantiles = {f"{q:g}": float(value) for q, value in zip(QUANTILES, found, strict=True)}
    return {
        "type": feature.data_type,
        "count": feature.count,
        "missing": feature.missing,
        "null_like": feature.null_like,
        "types": dict(feature.types),
        "zero": feature.numbers.zero,
        "negative": feature.numbers.negative,
        "non_finite": feature.non_finite,
        "min": feature.numbers.digest.min,
        "max": feature.numbers.digest.max,
        "mean": feature.numbers.moments.mean if feature.numbers.count else None,
        "quantiles": quantiles,
        "distinct": None if feature.distinct is None else round(feature.distinct.estimate),
        "top": [[value, count] for value, count in feature.categories.top(TOP)],
    }
