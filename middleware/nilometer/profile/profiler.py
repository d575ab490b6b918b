"""Profilers: functions from a batch of columns to named values.

A profiler is registered in three lines. The same object works live, in batch and on Spark:

    @nilometer.profiler(version="1", columns=["input.prompt"])
    def refusals(batch):
        return {"asked_twice": ["again" in text for text in batch["input.prompt"]]}

The names that it returns become ordinary summaries, such as ``input.refusals.asked_twice``.
Numbers, categories and booleans are profiled like any feature. They are compared with a reference
that contains them.

A profiler cannot harm the process. If it raises, exceeds its time limit or returns invalid columns,
it is disabled and counted, and everything else continues.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nilometer.values.entity import Role, role_of
from nilometer.values.errors import ConfigError
from nilometer.values.labels import KEY, Labels

Column: TypeAlias = (
    Sequence[object] | NDArray[np.generic]
)  # cells, or an array of shape (rows, ...)
Batch: TypeAlias = Mapping[str, Column]  # columns of a side have one length
Produced: TypeAlias = Mapping[str, object]
Function: TypeAlias = Callable[[Batch], Produced]

MAX_VALUES = 64  # names that one profiler may return


class Fault(Enum):
    """The reason why a profiler was disabled."""

    RAISED = "raised"
    TIMEOUT = "timeout"  # exceeded its time limit; its thread is abandoned
    WRONG_SHAPE = "wrong_shape"  # not a mapping of names to columns of the batch's length


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiler:
    """A named function that makes columns from a batch.

    Attributes:
        name: Name of the profiler, ``[a-z][a-z0-9_]{0,62}``; part of the names of its summaries.
        version: Version of the profiler; a changed meaning of its values needs another version.
        columns: Patterns of the summaries that it reads; it runs if at least one exists.
        labels: Labels of its samples, in addition to those of the observation.
        function: Function from a batch to named values: one per row, or one number for the batch.
    """

    name: str
    version: str
    columns: tuple[str, ...]
    function: Function
    labels: Labels = field(default_factory=Labels)

    def __call__(self, batch: Batch) -> Produced:
        """Return the function's result for *batch*, to try out a profiler."""
        return self.function(batch)

    def wants(self, summaries: Sequence[str]) -> list[str]:
        """Return the part of *summaries* that it reads."""
        return [
            summary
            for summary in summaries
            if any(fnmatchcase(summary, pattern) for pattern in self.columns)
        ]


_registered: dict[str, Profiler] = {}


def profiler(
    *,
    version: str = "1",
    columns: Sequence[str] = ("input.*",),
    name: str = "",
    labels: Mapping[str, str] | None = None,
) -> Callable[[Function], Profiler]:
    """Register a function as a profiler; see the example in the module docstring.

    Args:
        version: Version of the profiler.
        columns: Patterns of the summaries that it reads.
        name: Name of the profiler; by default the function's name.
        labels: Labels of its samples.

    Raises:
        ConfigError: If the name is not allowed, or another version of it is registered.
    """

    def register(function: Function) -> Profiler:
        made = Profiler(
            name=name or getattr(function, "__name__", ""),
            version=version,
            columns=tuple(columns),
            function=function,
            labels=Labels.of(labels),
        )
        if not KEY.fullmatch(made.name):
            raise ConfigError(f"profiler {made.name!r}: a name must match [a-z][a-z0-9_]{{0,62}}")
        held = _registered.get(made.name)
        if held is not None and held.version != version:
            raise ConfigError(
                f"profiler {made.name!r} is already registered in version {held.version!r}"
            )
        _registered[made.name] = made
        return made

    return register


def registered() -> tuple[Profiler, ...]:
    """Return the profilers of this process, by name."""
    return tuple(_registered[name] for name in sorted(_registered))


def load(modules: Sequence[str]) -> tuple[Profiler, ...]:
    """Import *modules* and return every profiler that is registered afterwards.

    Raises:
        ConfigError: If a module cannot be imported.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # the module may raise anything
            raise ConfigError(f"profilers: {module!r} cannot be imported: {error!r}") from error
    return registered()


def columns_of(name: str, batch: Batch, produced: object, rows: int) -> dict[str, Column]:
    """Return the values of a profiler as columns by summary name.

    Raises:
        TypeError: If *produced* is not a mapping of text to columns or numbers.
        ValueError: If a column does not have *rows* cells, or there are too many columns.
    """
    if not isinstance(produced, Mapping):
        raise TypeError(f"{type(produced).__name__} is not a mapping of names to values")
    if len(produced) > MAX_VALUES:
        raise ValueError(f"{len(produced)} values are more than {MAX_VALUES}")
    role = next((role_of(summary) for summary in batch if role_of(summary)), None) or Role.INPUT
    columns: dict[str, Column] = {}
    for key, value in produced.items():
        if not isinstance(key, str) or not key:
            raise TypeError(f"{key!r} is not a name")
        columns[f"{role.value}.{name}.{key}"] = _column(key, value, rows)
    return columns


def _column(key: str, value: object, rows: int) -> Column:
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return [value]
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence | np.ndarray):
        raise TypeError(f"{key}: {type(value).__name__} is neither a column nor a number")
    if isinstance(value, np.ndarray) and value.ndim != 1:
        raise ValueError(f"{key}: shape {value.shape} is not ({rows},)")
    if len(value) != rows:
        raise ValueError(f"{key}: {len(value)} values for {rows} rows")
    return value
