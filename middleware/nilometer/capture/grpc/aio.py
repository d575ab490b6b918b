"""Wraps handlers of `grpc.aio.server`: records the start, the end and the error of each call.

gRPC runs each call as one task, whose end is the end of the call. Its thread pool runs handlers that
are not asynchronous. Other interceptors may run the handler in a task of their own, run it again,
cancel it, or replace its response. So only gRPC itself tells here whether a client left.
"""

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Callable
from functools import partial, wraps
from types import CoroutineType
from typing import Any, TypeAlias, TypeVar

from nilometer.capture.grpc.call import Call
from nilometer.capture.grpc.status import Deadline
from nilometer.capture.grpc.sync import deadline_of, end_of, noted_answer, noted_answers
from nilometer.capture.values import current

Q = TypeVar("Q")  # requests
C = TypeVar("C")  # a call's context: on the event loop, or in the thread pool
Task: TypeAlias = "asyncio.Task[Any]"

TASK_OF_CALL = "_handle_exceptions"  # gRPC's coroutine that runs a call from start to end
SENT_BY_SERVERS = "SendStatusFromServer"  # the step that ends a response, in gRPC's errors


def end_with_task(call: Call) -> None:
    """End *call* when gRPC's task ends, if the current task is that task."""
    task = asyncio.current_task()
    if task is not None and _is_of_grpc(task):
        call.task = task
        task.add_done_callback(partial(_end_after, call))


def _end_after(call: Call, task: Task) -> None:
    """End *call*, whose *task* has ended.

    If its client left while the call waited for a thread, the handler never began.
    """
    never_began = call.context is None and not call.response.count
    if never_began and call.request.count and task.cancelling():
        call.end(None, asyncio.CancelledError())
    _end(call)


def _is_of_grpc(task: Task) -> bool:
    """Return whether *task* runs a whole call. An interceptor may run a part in another task."""
    coroutine = task.get_coro()
    return (
        not isinstance(coroutine, CoroutineType)
        and getattr(coroutine, "__name__", "") == TASK_OF_CALL
    )


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
        try:
            return noted(lambda: behaviour(request, context), call)
        finally:
            _watch_from_thread(call)

    return observed


def _begin(call: Call, context: Any) -> None:
    try:
        current.set(call)
        if call.context is not None:
            return  # another interceptor runs the handler again
        call.context = context
        if not hasattr(context, "code"):
            # The context of the thread pool hides the status code. It wraps the one that has it.
            within = (one for one in gc.get_referents(context) if hasattr(one, "code"))
            call.context = next(within, context)
        if call.task is None:
            _end_without_task(call)
    except Exception as error:  # monitoring must never fail a prediction
        call.worker.note(error)


def _end_without_task(call: Call) -> None:
    """End *call*, whose interceptors ran in another task than gRPC's, when gRPC ends it."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # in the thread pool
        task = None
    if task is not None and _is_of_grpc(task):
        call.task = task
        task.add_done_callback(lambda _: _end(call))
    elif hasattr(call.context, "add_done_callback"):
        # It makes garbage that refers to itself, so tasks are better.
        call.context.add_done_callback(lambda _: _end(call))
    elif task is not None:
        task.add_done_callback(lambda _: _end(call))


def _end(call: Call) -> None:
    """End *call*, which gRPC has ended."""
    context, call.context, call.task = call.context, None, None
    if context is None:
        return  # its handler never began, or it has ended
    try:
        answered = _is_answered(context)
        if answered:
            call.handled = True  # maybe by another interceptor
        if _has_left(call, answered=answered):
            call.raised = asyncio.CancelledError()
        elif answered and isinstance(call.raised, asyncio.CancelledError):
            call.raised = None  # another interceptor cancelled the handler, and answered
    except Exception as error:  # monitoring must never fail a prediction
        call.worker.note(error)
    end_of(call, context)


def _is_answered(context: Any) -> bool | None:
    """Return whether gRPC has sent a status, or has tried to; None if that is not known."""
    if not type(context).__module__.startswith("grpc."):
        return None  # of another interceptor
    return bool(context.done())


def _has_left(call: Call, *, answered: bool | None) -> bool:
    """Return whether it is certain that the client of *call*, which has ended, had left."""
    if call.is_late or answered is False:
        return True
    was_cancelled = call.is_interrupted or isinstance(call.raised, asyncio.CancelledError)
    return call.is_unsent and (was_cancelled or call.raised is None)


def _handled(call: Call, context: Any, error: BaseException | None = None) -> None:
    """Record that the handler has ended, and begin to watch whether gRPC can send the response.

    To a handler, a client that leaves looks like one that has sent everything, or like a
    cancellation, which the handler may catch. gRPC ignores that it cannot send the response.
    """
    call.handled = True
    call.raised = error
    try:
        call.is_late = error is None and deadline_of(call, context) is Deadline.PAST
        if call.task is not None:
            call.is_interrupted = call.task.cancelling() > 0
            asyncio.get_running_loop().call_soon(_watch_sending, call, call.task)
    except Exception as fault:  # monitoring must never fail a prediction
        call.worker.note(fault)


def _watch_sending(call: Call, task: Task) -> None:
    """Note if gRPC cannot send the end of the response, in whatever *task* waits for until it ends.

    Other interceptors may wait for something else before gRPC sends.
    """
    try:
        if task.done():
            return
        waited: asyncio.Future[object] | None = getattr(task, "_fut_waiter", None)
        if waited is None:  # the task runs soon
            asyncio.get_running_loop().call_soon(_watch_sending, call, task)
        else:
            waited.add_done_callback(partial(_note_unsent, call, task))
    except Exception as fault:  # monitoring must never fail a prediction
        call.worker.note(fault)


def _watch_from_thread(call: Call) -> None:
    """Begin to watch, in the thread pool, whether gRPC can send the response."""
    try:
        task: Task | None = call.task
        if task is not None:
            task.get_loop().call_soon_threadsafe(_watch_sending, call, task)
    except Exception as fault:  # monitoring must never fail a prediction
        call.worker.note(fault)


def _note_unsent(call: Call, task: Task, waited: "asyncio.Future[object]") -> None:
    """Note if *waited* was gRPC's attempt to send the end of the response, and failed.

    It is the last that *task* waits for. A server that stops may cancel it; if something else was
    cancelled, the attempt follows.
    """
    if waited.cancelled():
        call.is_unsent = True
    else:
        error = waited.exception()
        call.is_unsent = error is not None and SENT_BY_SERVERS in str(error)
    _watch_sending(call, task)
