"""Wraps handlers of `grpc.server`: records the start, the end and the error of each call."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar

import grpc

from nilometer.capture.grpc.call import Call
from nilometer.capture.grpc.status import Code, Deadline
from nilometer.capture.values import current

Q = TypeVar("Q")  # requests
A = TypeVar("A")  # responses

CANCELLED = "cancelled"  # state of the client of a call, in `grpc.server`


def sync_unary(
    behaviour: Callable[[Q, grpc.ServicerContext], A], call: Call
) -> Callable[[Q, grpc.ServicerContext], A]:
    """Return an observed version of *behaviour*, which gives one response."""

    @wraps(behaviour)
    def observed(request: Q, context: grpc.ServicerContext) -> A:
        _begin_sync(call, context)
        return noted_answer(lambda: behaviour(request, context), call)

    return observed


def sync_stream(behaviour: Callable[..., object], call: Call) -> Callable[..., object]:
    """Return an observed version of *behaviour*, which gives several responses."""

    # A handler that does not block also gets a function, which sends its responses.
    @wraps(behaviour)
    def observed(request: object, context: grpc.ServicerContext, *send: object) -> object:
        _begin_sync(call, context)
        return noted_answers(lambda: behaviour(request, context, *send), call)

    return observed


def noted_answer(answer: Callable[[], A], call: Call) -> A:
    """Return what the handler *answer* returns, and record how it ends."""
    try:
        answered = answer()
    except BaseException as error:
        call.handled, call.raised = True, error
        raise
    call.handled = True
    return answered


def noted_answers(answer: Callable[[], object], call: Call) -> object:
    """Return the iterator that the handler *answer* returns, and record how it ends."""
    answers = noted_answer(answer, call)
    if not isinstance(answers, Iterator):
        return answers
    call.handled = False
    return _noted_iterator(answers, call)


def _begin_sync(call: Call, context: grpc.ServicerContext) -> None:
    try:
        current.set(call)
        if not context.add_callback(lambda: _end_sync(call, context)):
            call.end(None, asyncio.CancelledError())
        _note_cancel(call, context)
    except Exception as error:  # monitoring must never fail a prediction
        call.worker.note(error)


def _end_sync(call: Call, context: grpc.ServicerContext) -> None:
    with suppress(AttributeError):
        del context.cancel  # it refers to its context, which would be garbage
    if call.cancels:
        call.handled, call.raised = True, None
        call.end(grpc.StatusCode.CANCELLED)
        return
    # A handler may take a client that leaves for one that has sent everything, and return or raise
    # anything before gRPC calls back. Only the state of the call still tells them apart.
    if getattr(getattr(context, "_state", None), "client", None) == CANCELLED:
        call.raised = asyncio.CancelledError()
    end_of(call, context)


def _note_cancel(call: Call, context: grpc.ServicerContext) -> None:
    """Record it if the handler cancels its call: gRPC reports that as it reports a client."""
    cancel = context.cancel

    def noted() -> bool:
        call.cancels = True
        return cancel()

    with suppress(AttributeError):  # a context of another interceptor may be fixed
        context.cancel = noted  # type: ignore[method-assign]


def _noted_iterator(answers: Iterator[A], call: Call) -> Iterator[A]:
    """Yield *answers* and record how they end; gRPC reads them from its own threads in turn."""
    while True:
        try:
            current.set(call)
            answer = next(answers)
        except StopIteration:
            call.handled = True
            return
        except BaseException as error:
            call.handled, call.raised = True, error
            raise
        yield answer


def end_of(call: Call, context: Any) -> None:
    """End *call* with what its *context* says."""
    call.end(code_of(context), deadline=deadline_of(call, context))


def deadline_of(call: Call, context: Any) -> Deadline:
    """Return where the deadline of the client of *call* is now."""
    try:
        remaining: float | None = context.time_remaining()
    except Exception:  # a fault of the context must not lose the observation
        return Deadline.UNKNOWN
    return Deadline.of(remaining, call.elapsed)


def code_of(context: Any) -> Code:
    """Return the status code of the call; None if it is not set or this gRPC version hides it."""
    try:
        code: Code = context.code()
    except Exception:  # this method is experimental in `grpc`, and missing in older versions
        return None
    return code
