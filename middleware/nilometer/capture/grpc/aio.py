"""Wraps handlers of `grpc.aio.server`: records the start, the end and the error of each call.

gRPC runs each call as one task, whose end is the end of the call. Its thread pool runs handlers that
are not asynchronous.
"""

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Callable
from functools import wraps
from typing import Any, TypeVar

from nilometer.capture.grpc.call import Call
from nilometer.capture.grpc.status import Deadline
from nilometer.capture.grpc.sync import deadline_of, end_of, noted_answer, noted_answers
from nilometer.capture.values import current

Q = TypeVar("Q")  # requests
C = TypeVar("C")  # a call's context: on the event loop, or in the thread pool


def end_with_task(call: Call) -> None:
    """End *call* when the current task ends, which is the task of the call."""
    task = asyncio.current_task()

    def end(_: object) -> None:
        if call.context is not None:  # its handler began
            end_of(call, call.context)

    if task is not None:
        task.add_done_callback(end)


def aio_unary(behaviour: Callable[[Q, C], object], call: Call) -> Callable[[Q, C], object]:
    """Return an observed version of *behaviour*, which gives one response."""
    if not asyncio.iscoroutinefunction(behaviour):
        return _in_thread_pool(behaviour, call, noted_answer)
    return _awaited(behaviour, call)


def aio_stream(behaviour: Callable[[Q, C], object], call: Call) -> Callable[[Q, C], object]:
    """Return an observed version of *behaviour*, which gives several responses."""
    if inspect.isasyncgenfunction(behaviour):

        @wraps(behaviour)
        async def generated(request: Q, context: C) -> AsyncIterator[object]:
            _begin(call, context)
            try:
                async for answer in behaviour(request, context):
                    yield answer
            except BaseException as error:
                _handled(call, context, error)
                raise
            _handled(call, context)

        return generated
    if not asyncio.iscoroutinefunction(behaviour):
        return _in_thread_pool(behaviour, call, noted_answers)
    return _awaited(behaviour, call)


def _awaited(behaviour: Callable[[Q, C], Any], call: Call) -> Callable[[Q, C], object]:
    """Return an observed version of a coroutine function."""

    @wraps(behaviour)
    async def observed(request: Q, context: C) -> object:
        _begin(call, context)
        try:
            answer = await behaviour(request, context)
        except BaseException as error:
            _handled(call, context, error)
            raise
        _handled(call, context)
        return answer

    return observed


def _in_thread_pool(
    behaviour: Callable[[Q, C], object],
    call: Call,
    noted: Callable[[Callable[[], object], Call], object],
) -> Callable[[Q, C], object]:
    """Return an observed version of a plain function, whose end *noted* records."""

    @wraps(behaviour)
    def observed(request: Q, context: C) -> object:
        _begin(call, context)
        return noted(lambda: behaviour(request, context), call)

    return observed


def _begin(call: Call, context: Any) -> None:
    try:
        current.set(call)
        call.context = context
        if not hasattr(context, "code"):
            # The context of the thread pool hides the status code. It wraps the one that has it.
            within = (one for one in gc.get_referents(context) if hasattr(one, "code"))
            call.context = next(within, context)
    except Exception as error:  # monitoring must never fail a prediction
        call.worker.note(error)


def _handled(call: Call, context: Any, error: BaseException | None = None) -> None:
    """Record that the handler has ended, and whether its client had left before.

    A handler may catch the cancellation. gRPC discards what it returns afterwards.
    """
    call.handled = True
    call.raised = error
    try:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            call.raised = asyncio.CancelledError()
        elif error is None:
            if deadline_of(call, context) is Deadline.PAST:
                call.raised = asyncio.CancelledError()
            else:
                asyncio.get_running_loop().call_soon(_watch_sending, call, task)
    except Exception as fault:  # monitoring must never fail a prediction
        call.worker.note(fault)


def _watch_sending(call: Call, task: "asyncio.Task[object] | None") -> None:
    """Note that the client had left if gRPC cannot send the end of the response.

    To a handler, a client that leaves looks like one that has sent everything. Nothing else tells
    them apart: gRPC ignores the error, which only the future that *task* waits for has.
    """
    waited: asyncio.Future[object] | None = getattr(task, "_fut_waiter", None)

    def note(future: "asyncio.Future[object]") -> None:
        if future.cancelled() or future.exception() is not None:
            call.raised = asyncio.CancelledError()

    if waited is not None:
        waited.add_done_callback(note)
