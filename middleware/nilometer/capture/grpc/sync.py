"""Wraps handlers of `grpc.server`: records the start, the end and the error of each call."""

import asyncio
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

import grpc

from nilometer.capture.grpc.call import Call
from nilometer.capture.grpc.status import Code, Deadline
from nilometer.capture.values import current

Q = TypeVar("Q")  # requests
A = TypeVar("A")  # responses


def sync_unary(
    behaviour: Callable[[Q, grpc.ServicerContext], A], call: Call
) -> Callable[[Q, grpc.ServicerContext], A]:
    """Return an observed version of *behaviour*, which gives one response."""

    @wraps(behaviour)
    def observed(request: Q, context: grpc.ServicerContext) -> A:
        _begin_sync(call, context)
        try:
            return behaviour(request, context)
        except BaseException as error:
            call.raised = error
            raise

    return observed


def sync_stream(
    behaviour: Callable[[Q, grpc.ServicerContext], object], call: Call
) -> Callable[[Q, grpc.ServicerContext], object]:
    """Return an observed version of *behaviour*, which gives several responses."""

    @wraps(behaviour)
    def observed(request: Q, context: grpc.ServicerContext) -> object:
        _begin_sync(call, context)
        try:
            answers = behaviour(request, context)
        except BaseException as error:
            call.raised = error
            raise
        return noted_iterator(answers, call) if isinstance(answers, Iterator) else answers

    return observed


def _begin_sync(call: Call, context: grpc.ServicerContext) -> None:
    try:
        current.set(call)
        if not context.add_callback(lambda: end_of(call, context)):
            call.end(None, asyncio.CancelledError())
    except Exception as error:  # monitoring must never fail a prediction
        call.worker.note(error)


def noted_iterator(answers: Iterator[A], call: Call) -> Iterator[A]:
    """Yield *answers* and record how they end; gRPC reads them from its own threads in turn."""
    while True:
        try:
            current.set(call)
            answer = next(answers)
        except StopIteration:
            call.answered = True
            return
        except BaseException as error:
            call.raised = error
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
