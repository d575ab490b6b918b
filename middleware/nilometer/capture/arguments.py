"""The inputs and outputs of a predict function, as columns.

Names follow those of bodies. ``predict(row)`` has an input for each key if the row is a mapping, a
data frame, a dataclass or a pydantic model. ``predict(amount, age)`` has `input.amount` and
`input.age`. An array of shape (rows, 4) has columns named ``.0`` to ``.3``. A result without names
is `output.value`.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nilometer.handoff.annotations import MAX_NAMES, MAX_VALUES, SCALARS, plain

MAX_DEPTH = 4  # levels of nested mappings that become dotted names


class Arguments:
    """The arguments of a function that are inputs, with their names.

    Args:
        function: Function whose parameters are inputs; never called.
        inputs: Names of the parameters that are inputs; None for all except `self` and `cls`.

    Attributes:
        positional: Names of the positional parameters; empty for those that are no input.
        only: Names of the parameters that are inputs; None for all.
        single: Name of the only input; empty if there are several.
        at: Position of the only input among the positional arguments; -1 without one.
    """

    __slots__ = ("at", "only", "positional", "single")

    def __init__(self, function: Callable[..., object], inputs: frozenset[str] | None) -> None:
        parameters = inspect.signature(function).parameters.values()
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [one.name for one in parameters if one.kind in kinds]
        skipped = {"self", "cls"} & set(names[:1])
        wanted = [
            one.name
            for one in parameters
            if one.name not in skipped and (inputs is None or one.name in inputs)
        ]
        self.positional = tuple(name if name in wanted else "" for name in names)
        self.only = inputs
        self.single = wanted[0] if len(wanted) == 1 else ""
        self.at = self.positional.index(self.single) if self.single in names else -1

    def taken(
        self, positional: tuple[object, ...], named: Mapping[str, object]
    ) -> dict[str, object]:
        """Return the inputs of one call by name."""
        taken = {
            name: value for name, value in zip(self.positional, positional, strict=False) if name
        }
        if named:
            only = self.only
            taken.update(named if only is None else {k: named[k] for k in named.keys() & only})
        return taken

    def columns(
        self, positional: tuple[object, ...], named: Mapping[str, object]
    ) -> dict[str, object]:
        """Return the inputs of one call as columns; they are copied because they may change."""
        if not named and 0 <= self.at < len(positional):
            return columns(self.single, positional[self.at])
        taken = self.taken(positional, named)
        if len(taken) == 1 and self.single:
            ((name, value),) = taken.items()
            return columns(name, value)
        if SCALARS.issuperset(map(type, taken.values())):
            return taken
        found: dict[str, object] = {}
        for name, value in taken.items():
            _add(found, name, value)
        return found


def columns(name: str, value: object) -> dict[str, object]:
    """Return *value* as columns, with its own names or *name*; at most 256."""
    if type(value) is dict and len(value) <= MAX_NAMES:
        copied = value.copy()
        if SCALARS.issuperset(map(type, copied.values())):
            return copied
    found: dict[str, object] = {}
    named = _named(value)
    if named is None:
        _add(found, name, value)
    else:
        for key, cells in named.items():
            _add(found, str(key), cells)
    return found


def _add(found: dict[str, object], name: str, value: object, depth: int = 1) -> None:
    """Add *value* to the columns *found*, as one column for each of its names or positions."""
    if len(found) >= MAX_NAMES:
        return
    named = _named(value) if depth < MAX_DEPTH else None
    if named is not None:
        for key, cells in named.items():
            _add(found, f"{name}.{key}", cells, depth + 1)
        return
    to_list = getattr(value, "to_list", None)  # pandas, polars
    found[name] = plain(to_list() if to_list is not None else value)


def _named(value: Any) -> Mapping[Any, Any] | None:
    """Return the columns of *value* by name or position; None if it is one column."""
    kind = type(value)
    if kind in SCALARS:
        return None
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "model_dump"):  # pydantic
        dumped: Mapping[str, Any] = value.model_dump()
        return dumped
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    shape = getattr(value, "shape", None)
    if hasattr(value, "columns") and hasattr(value, "to_dict"):  # pandas, polars
        return {name: value[name] for name in list(value.columns)[:MAX_NAMES]}
    if isinstance(shape, tuple) and len(shape) == 2:  # a matrix, one row per prediction
        return {at: value[:, at] for at in range(min(shape[1], MAX_NAMES))}
    if isinstance(value, list | tuple) and value:
        return _of_rows(value[:MAX_VALUES])
    return None


def _of_rows(rows: Any) -> dict[Any, list[Any]] | None:
    """Return the columns of a list of mappings, or of lists of equal length."""
    if all(isinstance(row, Mapping) for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in list(names)[:MAX_NAMES]}
    if all(isinstance(row, list | tuple) for row in rows):
        width = len(rows[0])
        if width and all(len(row) == width for row in rows):
            return {at: [row[at] for row in rows] for at in range(min(width, MAX_NAMES))}
    return None
