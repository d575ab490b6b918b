"""`nilometer.observe`: observes a predict function, with or without a server.

The decorator wraps a plain or `async` function. Its arguments are recorded as inputs and its result
as outputs. Inside a request that is already observed, both are added to that observation, as with
`nilometer.log`. Anywhere else, each call is its own observation, with latency and outcome but
without a body. Examples are a batch job, a queue consumer, and a server that is not observed.
"""

import asyncio
import copyreg
import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import Token
from functools import wraps
from random import random
from time import perf_counter, time_ns
from typing import Any, ParamSpec, TypeAlias, TypeVar, Unpack, overload

import msgspec

from nilometer.capture.arguments import Arguments, columns
from nilometer.capture.options import CaptureOptions
from nilometer.capture.values import Holder, current, log
from nilometer.handoff.annotations import encoded, mark_used
from nilometer.handoff.guard import Guard
from nilometer.handoff.plain import Annotations, check_installed, lane
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.handoff.worker import Worker
from nilometer.settings.settings import checked, given
from nilometer.values.errors import ConfigError
from nilometer.values.reasons import Outcome

INPUT, OUTPUT, VALUE = "input", "output", "value"

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
    if recorder is None:  # calls inside a request are part of it, and are found like `log`
        mark_used()

    def around(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: call `nilometer.log` in it")
        names = Arguments(function, None if inputs is None else frozenset(inputs))
        path = f"{function.__module__}.{function.__qualname__}"
        begin = Beginner.of(path, names, recorder)
        if inspect.iscoroutinefunction(function):
            return _observed_async(function, begin)
        return _observed(function, begin)

    return around if function is None else around(function)


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
        check_installed(settings.speedups)
        key = msgspec.msgpack.encode(settings)
        with cls._lock:
            found = cls._of.get(key)
            if found is None:
                found = cls._of[key] = cls(settings)
            return found

    def record(
        self, call: "Call", latency: float, outcome: str, outputs: dict[str, object]
    ) -> None:
        """Offer the observation of *call*, which has ended after *latency* seconds."""
        worker = self.worker
        share = drawn(worker.share)
        values: dict[str, object] = {INPUT: call.inputs, OUTPUT: outputs}
        labels: Mapping[str, str] = {}
        annotations = call.annotations
        if annotations is not None:
            values, labels = {**annotations.values, **values}, annotations.labels
        worker.sink.offer(
            worker.packer.pack_call(
                call.arrival_ns, latency, outcome, call.path, call.in_flight, values, labels, share
            )
        )


class Call:
    """One call in progress; `nilometer.log` and `label` find it through the context.

    The class has no constructor, because one more call frame costs 5 % of a call.

    Attributes:
        annotations: Values and labels that the function added.
        worker: Worker whose guard counts errors; absent without *recorder*.
        recorder: Recorder of the observation; None if the call is part of an observed request.
        path: Qualified name of the function.
        inputs: Inputs as columns by name.
        token: Token of the context variable.
        arrival_ns: Start of the call, in Unix nanoseconds.
        started: Start of the call, in monotonic seconds.
        in_flight: Number of calls in progress at the start of this call, including this call.
    """

    __slots__ = (
        "annotations", "arrival_ns", "in_flight", "inputs", "path", "recorder", "started", "token",
        "worker",
    )  # fmt: skip
    annotations: Annotations | None
    worker: Worker
    recorder: Recorder | None
    path: str
    inputs: dict[str, object]
    token: Token[Holder | None] | None
    arrival_ns: int
    started: float
    in_flight: int

    def end(self, outcome: str, result: object) -> None:
        """Record the end of the call: its *result*, or that it raised. Never raises."""
        recorder = self.recorder
        try:
            if recorder is None:  # the values are added to the observation of the request
                if outcome == _OK:
                    log(**_flat(INPUT, self.inputs), **_flat(OUTPUT, columns(VALUE, result)))
                return
            latency = perf_counter() - self.started
            self.worker.in_flight -= 1
            if self.token is not None:
                current.reset(self.token)
            outputs = columns(VALUE, result) if outcome == _OK else {}
            recorder.record(self, latency, outcome, outputs)
        except Exception as error:  # monitoring must never fail a prediction
            with suppress(Exception):  # such as a second RecursionError
                worker = getattr(current.get(), "worker", None) if recorder is None else self.worker
                if worker is not None:
                    worker.note(error, lost=int(recorder is not None))


Begin: TypeAlias = Callable[[tuple[object, ...], Mapping[str, object]], "Call | None"]

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


class Beginner:
    """Begins the calls of one observed function.

    Args:
        path: Qualified name of the function.
        arguments: Arguments of the function that are inputs.
        recorder: Recorder of the calls; None if they belong to a request, or to the recorder of
            ``NILOMETER_*``.
    """

    __slots__ = ("_arguments", "_entry", "_path", "_recorder")

    def __init__(self, path: str, arguments: Arguments, recorder: Recorder | None) -> None:
        self._path = path
        self._arguments = arguments
        self._recorder = recorder
        self._entry: Any = None  # in C, which begins calls with plain arguments

    @classmethod
    def of(cls, path: str, arguments: Arguments, recorder: Recorder | None) -> Begin:
        """Return what begins a call, in C if `nilometer-speedups` is installed."""
        begins = cls(path, arguments, recorder)
        if lane is None:
            return begins.begin
        try:
            begins._entry = entry = lane.CallEntry(
                gate=None,
                begin=begins.begin,
                outputs=_encoded_outputs,
                annotated=_encoded_with_annotations,
                drawn=drawn,
                path=path,
                positional=arguments.positional,
                single=arguments.single,
                at=arguments.at,
                filtered=arguments.only is not None,
                joins=recorder is None,
                variable=current,
            )
        except ValueError:  # a name with a lone surrogate
            return begins.begin
        begins._compile(recorder)
        begin: Begin = entry
        return begin

    def _compile(self, recorder: Recorder | None) -> None:
        """Let C begin calls from now on, which *recorder* observes."""
        if self._entry is not None and recorder is not None:
            worker = recorder.worker
            self._entry.gate = worker if worker.settings.speedups != "off" else None

    def begin(self, positional: tuple[object, ...], named: Mapping[str, object]) -> Call | None:
        """Return the state of a call that starts; None if it is not observed. Never raises."""
        recorder, joined = self._recorder, None
        try:
            if recorder is None:
                joined = current.get()
                recorder = default_recorder() if joined is None else None
                self._compile(recorder)
            if recorder is None and joined is None:
                return None
            call = Call()
            call.path = self._path
            call.recorder = recorder
            call.annotations = call.token = None
            if recorder is None:
                call.inputs = self._arguments.columns(positional, named)
                return call
            call.worker = worker = recorder.worker
            if not (worker.live or worker.revive()):
                return None
            call.inputs = self._arguments.columns(positional, named)
            if worker.notes:
                call.token = current.set(call)
            worker.in_flight = call.in_flight = worker.in_flight + 1
            call.arrival_ns = time_ns()
            call.started = perf_counter()
        except Exception as error:  # monitoring must never fail a prediction
            with suppress(Exception):  # such as a second RecursionError
                observing = getattr(recorder or joined, "worker", None)
                if observing is not None:
                    observing.note(error, lost=int(recorder is not None))
            return None
        return call


def _observed(function: Callable[P, R], begin: Begin) -> Callable[P, R]:
    @wraps(function)
    def observed(*positional: P.args, **named: P.kwargs) -> R:
        begun = begin(positional, named)
        if begun is None:
            return function(*positional, **named)
        try:
            result = function(*positional, **named)
        except BaseException:
            begun.end(_EXCEPTION, None)
            raise
        begun.end(_OK, result)
        return result

    return observed


def _observed_async(function: Callable[P, Any], begin: Begin) -> Callable[P, Any]:
    @wraps(function)
    async def observed(*positional: P.args, **named: P.kwargs) -> object:
        begun = begin(positional, named)
        if begun is None:
            return await function(*positional, **named)
        try:
            result = await function(*positional, **named)
        except asyncio.CancelledError:
            begun.end(_CLIENT_LEFT, None)
            raise
        except BaseException:
            begun.end(_EXCEPTION, None)
            raise
        begun.end(_OK, result)
        return result

    return observed


def drawn(share: float) -> float:
    """Return *share*; negative if this observation is left out by chance."""
    if share < 1.0 and random() >= share:  # noqa: S311  not for secrets
        return -share
    return share


def _encoded_outputs(result: object) -> bytes:
    """Return the columns of a result as MessagePack."""
    return encoded(columns(VALUE, result))


def _encoded_with_annotations(values: dict[str, object], inputs: bytes, outputs: bytes) -> bytes:
    """Return *values* with inputs and outputs, which are MessagePack, as MessagePack."""
    return encoded({**values, INPUT: msgspec.Raw(inputs), OUTPUT: msgspec.Raw(outputs)})


def _flat(role: str, named: Mapping[str, object]) -> dict[str, object]:
    return {f"{role}.{name}": value for name, value in named.items()}


def _reduced(entry: Any) -> tuple[Any, ...]:
    """Return how `pickle` makes a compiled beginner again, as it would a Python one."""
    begins = entry.begin.__self__
    return Beginner.of, (begins._path, begins._arguments, begins._recorder)  # noqa: SLF001


if lane is not None:
    copyreg.pickle(lane.CallEntry, _reduced)
