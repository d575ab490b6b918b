"""Profiles an Arrow table or a data frame; the profiles equal those of live traffic.

A column named ``input.x`` or ``output.y`` has that role; any other column is an input.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nilometer.batch.arrow import is_list, is_long_text, record
from nilometer.batch.read import table_of
from nilometer.batch.table_sums import table_sums
from nilometer.bodies.arrow_cells import python_cells
from nilometer.profile import FeatureProfile, FeatureSpec
from nilometer.profile.derived import Derivation
from nilometer.profile.derived.text import is_prompt
from nilometer.profile.derived.vector_sums import vector_sums
from nilometer.profile.profile import spec_for
from nilometer.profile.profiler import Column, Profiler
from nilometer.profile.recorder import FeatureRecorder
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import Role, role_of, summary_name
from nilometer.values.errors import NilometerError

if TYPE_CHECKING:
    import pyarrow

USER_PROFILER_SECONDS = 3600.0  # longest time of a user's profiler over a table


def profile_of(
    frame: object,
    spec_of: Callable[[str], FeatureSpec] | None = None,
    profilers: Sequence[Profiler] = (),
) -> dict[str, FeatureProfile]:
    """Return the profile of each column of *frame*, by summary name.

    Args:
        frame: Arrow table, or data frame of pandas or polars, with any number of rows.
        spec_of: Function that gives the spec of a summary. By default, names are readable and there
            is no reference. `Reference.spec` compares with a reference.
        profilers: Profilers of users; each runs once over the whole table.

    Raises:
        ConfigError: If *frame* is not a table.
    """
    table = table_of(frame)
    specs = partial(spec_for, spec_of or (lambda _: FeatureSpec(readable=True)))
    profiles: dict[str, FeatureProfile] = {}
    columns: dict[str, Column] = {}
    for column in table.column_names:
        summary = summary_of(column)
        recorder = FeatureRecorder(specs(summary))
        record(recorder, table.column(column))
        derived = derived_columns(summary, table.column(column), specs(summary))
        recorder.observe_vectors(vector_sums(summary, derived, specs(summary).embedding))
        profiles[summary] = recorder.profile()
        columns |= derived
    for summary, sums in table_sums(table, summary_of, specs).items():
        profiles[summary].sums = sums
    columns |= user_columns(table, profilers)
    for summary, cells in columns.items():
        recorder = FeatureRecorder(specs(summary))
        recorder.observe(cells)
        profiles[summary] = recorder.profile()
    return profiles


def summary_of(column: str) -> str:
    """Return the summary for *column* of a table; without a role in its name, it is an input."""
    return column if role_of(column) else summary_name(Role.INPUT, column)


def derived_columns(
    summary: str, column: "pyarrow.ChunkedArray", spec: FeatureSpec
) -> dict[str, Column]:
    """Return the columns derived from a column of text, times, vectors or tensors."""
    import pyarrow.types as kinds

    kind = column.type
    times = kinds.is_timestamp(kind) or kinds.is_date(kind)
    if not (times or is_list(column) or is_long_text(column) or is_prompt(summary)):
        return {}
    cells = python_cells(column)
    return Derivation().columns(summary, cells, expected=spec.expected, embedding=spec.embedding)


def user_columns(table: "pyarrow.Table", profilers: Sequence[Profiler]) -> dict[str, Column]:
    """Return the columns that users' profilers make from a table.

    Raises:
        NilometerError: If one of them fails, so that the caller can correct it.
    """
    runner = Runner(profilers, budget_seconds=USER_PROFILER_SECONDS)
    wanted = {
        name for one in profilers for name in one.wants([*map(summary_of, table.column_names)])
    }
    batch: dict[str, Column] = {
        summary_of(name): python_cells(table.column(name))
        for name in table.column_names
        if summary_of(name) in wanted
    }
    found: dict[str, Column] = {}
    for values in runner.run(batch):
        found |= values.columns
    if runner.disarmed:
        failed = ", ".join(f"{name} ({fault.value})" for name, fault in runner.disarmed.items())
        raise NilometerError(f"profilers failed: {failed}")
    return found
