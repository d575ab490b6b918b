"""Builds references from tables: profiles with exact bin edges and dictionaries."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nilometer.batch.arrow import is_list, is_text, numbers_of, record
from nilometer.batch.profile import derived_columns, summary_of, user_columns
from nilometer.batch.read import require_pyarrow
from nilometer.batch.table_sums import table_sums
from nilometer.compare.bins import categorical_reference_column
from nilometer.profile import FeatureSpec, Reference, ReferenceColumn
from nilometer.profile.bin_sums import Summed
from nilometer.profile.category import (
    DICTIONARY_HASHES,
    DICTIONARY_NAMES,
    MAX_NAME_CHARACTERS,
    NULL_LIKE,
    Dictionary,
)
from nilometer.profile.derived.vector_sums import vector_sums
from nilometer.profile.derived.vectors import Embedding
from nilometer.profile.numeric import Bounds
from nilometer.profile.profiler import Profiler
from nilometer.profile.recorder import FeatureRecorder
from nilometer.profile.reference import INPUT_BINS, OUTPUT_BINS
from nilometer.profile.summed_outputs import SummedOutputs
from nilometer.profile.surplus import surplus_rows
from nilometer.sketch.binned import quantile_edges
from nilometer.sketch.hashing import hash_strings
from nilometer.values.entity import Role, entity_name, role_of
from nilometer.values.errors import ConfigError
from nilometer.wire.references import with_digest

if TYPE_CHECKING:
    import pyarrow

PUBLISHED_AT_LEAST = 5  # smallest number of rows with a name that a reference publishes


def reference_of(
    table: "pyarrow.Table",
    *,
    entity: str,
    name: str,
    source: str,
    created_ns: int,
    profilers: Sequence[Profiler] = (),
) -> Reference:
    """Return the profile of *table* as a reference; its edges and dictionaries are exact.

    Names in at least `PUBLISHED_AT_LEAST` rows are readable. Of rarer names, only hashes are kept.

    Raises:
        ConfigError: If the table has no rows or the entity's name is not allowed.
    """
    entity_name(entity)
    if not table.num_rows:
        raise ConfigError(f"{source}: a reference needs at least one row")
    pyarrow = require_pyarrow()
    columns: dict[str, ReferenceColumn] = {}
    derived = user_columns(table, profilers)
    for column in table.column_names:
        summary = summary_of(column)
        frozen = columns[summary] = _frozen(column, table)
        spec = FeatureSpec(expected=frozen.expected, embedding=frozen.embedding)
        made = derived_columns(summary, table.column(column), spec)
        frozen.feature.vectors = vector_sums(summary, made, frozen.embedding)
        derived |= made
    for summary, cells in derived.items():
        columns[summary] = _frozen(summary, pyarrow.table({summary: pyarrow.array(cells)}))
    reference = Reference(
        entity=entity,
        name=name,
        rows=table.num_rows,
        created_ns=created_ns,
        source=source,
        columns=columns,
        digest="",
    )
    for summary, sums in table_sums(table, summary_of, _summing(reference)).items():
        columns[summary].feature.sums = sums
    return with_digest(reference)


def _summing(reference: Reference) -> Callable[[str], FeatureSpec]:
    """Return a function that gives the spec of a summary, with how its output is summed."""
    rules = SummedOutputs()
    outputs = rules.of([reference.columns])

    def spec_of(summary: str) -> FeatureSpec:
        spec = reference.spec(summary) or FeatureSpec()
        if summary not in outputs:
            return spec
        return dataclasses.replace(spec, summed=Summed(rules.bits_of(summary, spec)))

    return spec_of


def _frozen(name: str, table: "pyarrow.Table") -> ReferenceColumn:
    column = table.column(name)
    bins = OUTPUT_BINS if role_of(name) is Role.OUTPUT else INPUT_BINS
    numbers = numbers_of(column)
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
        record(recorder, column)
        return ReferenceColumn(feature=recorder.profile(), edges=edges)
    strings = _strings(column) if is_text(column) else _Strings()
    recorder = FeatureRecorder(FeatureSpec(dictionary=strings.dictionary))
    record(recorder, column)
    feature = recorder.profile()
    embedding = _embedding(column)
    if embedding is not None:
        return ReferenceColumn(feature=feature, embedding=embedding)
    if strings.dictionary is None:
        return categorical_reference_column(feature)
    return ReferenceColumn(
        feature=feature,
        dictionary=strings.dictionary,
        singletons=strings.singletons,
        surplus=strings.surplus,
    )


def _embedding(column: "pyarrow.ChunkedArray") -> Embedding | None:
    """Return the centroid and components of a column of vectors of one size."""
    if not is_list(column):
        return None
    try:
        vectors = np.array(column.drop_null().to_pylist(), dtype=np.float64)
    except (ValueError, TypeError):  # lists of different lengths, or not of numbers
        return None
    if vectors.ndim != 2:
        return None
    return Embedding.of(vectors[np.isfinite(vectors).all(axis=1)])


class _Strings(NamedTuple):
    """The strings of a column.

    Attributes:
        dictionary: The most frequent names, and hashes of some other names.
        singletons: See `ReferenceColumn.singletons`.
        surplus: See `ReferenceColumn.surplus`.
    """

    dictionary: Dictionary | None = None
    singletons: int = 0
    surplus: int = 0


def _strings(column: "pyarrow.ChunkedArray") -> _Strings:
    """Return the strings of *column*."""
    counted: dict[str, int] = {}
    for entry in column.drop_null().value_counts():
        counted[entry["values"].as_py()] = entry["counts"].as_py()
        if len(counted) > 4 * DICTIONARY_HASHES:  # identifiers, not categories
            return _Strings(Dictionary((), (), complete=False))
    ranked = sorted(counted, key=lambda name: (-counted[name], name))
    valid = {
        name: counted[name]
        for name in ranked
        if len(name) <= MAX_NAME_CHARACTERS and name not in NULL_LIKE
    }
    names = [name for name in valid if valid[name] >= PUBLISHED_AT_LEAST][:DICTIONARY_NAMES]
    others = sorted(set(ranked) - set(names) - NULL_LIKE)
    hashes = sorted(hash_strings(others).tolist())[:DICTIONARY_HASHES]
    return _Strings(
        Dictionary(tuple(names), tuple(hashes), complete=len(hashes) == len(others)),
        singletons=sum(counted[name] == 1 for name in others),
        surplus=surplus_rows(valid, names),
    )
