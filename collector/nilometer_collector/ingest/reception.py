"""Receives gRPC calls: authenticates the caller before it reads a message; all steps are limited.

A call runs on an event loop, so a caller that sends headers but no message occupies no thread. The
principal is found from the headers or the certificate. Then the call waits for the message, and a
thread parses it and makes the reply. `Bounds` limits each step.
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
from nilometer_collector.access.needs import GRPC
from nilometer_collector.access.rights import Access, Forbidden, Gate, Unauthenticated
from nilometer_collector.ingest.method import Method

log = logging.getLogger("nilometer.collector")

# Method, rights of the caller if it is known, and its address.
Refused: TypeAlias = Callable[[str, Access | None, str], None]
Health: TypeAlias = Callable[[Any, "_Encoding"], Awaitable[Message | None]]


class Reception(grpc.GenericRpcHandler):
    """Serves the collector's methods; all other methods return UNIMPLEMENTED.

    Args:
        gate: Gate that authenticates calls and checks their rights.
        bounds: Limits on concurrent calls and on waiting.
        methods: Methods of the collector by full name.
        probes: Methods of the health service by full name, each with its request type.
        threads: Threads that run the methods.
        refused: Function that is told of each refused call of these methods.
    """

    def __init__(
        self,
        gate: Gate,
        bounds: Bounds,
        methods: Mapping[str, Method[Any]],
        probes: Mapping[str, tuple[type[Message], Health]],
        threads: Executor,
        refused: Refused,
    ) -> None:
        self._gate = gate
        self._bounds = bounds
        self._methods = methods
        self._probes = probes
        self._threads = threads
        self._refused = refused

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Return the handler of the call, which decides when the message is read."""
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
        access: Access | None = None
        try:
            access = self._enter(name, context)
            caller = caller_of(_name(access), context)
            async with self._bounds.waiting(caller):
                content = await message_of(requests)
            loop = asyncio.get_running_loop()
            with self._bounds.answering(caller):
                return await loop.run_in_executor(self._threads, _answer, method, access, content)
        except Forbidden as error:
            log.warning(
                "gRPC call refused, the principal lacks the right: add the right to the principal",
                extra={"reason": str(error), "method": name},
            )
            await self._tell_refused(name, access, context)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except CallRefused as error:
            if error.code is grpc.StatusCode.UNAUTHENTICATED:
                await self._tell_refused(name, access, context)
            await context.abort(error.code, error.why)
        raise AssertionError("abort raises")

    async def _tell_refused(self, name: str, access: Access | None, context: Context) -> None:
        """Have a refused call recorded on a thread, because that writes to the store."""
        address = context.peer().rpartition(":")[0]
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._refused, name, access, address)

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
        """Return the rights of the call, from its headers and its certificate."""
        metadata = dict(context.invocation_metadata() or ())
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        names = _certificate_names(context.auth_context())
        principal = self._gate.known(token if scheme == "Bearer" else "", names)
        try:
            return self._gate.enter(GRPC.get(name), principal)
        except Unauthenticated as error:
            raise CallRefused(grpc.StatusCode.UNAUTHENTICATED, str(error)) from error


class _Encoding:
    """A call context that encodes replies, because the health service returns message objects."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def write(self, reply: Message) -> None:
        """Send *reply*."""
        await self._context.write(reply.SerializeToString())

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        """End the call."""
        await self._context.abort(code, details)


def _answer(method: Method[Any], access: Access, content: bytes) -> bytes:
    """Check the rights of the caller for *content*, and return the reply."""
    request = _parsed(method.kind, content)
    if method.agent is not None:
        access.require_agent(method.agent(request))
    if method.entities is not None and not access.is_unlimited:
        access.require(method.entities(request))
    return method.answer(request, access).SerializeToString()


def _parsed(kind: type[Message], content: bytes) -> Message:
    if not is_lean(content, kind):
        raise CallRefused(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"a request may contain at most {MAX_MESSAGES} messages: send fewer rows in a call",
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
