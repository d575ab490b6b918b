"""`nilometer.observe`: observes a predict function, with or without a server.

The decorator wraps a plain or `async` function. Its arguments are recorded as inputs and its result
as outputs. Inside a request that is already observed, both are added to that observation, as with
`nilometer.log`. Anywhere else, each call is its own observation, with latency and outcome but
without a body. Examples are a batch job, a queue consumer, and a server that is not observed.

Names follow those of bodies. ``predict(row)`` has an input for each key if the row is a mapping, a
data frame, a dataclass or a pydantic model. ``predict(amount, age)`` has `input.amount` and
`input.age`. An array of shape (rows, 4) has columns named ``.0`` to ``.3``. A result without names
is `output.value`.
"""

import asyncio
import dataclasses
import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from functools import wraps
from random import random
from time import perf_counter, time_ns
from typing import Any, ParamSpec, TypeVar, Unpack, overload

import msgspec

from nilometer.capture.options import CaptureOptions
from nilometer.capture.values import Holder, current, log
from nilometer.handoff.annotations import MAX_NAMES, MAX_VALUES, SCALARS, Annotations, plain
from nilometer.handoff.guard import Guard
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.handoff.worker import Worker
from nilometer.settings.settings import checked, given
from nilometer.values.errors import ConfigError
from nilometer.values.reasons import Outcome

INPUT, OUTPUT, VALUE = "input", "output", "value"
MAX_DEPTH = 4  # levels of nested mappings that become dotted names

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("nilometer.capture")

_OK, _EXCEPTION = Outcome.OK.value, Outcome.EXCEPTION.value
_CLIENT_LEFT = Outcome.CLIENT_LEFT.value


@overload
def observe(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def observe(
    *, inputs: Iterable[str] | None = None, **options: Unpack[CaptureOptions]
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def observe(
    function: Callable[P, R] | None = None,
    /,
    *,
    inputs: Iterable[str] | None = None,
    **options: Unpack[CaptureOptions],
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Observe a predict function: ``@observe``, or ``@observe(entity="fraud-scorer")``.

    Args:
        function: Plain or `async` function; its result and its exceptions are never changed.
        inputs: Names of the parameters that are inputs; default: all except `self` and `cls`.
        **options: Settings, see `CaptureOptions`; a missing setting comes from ``NILOMETER_*``.
            With any
            option, each call is its own observation, even inside a request. Without an entity,
            calls outside a request are not observed.

    Raises:
        ConfigError: If an option is invalid.
        TypeError: If *function* is a generator, because it returns before it has predicted.
    """
    recorder = Recorder.of(options) if options else None

    def around(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: call `nilometer.log` in it")
        names = Arguments(function, None if inputs is None else frozenset(inputs))
        if inspect.iscoroutinefunction(function):
            return _observed_async(function, names, recorder)
        return _observed(function, names, recorder)

    return around if function is None else around(function)


class Arguments:
    """The arguments of a function that are inputs, with their names."""

    __slots__ = ("_at", "_only", "_positional", "single")

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
        self._positional = tuple(name if name in wanted else "" for name in names)
        self._only = inputs
        self.single = wanted[0] if len(wanted) == 1 else ""
        self._at = self._positional.index(self.single) if self.single in names else -1

    def taken(
        self, positional: tuple[object, ...], named: Mapping[str, object]
    ) -> dict[str, object]:
        """Return the inputs of one call by name."""
        taken = {
            name: value for name, value in zip(self._positional, positional, strict=False) if name
        }
        if named:
            only = self._only
            taken.update(named if only is None else {k: named[k] for k in named.keys() & only})
        return taken

    def columns(
        self, positional: tuple[object, ...], named: Mapping[str, object]
    ) -> dict[str, object]:
        """Return the inputs of one call as columns; they are copied because they may change."""
        if not named and 0 <= self._at < len(positional):
            return columns(self.single, positional[self._at])
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


class Recorder:
    """Turns calls into observations. Any thread may use it.

    Args:
        settings: Settings of the entity; bodies are never captured.
    """

    _of: dict[bytes, "Recorder"] = {}  # noqa: RUF012  equal settings share one worker
    _lock = threading.Lock()

    def __init__(self, settings: CaptureSettings) -> None:
        self.worker = Worker(settings, Guard())

    @classmethod
    def of(cls, options: Mapping[str, object]) -> "Recorder | None":
        """Return the recorder for these options; None if there is no entity.

        Raises:
            ConfigError: If an option is invalid.
        """
        raw = given(CaptureSettings, prefix=PREFIX) | dict(options) | {"capture": "values"}
        if "entity" not in raw:
            return None
        settings = checked(CaptureSettings, raw)
        key = msgspec.msgpack.encode(settings)
        with cls._lock:
            found = cls._of.get(key)
            if found is None:
                found = cls._of[key] = cls(settings)
            return found

    def record(self, call: "Call", path: str, outcome: str, outputs: dict[str, object]) -> None:
        """Offer the observation of *call*, which has just ended."""
        worker = self.worker
        latency = perf_counter() - call.started
        share = worker.share
        values: dict[str, object] = {INPUT: call.inputs, OUTPUT: outputs}
        labels: Mapping[str, str] = {}
        annotations = call.annotations
        if annotations is not None:
            values, labels = {**annotations.values, **values}, annotations.labels
        if share < 1.0 and random() >= share:  # noqa: S311  not for secrets
            share = -share
        worker.sink.offer(
            worker.packer.pack_call(
                call.arrival_ns, latency, outcome, path, call.in_flight, values, labels, share
            )
        )


class Call:
    """One call in progress; `nilometer.log` and `label` find it through the context.

    The class has no constructor, because one more call frame costs 5 % of a call.

    Attributes:
        annotations: Values and labels that the function added.
        worker: Worker whose guard counts errors; absent without *recorder*.
        recorder: Recorder of the observation; None if the call is part of an observed request.
        inputs: Inputs as columns by name.
        token: Token of the context variable.
        arrival_ns: Start of the call, in Unix nanoseconds.
        started: Start of the call, in monotonic seconds.
        in_flight: Number of calls in progress at the start of this call, including this call.
    """

    __slots__ = (
        "annotations", "arrival_ns", "in_flight", "inputs", "recorder", "started", "token", "worker",
    )  # fmt: skip
    annotations: Annotations | None
    worker: Worker
    recorder: Recorder | None
    inputs: dict[str, object]
    token: Token[Holder | None] | None
    arrival_ns: int
    started: float
    in_flight: int

    def end(self, path: str, outcome: str, result: object) -> None:
        """Record the end of the call: its *result*, or that it raised. Never raises."""
        recorder = self.recorder
        if recorder is None:  # the values are added to the observation of the request
            if outcome == _OK:
                log(**_flat(INPUT, self.inputs), **_flat(OUTPUT, columns(VALUE, result)))
            return
        try:
            self.worker.in_flight -= 1
            if self.token is not None:
                current.reset(self.token)
            recorder.record(self, path, outcome, columns(VALUE, result) if outcome == _OK else {})
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error, lost=1)


_default: list[Recorder | None] = []  # the recorder for ``NILOMETER_*``, after its first use


def default_recorder() -> Recorder | None:
    """Return the recorder of functions without options; None without a valid entity."""
    if not _default:
        found = None
        try:
            found = Recorder.of({})
        except ConfigError as error:
            logger.error("functions are not observed, a setting is wrong: %s", error)  # noqa: TRY400
        _default.append(found)
    return _default[0]


def _begin(
    recorder: Recorder | None,
    arguments: Arguments,
    positional: tuple[object, ...],
    named: Mapping[str, object],
) -> Call | None:
    """Return the state of a call that starts; None if it is not observed."""
    joined = None
    try:
        if recorder is None:
            joined = current.get()
            recorder = default_recorder() if joined is None else None
        if recorder is None and joined is None:
            return None
        call = Call()
        call.recorder = recorder
        call.annotations = call.token = None
        if recorder is None:
            call.inputs = arguments.columns(positional, named)
            return call
        call.worker = worker = recorder.worker
        if not (worker.live or worker.revive()):
            return None
        call.inputs = arguments.columns(positional, named)
        if worker.notes:
            call.token = current.set(call)
        worker.in_flight = call.in_flight = worker.in_flight + 1
        call.arrival_ns = time_ns()
        call.started = perf_counter()
    except Exception as error:  # monitoring must never fail a prediction
        observing = getattr(recorder or joined, "worker", None)
        if observing is not None:
            observing.note(error, lost=int(recorder is not None))
        return None
    return call


def _observed(
    function: Callable[P, R], arguments: Arguments, recorder: Recorder | None
) -> Callable[P, R]:
    path = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def observed(*positional: P.args, **named: P.kwargs) -> R:
        begun = _begin(recorder, arguments, positional, named)
        if begun is None:
            return function(*positional, **named)
        try:
            result = function(*positional, **named)
        except BaseException:
            begun.end(path, _EXCEPTION, None)
            raise
        begun.end(path, _OK, result)
        return result

    return observed


def _observed_async(
    function: Callable[P, Any], arguments: Arguments, recorder: Recorder | None
) -> Callable[P, Any]:
    path = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    async def observed(*positional: P.args, **named: P.kwargs) -> object:
        begun = _begin(recorder, arguments, positional, named)
        if begun is None:
            return await function(*positional, **named)
        try:
            result = await function(*positional, **named)
        except asyncio.CancelledError:
            begun.end(path, _CLIENT_LEFT, None)
            raise
        except BaseException:
            begun.end(path, _EXCEPTION, None)
            raise
        begun.end(path, _OK, result)
        return result

    return observed


def _flat(role: str, named: Mapping[str, object]) -> dict[str, object]:
    return {f"{role}.{name}": value for name, value in named.items()}
