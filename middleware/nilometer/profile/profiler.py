"""Profilers: functions from a batch of columns to named values.

A profiler is registered in three lines and is the same object live, in batch and on Spark:

    @nilometer.profiler(version="1", columns=["input.prompt"])
    def refusals(batch):
        return {"asked_twice": ["again" in text for text in batch["input.prompt"]]}

What it names becomes ordinary summaries, ``input.refusals.asked_twice``: numbers, categories and
booleans are profiled like any feature, and compared with a reference that was made with it.

A profiler is a guest. One that raises, takes longer than its budget or returns what is no column is
disarmed and counted, and everything else goes on.
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
Batch: TypeAlias = Mapping[str, Column]  # by summary name, all of one length on each side
Produced: TypeAlias = Mapping[str, object]
Function: TypeAlias = Callable[[Batch], Produced]

MAX_VALUES = 64  # that one profiler may name


class Fault(Enum):
    """Why a profiler was disarmed."""

    RAISED = "raised"
    TIMEOUT = "timeout"  # took longer than its budget; its thread is left to itself
    WRONG_SHAPE = "wrong_shape"  # no mapping of names to columns of the batch's length


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiler:
    """A function with a name.

    Attributes:
        name: ``[a-z][a-z0-9_]{0,62}``; part of the summaries it makes.
        version: Of its meaning: a value that means something else is another version.
        columns: Patterns of summaries it is given; it runs where at least one is there.
        labels: On the samples of its values, beside those of the observation.
        function: From a batch to named values: one a row, or one number for the batch.
    """

    name: str
    version: str
    columns: tuple[str, ...]
    function: Function
    labels: Labels = field(default_factory=Labels)

    def __call__(self, batch: Batch) -> Produced:
        """What the function makes of *batch*: a profiler can be tried like one."""
        return self.function(batch)

    def wants(self, summaries: Sequence[str]) -> list[str]:
        """Those of *summaries* that it is given."""
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
    """Register a function as a profiler; see the module.

    Args:
        version: Of its meaning.
        columns: Patterns of the summaries it is given.
        name: Instead of the function's own.
        labels: On the samples of its values.

    Raises:
        ConfigError: If the name is none, or another version of it is registered already.
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
                f"profiler {made.name!r} is there already in version {held.version!r}"
            )
        _registered[made.name] = made
        return made

    return register


def registered() -> tuple[Profiler, ...]:
    """The profilers of this process, by name."""
    return tuple(_registered[name] for name in sorted(_registered))


def load(modules: Sequence[str]) -> tuple[Profiler, ...]:
    """Import *modules* and return every profiler that is registered then.

    Raises:
        ConfigError: If a module cannot be imported.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever its top level does
            raise ConfigError(f"profilers: {module!r} cannot be imported: {error!r}") from error
    return registered()


def columns_of(name: str, batch: Batch, produced: object, rows: int) -> dict[str, Column]:
    """What a profiler produced, as columns by summary name.

    Raises:
        TypeError: If it is no mapping of text to columns or numbers.
        ValueError: If a column has not *rows* cells, or there are too many.
    """
    if not isinstance(produced, Mapping):
        raise TypeError(f"{type(produced).__name__} is no mapping of names to values")
    if len(produced) > MAX_VALUES:
        raise ValueError(f"{len(produced)} values are more than {MAX_VALUES}")
    role = next((role_of(summary) for summary in batch if role_of(summary)), None) or Role.INPUT
    columns: dict[str, Column] = {}
    for key, value in produced.items():
        if not isinstance(key, str) or not key:
            raise TypeError(f"{key!r} is no name")
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
