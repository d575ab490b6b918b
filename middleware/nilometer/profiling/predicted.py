"""The predictions for the rows of many requests, summed by bin of each input.

An output of numbers is summed itself. Of an output of classes, the rows of its most frequent
classes are counted, so that the mean of a bin is the share of a class. The same holds for an output
with more than two probabilities per row; of two probabilities, the second one is summed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nilometer.decode.columns import Column
from nilometer.profile import Bounds, Dictionary, FeatureRecorder, FeatureSpec
from nilometer.profile.bin_sums import BinSums, Rounded
from nilometer.profile.cell_bins import CellBins, Places
from nilometer.profile.recorder import as_numbers, scalar
from nilometer.profile.score import score_edges
from nilometer.profiling.found import Found
from nilometer.profiling.gathered import Gathered
from nilometer.profiling.matched_rows import Rows
from nilometer.values.entity import Role, role_of

MOST_CLASSES = 3  # classes of an output whose rows are counted

Floats = NDArray[np.float64]


class _Value(NamedTuple):
    numbers: Floats  # one per row; NaN for a row without a value
    bits: int  # binary exponent of the unit


@dataclass(frozen=True, slots=True)
class Predicted:
    """The values of the matching rows of a part.

    Attributes:
        values: Values by name, each of the same m rows.
        positions: Positions of these rows among the input rows, shape (m,); None for all of them.
        unmatched: Number of rows that have no prediction.
        rows: Number of input rows.
    """

    values: Mapping[str, Rounded]
    positions: Rows | None
    unmatched: int
    rows: int


class PredictionSums:
    """Sums the predictions of an entity by bin of its inputs. Not thread-safe.

    Args:
        spec_of: Function that returns the spec of a feature.
    """

    def __init__(self, spec_of: Callable[[str], FeatureSpec]) -> None:
        self._spec_of = spec_of
        self._bins: dict[str, tuple[Bounds | None, Dictionary | None, CellBins]] = {}

    def predicted(self, found: Mapping[str, Found], part: Gathered) -> Predicted | None:
        """Return the values of the outputs that are summed; None if there are none.

        Args:
            found: Columns of *part* by summary.
            part: Observations.
        """
        values: dict[str, Rounded] = {}
        inputs: Rows | None = None
        for summary, column in found.items():
            if column.side is not part.outputs or column.rows_without:
                continue
            spec = self._spec_of(summary)
            if spec.summed is None:
                continue
            inputs, outputs = part.matched.positions(part.inputs, part.outputs)
            for name, value in values_of(summary, column.aligned(), spec).items():
                numbers = value.numbers if outputs is None else value.numbers[outputs]
                values[name] = Rounded.of(numbers, value.bits, is_public=spec.summed.is_public)
        if not values:
            return None
        return Predicted(values, inputs, part.matched.unmatched, part.inputs.rows)

    def add(
        self,
        recorder: FeatureRecorder,
        summary: str,
        cells: Column | None,
        predictions: Predicted,
    ) -> None:
        """Add the sums of *predictions* by bin of one input to its recorder.

        Args:
            recorder: Recorder of the input.
            summary: Name of the input.
            cells: Cells of the input, one per input row. None if every row lacks the input. Any
                other number of cells cannot be matched, and counts as rows without a prediction.
            predictions: Values of the rows.
        """
        bins = self._bins_of(summary)
        if bins is None:
            return
        rows, positions = predictions.rows, predictions.positions
        places: Places | None = None
        if cells is None:
            places = np.full(rows, bins.bins.missing)
        elif len(cells) == rows:
            places = bins.places(cells)
        for name, values in predictions.values.items():
            if places is None:
                sums = BinSums.of(bins.bins, _NO_PLACES, values.without_rows(), rows)
            else:
                chosen = places if positions is None else places[positions]
                sums = BinSums.of(bins.bins, chosen, values, predictions.unmatched)
            recorder.observe_sums(name, sums)

    def _bins_of(self, summary: str) -> CellBins | None:
        """Return the bins of an input; None for other summaries, and without a reference."""
        if role_of(summary) is not Role.INPUT:
            return None
        spec = self._spec_of(summary)
        bounds, dictionary = spec.bounds, spec.dictionary
        if bounds is None and dictionary is None:
            return None
        held = self._bins.get(summary)
        if held is not None and held[0] is bounds and held[1] is dictionary:
            return held[2]
        found = CellBins(() if bounds is None else bounds.edges, dictionary)
        self._bins[summary] = bounds, dictionary, found
        return found


_NO_PLACES: Places = np.zeros(0, np.intp)


def values_of(summary: str, cells: Column, spec: FeatureSpec) -> dict[str, _Value]:
    """Return the values of an output by name.

    Args:
        summary: Name of the output.
        cells: Cells of the output, one per row.
        spec: Spec of the output, which is summed.
    """
    summed = spec.summed
    if summed is None:
        return {}
    if spec.dictionary is not None and spec.bounds is None:
        return _of_classes(summary, cells, spec.dictionary)
    numbers = as_numbers(cells)
    if numbers is None:
        numbers, predicted_classes = _numbers_and_classes(cells)
        if (predicted_classes >= 0).any():
            return {
                f"{summary}={at}": _indicator(predicted_classes, at) for at in range(MOST_CLASSES)
            }
    if summed.is_public:
        public = _public(numbers, spec)
        if public is None:
            return {}
        numbers = public
    return {summary: _Value(numbers, summed.bits)}


def _of_classes(summary: str, cells: Column, dictionary: Dictionary) -> dict[str, _Value]:
    """Return whether each row has a class, for each of the most frequent classes.

    If all classes are known, the share of the last one follows from the others.
    """
    bins = CellBins((), dictionary)
    classes = bins.places(cells)
    classes[classes >= bins.bins.missing] = -1
    known = len(dictionary.names)
    most = min(MOST_CLASSES, max(known - 1, 1) if dictionary.complete else known)
    names = dictionary.names[:most]
    return {f"{summary}={name}": _indicator(classes, at) for at, name in enumerate(names)}


def _indicator(classes: Rows, chosen: int) -> _Value:
    """Return 1 for rows of the *chosen* class, 0 for other rows, and NaN for a negative class."""
    is_chosen = (classes == chosen).astype(np.float64)
    return _Value(np.where(classes < 0, np.nan, is_chosen), 0)


def _numbers_and_classes(cells: Column) -> tuple[Floats, Rows]:
    """Return the number of each of n cells, or the class of its largest probability.

    Each cell is read by itself, so that the other cells do not matter.

    Returns:
        Numbers, shape (n,), NaN for a cell without one. Classes, shape (n,), -1 for a cell that
        does not have more than two probabilities.
    """
    numbers, classes = np.full(len(cells), np.nan), np.full(len(cells), -1)
    for at, cell in enumerate(cells):
        if not isinstance(cell, list | tuple | np.ndarray):
            numbers[at] = _number(cell)
            continue
        row = [_number(one) for one in cell]
        if len(row) > 2 and np.isfinite(row).all():
            classes[at] = int(np.argmax(row))
        elif 0 < len(row) <= 2:
            numbers[at] = row[-1]
    return numbers, classes


def _number(cell: object) -> float:
    plain = scalar(cell)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        return np.nan
    try:
        return float(plain)
    except OverflowError:  # an integer too large for float64
        return np.nan


def _public(numbers: Floats, spec: FeatureSpec) -> Floats | None:
    """Return the middle of the published bin of each number; None without published bins."""
    if spec.bounds is not None and spec.bounds.edges:
        edges, low, high = np.asarray(spec.bounds.edges), spec.bounds.low, spec.bounds.high
    elif spec.score is not None:
        edges, low, high = score_edges(spec.score), 0.0, 1.0
    else:
        return None
    first, last = float(edges[0]), float(edges[-1])
    ends = np.concatenate(
        [
            [first if low is None else min(low, first)],
            edges,
            [last if high is None else max(high, last)],
        ]
    )
    middles = ends[:-1] / 2 + ends[1:] / 2
    finite = np.isfinite(numbers)
    places = edges.searchsorted(np.where(finite, numbers, first), "right")
    return np.where(finite, middles[places], np.nan)
