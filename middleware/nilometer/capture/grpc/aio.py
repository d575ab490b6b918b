"""Wraps handlers of `grpc.aio.server`: records the start, the end and the error of each call."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

from nilometer.capture.grpc.call import Call
from nilometer.capture.grpc.status import Deadline
from nilometer.capture.grpc.sync import deadline_of, end_of, noted_iterator
from nilometer.capture.values import current

Q = TypeVar("Q")  # requests
C = TypeVar("C")  # a call's context: on the event loop, or in the thread pool


def aio_unary(behaviour: Callable[[Q, C], object], call: Call) -> Callable[[Q, C], object]:
    """Return an observed version of *behaviour*, which gives one response."""
    if not asyncio.iscoroutinefunction(behaviour):
        return _sync_in_aio(behaviour, call)

    @wraps(behaviour)
    async def observed(request: Q, context: C) -> object:
        _begin_aio(call, context)
        try:
            answer = await behaviour(request, context)
            _note_left(call, context)
            return answer
        except BaseException as error:
            call.raised = error
            raise

    return observed


def aio_stream(behaviour: Callable[[Q, C], object], call: Call) -> Callable[[Q, C], object]:
    """Return an observed version of *behaviour*, which gives several responses."""
    if inspect.isasyncgenfunction(behaviour):

        @wraps(behaviour)
        async def generated(request: Q, context: C) -> AsyncIterator[object]:
            _begin_aio(call, context)
            try:
                async for answer in behaviour(request, context):
                    yield answer
                call.answered = True
                _note_left(call, context)
            except BaseException as error:
                call.raised = error
                raise

        return generated
    if not asyncio.iscoroutinefunction(behaviour):
        return _sync_in_aio(behaviour, call)

    @wraps(behaviour)
    async def written(request: Q, context: C) -> None:
        _begin_aio(call, context)
        try:
            await behaviour(request, context)
            call.answered = True
            _note_left(call, context)
        except BaseException as error:
            call.raised = error
            raise

    return written


def _sync_in_aio(behaviour: Callable[[Q, C], object], call: Call) -> Callable[[Q, C], object]:
    """Return an observed version of a plain function, for the thread pool of `grpc.aio`."""

    @wraps(behaviour)
    def observed(request: Q, context: C) -> object:
        _begin_aio(call, context)
        try:
            answers = behaviour(request, context)
        except BaseException as error:
            call.raised = error
            raise
        return noted_iterator(answers, call) if isinstance(answers, Iterator) else answers

    return observed


def _note_left(call: Call, context: Any) -> None:
    """Record that the client left while the handler worked, although the handler returned.

    A handler may catch the cancellation, and gRPC discards what it returns afterwards.
    """
    task = asyncio.current_task()
    is_cancelled = task is not None and task.cancelling()
    if is_cancelled or deadline_of(call, context) is Deadline.PAST:
        call.raised = asyncio.CancelledError()


def _begin_aio(call: Call, context: Any) -> None:
    try:
        current.set(call)
        add = getattr(context, "add_done_callback", None)
        if add is not None:
            add(lambda _: end_of(call, context))
        else:  # contexts in the thread pool have another interface
            context.add_callback(lambda: end_of(call, context))
    except Exception as error:  # monitoring must never fail a prediction
        call.worker.note(error)
