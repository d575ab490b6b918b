"""Decides which columns are derived from a column."""

from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.category import MAX_NAME_CHARACTERS
from nilometer.profile.derived.text import is_prompt, text_columns
from nilometer.profile.derived.timestamps import timestamp_columns
from nilometer.profile.derived.vectors import (
    DEFAULT_REDUCTIONS,
    Embedding,
    tensor_columns,
    vector_columns,
)
from nilometer.profile.profiler import Column
from nilometer.values.steps import Steps, finished

LOOKED_AT = 64  # number of first cells that decide the kind of a column


class Kind(Enum):
    """The kind of a column's cells, if they are not plain numbers or categories."""

    PLAIN = "plain"
    TEXT = "text"  # columns with a string over 64 characters, or with a prompt's name
    TIMESTAMP = "timestamp"
    VECTOR = "vector"  # lists of numbers, one level deep
    TENSOR = "tensor"  # lists of lists of numbers
    MAP = "map"  # objects whose keys look like values


class Derivation:
    """Derives columns, and remembers which columns are text. One owner.

    Args:
        reductions: Names in `REDUCTIONS` for tensors.
    """

    def __init__(self, reductions: Sequence[str] = DEFAULT_REDUCTIONS) -> None:
        self._reductions = tuple(reductions)
        self._texts: set[str] = set()

    def kind(self, summary: str, cells: Column, expected: str) -> Kind:
        """Return the kind of a column, judged by its first cells."""
        if isinstance(cells, np.ndarray):
            return _kind_of_array(cells)
        first = [cell for cell in cells[:LOOKED_AT] if cell is not None]
        if not first:
            return Kind.PLAIN
        if summary in self._texts:
            return Kind.TEXT
        if isinstance(first[0], str):
            return self._kind_of_strings(summary, first, expected)
        outer = _items(first[0])
        if outer is not None:
            deeper = len(outer) > 0 and _items(outer[0]) is not None
            return Kind.TENSOR if deeper else Kind.VECTOR
        if isinstance(first[0], dict):
            return Kind.MAP
        if type(first[0]) in _PLAIN_TYPES:
            return Kind.PLAIN
        return Kind.TIMESTAMP if timestamp_columns(first[:1], 0) else Kind.PLAIN

    def _kind_of_strings(self, summary: str, first: Sequence[object], expected: str) -> Kind:
        if expected == "timestamp":
            return Kind.TIMESTAMP
        if is_prompt(summary) or any(
            isinstance(cell, str) and len(cell) > MAX_NAME_CHARACTERS for cell in first
        ):
            self._texts.add(summary)
            return Kind.TEXT
        return Kind.PLAIN

    def columns(
        self,
        summary: str,
        cells: Column,
        *,
        expected: str = "",
        embedding: Embedding | None = None,
        now_ns: int = 0,
    ) -> dict[str, Column]:
        """Return the columns derived from *cells*, by summary name; none for plain cells."""
        return finished(
            self.columns_in_steps(
                summary, cells, expected=expected, embedding=embedding, now_ns=now_ns
            )
        )

    def columns_in_steps(
        self,
        summary: str,
        cells: Column,
        *,
        expected: str = "",
        embedding: Embedding | None = None,
        now_ns: int = 0,
    ) -> Steps[dict[str, Column]]:
        """Return the result of `columns`, in steps."""
        found: Mapping[str, Column] = {}
        match self.kind(summary, cells, expected):
            case Kind.PLAIN:
                pass
            case Kind.TEXT:
                found = yield from text_columns([cell for cell in cells if isinstance(cell, str)])
            case Kind.MAP:
                sizes = [float(len(cell)) for cell in cells if isinstance(cell, dict)]
                found = {"size": np.array(sizes)}
            case Kind.TIMESTAMP:
                found = timestamp_columns(list(cells), now_ns)
            case Kind.VECTOR | Kind.TENSOR:
                found = self._arrays(cells, embedding)
        return {f"{summary}.{name}": column for name, column in found.items()}

    def _arrays(self, cells: Column, embedding: Embedding | None) -> dict[str, NDArray[np.float64]]:
        """Yield the vectors and tensors of each shape.

        Ragged arrays, and arrays with cells that are not numbers, are reduced to their first
        dimension.
        """
        if isinstance(cells, np.ndarray):
            return self._of_array(cells, embedding)
        sizes: list[float] = []
        shaped: dict[tuple[int, ...], list[NDArray[np.float64]]] = {}
        for cell in cells:
            items = _items(cell)
            if items is None:
                continue
            sizes.append(float(len(items)))
            array = _array(items)
            if array is not None and array.size:
                shaped.setdefault(array.shape, []).append(array)
        found: dict[str, list[NDArray[np.float64]]] = {}
        for arrays in shaped.values():
            for name, column in self._of_array(np.stack(arrays), embedding).items():
                if name != "size":
                    found.setdefault(name, []).append(column)
        columns = {name: np.concatenate(parts) for name, parts in found.items()}
        return {"size": np.array(sizes)} | columns

    def _of_array(
        self, array: NDArray[np.generic], embedding: Embedding | None
    ) -> dict[str, NDArray[np.float64]]:
        """Return the columns derived from an array of shape (rows, ...)."""
        if array.dtype.kind not in "fiub":
            return {"size": np.full(array.shape[0], float(array.shape[1]))}
        numbers = array.astype(np.float64)
        size = {"size": np.full(numbers.shape[0], float(numbers.shape[1]))}
        if numbers.size == 0:
            return size
        if numbers.ndim == 2:
            return size | vector_columns(numbers, embedding)
        return size | tensor_columns(numbers, self._reductions)


def _kind_of_array(cells: NDArray[np.generic]) -> Kind:
    if cells.dtype.kind == "M":
        return Kind.TIMESTAMP
    if cells.ndim == 1:
        return Kind.PLAIN
    return Kind.VECTOR if cells.ndim == 2 else Kind.TENSOR


_PLAIN_TYPES = (int, float, bool, bytes)


def _items(cell: object) -> Column | None:
    """Return *cell* as a list; None if it is not a list or an array."""
    if isinstance(cell, np.ndarray):
        return cell if cell.ndim else None
    return cell if isinstance(cell, list | tuple) else None


def _array(cell: Column) -> NDArray[np.float64] | None:
    try:
        array = np.asarray(cell, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):  # lists of different lengths, or not of numbers
        return None
    return array if array.ndim else None
