"""Interceptors for gRPC servers in Python.

Messages pass unchanged, and each call becomes one observation. The handler's own deserializer,
behaviour and serializer are each called once, as without the interceptor. The interceptor records
the bytes that pass between them. `CaptureInterceptor` is for `grpc.server`, and
`AioCaptureInterceptor` for `grpc.aio.server`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, Unpack

import grpc
import grpc.aio

from nilometer.capture.grpc.aio import aio_stream, aio_unary, end_with_task
from nilometer.capture.grpc.call import Call, Capture
from nilometer.capture.grpc.sync import sync_stream, sync_unary
from nilometer.capture.options import CaptureOptions

Q = TypeVar("Q")  # requests
A = TypeVar("A")  # responses

Behaviour: TypeAlias = Callable[..., object]
Observing: TypeAlias = Callable[[Behaviour, Call], Behaviour]


class CaptureInterceptor(grpc.ServerInterceptor):
    """Observes a `grpc.server`: ``grpc.server(pool, interceptors=[CaptureInterceptor(entity=...)])``.

    Args:
        **options: Settings, see `CaptureOptions`; a missing setting comes from ``NILOMETER_*``.

    Raises:
        ConfigError: If a setting is invalid.
    """

    def __init__(self, **options: Unpack[CaptureOptions]) -> None:
        self.capture = Capture(**options)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "grpc.RpcMethodHandler[Q, A] | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Q, A] | None":
        """Return the handler with its calls observed."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        call = self.capture.call(handler_call_details)
        if call is None:
            return handler
        return _observed(handler, call, sync_unary, sync_stream)


class AioCaptureInterceptor(grpc.aio.ServerInterceptor):
    """Observes a `grpc.aio.server`; see `CaptureInterceptor`."""

    def __init__(self, **options: Unpack[CaptureOptions]) -> None:
        self.capture = Capture(**options)

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Q, A] | None"]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Q, A] | None":
        """Return the handler with its calls observed."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        call = self.capture.call(handler_call_details)
        if call is None:
            return handler
        end_with_task(call)
        return _observed(handler, call, aio_unary, aio_stream)


def _observed(
    handler: "grpc.RpcMethodHandler[Q, A]", call: Call, unary: Observing, stream: Observing
) -> "grpc.RpcMethodHandler[Q, A]":
    """Return a handler of the same kind that records the messages."""
    kind = (handler.request_streaming, handler.response_streaming)
    behaviour: Any = {
        (False, False): handler.unary_unary,
        (False, True): handler.unary_stream,
        (True, False): handler.stream_unary,
        (True, True): handler.stream_stream,
    }[kind]
    make: Callable[..., grpc.RpcMethodHandler[Q, A]] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[kind]
    return make(
        (stream if handler.response_streaming else unary)(behaviour, call),
        request_deserializer=call.deserializer(handler.request_deserializer),
        response_serializer=call.serializer(handler.response_serializer),
    )
