"""Sums of the prediction by bin of each input of a table, as an agent keeps them of requests."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nilometer.batch.arrow import CHUNK_ROWS, numbers_of
from nilometer.bodies.arrow_cells import python_cells
from nilometer.decode.columns import Column
from nilometer.profile import FeatureSpec
from nilometer.profile.bin_sums import BinSums, Rounded, SumKey, merged_sums
from nilometer.profile.cell_bins import CellBins
from nilometer.profiling.predicted import values_of
from nilometer.values.entity import Role, role_of

if TYPE_CHECKING:
    import pyarrow

Sums = dict[SumKey, BinSums]


def table_sums(
    table: "pyarrow.Table",
    summary_of: Callable[[str], str],
    spec_of: Callable[[str], FeatureSpec],
) -> dict[str, Sums]:
    """Return the sums of each input of *table* by summary; empty if no output is summed.

    Args:
        table: Table whose rows contain inputs and outputs.
        summary_of: Function that returns the summary of a column.
        spec_of: Function that returns the spec of a summary: the outputs that are summed, and the
            bins of inputs. An input without edges and dictionary has no sums.
    """
    inputs: dict[str, tuple[str, CellBins]] = {}
    outputs: dict[str, tuple[str, FeatureSpec]] = {}
    for column in table.column_names:
        summary = summary_of(column)
        spec, role = spec_of(summary), role_of(summary)
        if role is Role.OUTPUT and spec.summed is not None:
            outputs[summary] = column, spec
        elif role is Role.INPUT and (spec.bounds is not None or spec.dictionary is not None):
            edges = () if spec.bounds is None else spec.bounds.edges
            inputs[summary] = column, CellBins(edges, spec.dictionary)
    found: dict[str, Sums] = {}
    for start in range(0, table.num_rows if outputs else 0, CHUNK_ROWS):
        part = table.slice(start, CHUNK_ROWS)
        values: dict[str, Rounded] = {}
        for summary, (column, spec) in outputs.items():
            for name, value in values_of(summary, _cells(part.column(column)), spec).items():
                values[name] = Rounded.of(value.numbers, value.bits)
        for summary, (column, bins) in inputs.items():
            places = bins.places(_cells(part.column(column)))
            sums = {
                SumKey(name, bins.bins): BinSums.of(bins.bins, places, value)
                for name, value in values.items()
            }
            found[summary] = merged_sums([found.get(summary, {}), sums])
    return found


def _cells(column: "pyarrow.ChunkedArray") -> Column:
    """Return one cell per row: an array for numbers without missing cells, otherwise a list."""
    numbers = None if column.null_count else numbers_of(column)
    cells: Column = python_cells(column) if numbers is None else numbers
    return cells
