"""Receives gRPC calls: who calls is asked before a message is read, and nobody is waited for long.

A call runs on an event loop, so that one that sends its headers and no message holds no thread.
Its principal comes from its headers or its certificate. Then its message is waited for, parsed and
answered on a thread, all within `Bounds`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from nilometer.serving.calls import (
    Bounds,
    CallRefused,
    Context,
    Requests,
    caller_of,
    message_of,
)
from nilometer.wire.lean import MAX_MESSAGES, is_lean
from nilometer_collector.access.rights import Access, Forbidden, Gate, Stranger
from nilometer_collector.access.table import GRPC
from nilometer_collector.ingest.method import Method

log = logging.getLogger("nilometer.collector")

Health: TypeAlias = Callable[[Any, "_Encoding"], Awaitable[Message | None]]


class Reception(grpc.GenericRpcHandler):
    """Serves every method of the collector; any other is UNIMPLEMENTED.

    Args:
        gate: Who may call.
        bounds: How many calls at once.
        methods: By full name.
        probes: Methods of the health service, by full name, each with the message that it takes.
        threads: Where methods are answered.
    """

    def __init__(
        self,
        gate: Gate,
        bounds: Bounds,
        methods: Mapping[str, Method[Any]],
        probes: Mapping[str, tuple[type[Message], Health]],
        threads: Executor,
    ) -> None:
        self._gate = gate
        self._bounds = bounds
        self._methods = methods
        self._probes = probes
        self._threads = threads

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """What receives the call. No message is read before it decides to."""
        name = handler_call_details.method
        if name in self._methods:
            method = self._methods[name]

            async def receive(requests: Requests, context: Context) -> bytes:
                return await self._receive(name, method, requests, context)

            return grpc.stream_unary_rpc_method_handler(receive)
        if name in self._probes:
            kind, answer = self._probes[name]

            async def probe(requests: Requests, context: Context) -> None:
                await self._probe(name, kind, answer, requests, context)

            return grpc.stream_stream_rpc_method_handler(probe)
        return None

    async def _receive(
        self, name: str, method: Method[Any], requests: Requests, context: Context
    ) -> bytes:
        try:
            access = self._enter(name, context)
            caller = caller_of(_name(access), context)
            async with self._bounds.waiting(caller):
                content = await message_of(requests)
            loop = asyncio.get_running_loop()
            with self._bounds.answering(caller):
                return await loop.run_in_executor(self._threads, _answer, method, access, content)
        except Forbidden as error:
            log.warning("call refused", extra={"reason": str(error), "method": name})
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except CallRefused as error:
            await context.abort(error.code, error.why)
        raise AssertionError("abort raises")

    async def _probe(
        self, name: str, kind: type[Message], answer: Health, requests: Requests, context: Context
    ) -> None:
        try:
            caller = caller_of(_name(self._enter(name, context)), context)
            async with self._bounds.waiting(caller):
                request = _parsed(kind, await message_of(requests))
            async with self._bounds.watching(caller):
                reply = await answer(request, _Encoding(context))
                if reply is not None:
                    await context.write(reply.SerializeToString())
        except CallRefused as error:
            await context.abort(error.code, error.why)

    def _enter(self, name: str, context: Context) -> Access:
        """What the call may do, by its headers and its certificate alone."""
        metadata = dict(context.invocation_metadata() or ())
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        names = _certificate_names(context.auth_context())
        principal = self._gate.known(token if scheme == "Bearer" else "", names)
        try:
            return self._gate.enter(GRPC.get(name), principal)
        except Stranger as error:
            raise CallRefused(grpc.StatusCode.UNAUTHENTICATED, str(error)) from error


class _Encoding:
    """A context whose replies are messages: the health service writes such."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def write(self, reply: Message) -> None:
        """Send *reply*."""
        await self._context.write(reply.SerializeToString())

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        """End the call."""
        await self._context.abort(code, details)


def _answer(method: Method[Any], access: Access, content: bytes) -> bytes:
    """The reply to *content*, once the caller may ask for it."""
    request = _parsed(method.kind, content)
    if method.agent is not None:
        access.require_agent(method.agent(request))
    if not access.is_unlimited:
        access.require(method.entities(request))
    return method.answer(request).SerializeToString()


def _parsed(kind: type[Message], content: bytes) -> Message:
    if not is_lean(content, kind):
        raise CallRefused(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"a request may hold {MAX_MESSAGES} messages: send fewer rows at once",
        )
    try:
        return kind.FromString(content)
    except DecodeError as error:
        raise CallRefused(
            grpc.StatusCode.INVALID_ARGUMENT, f"not a {kind.__name__} of nilometer.v1: {error}"
        ) from error


def _name(access: Access) -> str:
    return access.principal.name if access.principal else ""


def _certificate_names(context: Mapping[str, Any]) -> frozenset[str]:
    values = [
        *context.get("x509_common_name", ()),
        *context.get("x509_subject_alternative_name", ()),
    ]
    return frozenset(value.decode("utf-8", "replace") for value in values)
