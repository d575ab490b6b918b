"""Reads along a connection of HTTP/2 without TLS, both ways, and notes each gRPC call.

Every byte passes as it came: flow control, deadlines, cancellation, compression, metadata, trailers
and whatever else the two sides agree on are theirs. Frames are read only as far as a call can be told
from them. Source: RFC 9113; gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from types import SimpleNamespace
from typing import Any, Final

import grpc
from hpack import Decoder, HPACKError

from nilometer.capture.grpc.server import PROBES, Call, Messages
from nilometer.handoff.worker import Worker
from nilometer_agent.proxy.heads import Refused, Unreadable
from nilometer_agent.proxy.settings import ProxySettings

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD: Final = 9
PREFIX: Final = 5  # of a message: whether it is compressed, and its length
MAX_CALLS = 10_000  # of a connection, at once
MAX_TABLE_BYTES = 1 << 20  # of header compression, that a side may ask for
NEARLY = 0.9  # of a deadline: a client that resets after so much of it has waited to the end

_PADDED, _PRIORITY, _END_HEADERS, _END_STREAM, _ACK = 0x8, 0x20, 0x4, 0x1, 0x1
_HEADER_TABLE_SIZE = 0x1
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Kind(IntEnum):
    """Frames that tell something of a call."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    CONTINUATION = 9


_READ = frozenset(Kind)


@dataclass(slots=True)
class _Told:
    """Whom the frames of one direction are told to."""

    headers: Callable[[int, list[tuple[str, bytes]], bool], None]
    data: Callable[[int, bytes], None]
    ended: Callable[[int], None]
    reset: Callable[[int, int], None]
    settings: Callable[[bytes], None]


class Frames:
    """The frames of one direction, over any cut of their bytes.

    Args:
        told: Called with what they say.
        max_block_bytes: Cap of a header block, compressed and not.
    """

    def __init__(self, told: _Told, max_block_bytes: int) -> None:
        self.decoder = Decoder(max_header_list_size=max_block_bytes)
        self._told = told
        self._max_block_bytes = max_block_bytes
        self._head = b""
        self._left = 0  # of the payload
        self._kind = self._flags = self._stream = 0
        self._payload = b""  # of what is read whole
        self._padding = 0  # at the end of DATA
        self._block = b""
        self._block_ends_stream = False

    def read(self, data: bytes, position: int = 0) -> None:
        """Take *data* from *position*.

        Raises:
            Unreadable: If it is no HTTP/2, or larger than is read along.
        """
        while position < len(data):
            if len(self._head) < FRAME_HEAD:
                taken = data[position : position + FRAME_HEAD - len(self._head)]
                self._head += taken
                position += len(taken)
                if len(self._head) < FRAME_HEAD:
                    return
                self._begin()
            taken = data[position : position + self._left]
            position += len(taken)
            self._left -= len(taken)
            if taken and self._kind == Kind.DATA:
                self._content(taken)
            elif taken and self._kind in _READ:
                self._payload += taken
            if not self._left:
                self._head = b""  # here: whatever `_over` meets, the next bytes are another frame
                self._over()

    def _begin(self) -> None:
        head = self._head
        self._left = int.from_bytes(head[:3], "big")
        self._kind, self._flags = head[3], head[4]
        self._stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        self._payload = b""
        self._padding = -1 if self._flags & _PADDED else 0
        if self._kind in _READ and self._kind != Kind.DATA and self._left > self._max_block_bytes:
            raise Unreadable("a frame is too large")
        if self._block and (self._kind != Kind.CONTINUATION):
            raise Unreadable("a header block is interrupted")

    def _content(self, taken: bytes) -> None:
        if self._padding < 0:  # the first byte says how much stands at the end
            self._padding, taken = taken[0], taken[1:]
        over = len(taken) + self._left - self._padding  # of content, from here on
        content = taken[: max(over, 0)]
        if content:
            self._told.data(self._stream, content)

    def _over(self) -> None:
        """The frame is whole."""
        payload, flags, stream = self._payload, self._flags, self._stream
        match self._kind:
            case Kind.DATA:
                if flags & _END_STREAM:
                    self._told.ended(stream)
            case Kind.HEADERS:
                if flags & _PADDED:
                    payload = payload[1 : len(payload) - payload[0]] if payload else b""
                if flags & _PRIORITY:
                    payload = payload[5:]
                self._block_ends_stream = bool(flags & _END_STREAM)
                self._add_block(payload)
            case Kind.CONTINUATION:
                self._add_block(payload)
            case Kind.RST_STREAM:
                self._told.reset(stream, int.from_bytes(payload, "big"))
            case Kind.SETTINGS:
                if not flags & _ACK:
                    self._told.settings(payload)
            case _:  # pings, windows, priorities, and what is yet to come
                pass

    def _add_block(self, part: bytes) -> None:
        self._block += part
        if len(self._block) > self._max_block_bytes:
            raise Unreadable("a header block is too large")
        if not self._flags & _END_HEADERS:
            return
        block, self._block = self._block, b""
        try:
            # Of every stream, observed or not: the table of the compression is the connection's.
            headers = [
                (bytes(name).decode("latin-1"), bytes(value))
                for name, value in self.decoder.decode(block, raw=True)
            ]
        except HPACKError as error:
            raise Unreadable(f"header compression: {error}") from error
        self._told.headers(self._stream, headers, self._block_ends_stream)
        if self._block_ends_stream:
            self._told.ended(self._stream)


class _Reader:
    """Messages of one side of a call, out of its DATA frames.

    Args:
        messages: Where they are counted and, up to the cap, kept.
        note: Called with each message that is kept.
    """

    def __init__(self, messages: Messages, note: Callable[[bytes, bool], None]) -> None:
        self._messages = messages
        self._note = note
        self._prefix = b""
        self._left = 0
        self._size = 0
        self._parts: list[bytes] | None = []

    def read(self, data: bytes) -> None:
        """Take content of a DATA frame."""
        position = 0
        while position < len(data):
            if len(self._prefix) < PREFIX:
                taken = data[position : position + PREFIX - len(self._prefix)]
                self._prefix += taken
                position += len(taken)
                if len(self._prefix) < PREFIX:
                    return
                self._size = self._left = int.from_bytes(self._prefix[1:], "big")
                fits = self._messages.size + self._size <= self._messages.cap
                self._parts = [] if fits else None
            taken = data[position : position + self._left]
            position += len(taken)
            self._left -= len(taken)
            if self._parts is not None:
                self._parts.append(taken)
            if not self._left:
                compressed = bool(self._prefix[0] & 1)
                self._prefix = b""
                self._over(compressed=compressed)

    def _over(self, *, compressed: bool) -> None:
        if self._parts is None:
            self._messages.skip(self._size)
        else:
            parts, self._parts = self._parts, []
            self._note(parts[0] if len(parts) == 1 else b"".join(parts), compressed)


class _Stream:
    """One call on its way."""

    __slots__ = ("answers", "call", "deadline", "requests")

    def __init__(self, call: Call, deadline: float) -> None:
        self.call = call
        self.deadline = deadline  # seconds that the client waits
        self.requests = _Reader(call.request, call.note_request)
        self.answers = _Reader(call.response, call.note_answer)


class Http2:
    """Follows one connection; see `nilometer_agent.proxy.relay.Follower`.

    Args:
        settings: Of the proxy.
        worker: Takes what is noted.
    """

    connects_at_once = True
    waits = in_request = in_answer = False

    def __init__(self, settings: ProxySettings, worker: Worker) -> None:
        self.tunnels = False
        self.refusal: Refused | None = None
        self._worker = worker
        self._capture: Any = SimpleNamespace(
            worker=worker, cap=settings.max_body_bytes, stall_seconds=settings.stall_seconds
        )
        self._excluded = frozenset(settings.exclude)
        self._preface = b""
        self._streams: dict[int, _Stream] = {}
        self._client_ended = False
        cap = settings.max_head_bytes
        self._from_client = Frames(
            _Told(self._begin, self._request, _nothing, self._client_reset, self._client_settings),
            cap,
        )
        self._from_server = Frames(
            _Told(self._headers, self._answer, self._over, self._server_reset, self._table), cap
        )

    @property
    def unanswered(self) -> bool:
        """See `Follower`."""
        return bool(self._streams)

    def sent(self, data: bytes) -> tuple[bytes, bytes]:
        """See `Follower`."""
        position = 0
        if len(self._preface) < len(PREFACE):
            taken = data[: len(PREFACE) - len(self._preface)]
            self._preface += taken
            if not PREFACE.startswith(self._preface):
                raise Unreadable("not HTTP/2 without TLS")
            position = len(taken)
        self._from_client.read(data, position)
        return data, b""

    def answered(self, data: bytes) -> tuple[bytes, bytes]:
        """See `Follower`."""
        self._from_server.read(data)
        return data, b""

    def refused(self, refusal: Refused) -> bytes:
        """See `Follower`: a connection that ends is `UNAVAILABLE` to gRPC."""
        del refusal
        return b""

    def client_ended(self) -> None:
        """See `Follower`."""
        self._client_ended = True

    def ended(self, *, whole: bool) -> None:
        """See `Follower`."""
        del whole
        code = grpc.StatusCode.CANCELLED if self._client_ended else grpc.StatusCode.UNAVAILABLE
        for number in [*self._streams]:
            self._end(number, code)

    def lose(self) -> int:
        """See `Follower`."""
        lost = len(self._streams)
        self._streams.clear()
        self._worker.in_flight -= lost
        return lost

    # What the client's frames say.

    def _begin(
        self,
        number: int,
        headers: list[tuple[str, bytes]],
        ends: bool,  # noqa: FBT001
    ) -> None:
        del ends
        if number in self._streams or len(self._streams) >= MAX_CALLS:
            return  # trailers of a request; or more than are read along
        fields = dict(headers)
        path = fields.get(":path", b"").decode("latin-1")
        worker = self._worker
        if (
            not fields.get("content-type", b"").startswith(b"application/grpc")
            or path in self._excluded
            or path.startswith(PROBES)
            or not (worker.live or worker.revive())
        ):
            return
        plain = tuple((name, value) for name, value in headers if not name.startswith(":"))
        details: Any = SimpleNamespace(method=path, invocation_metadata=plain)
        deadline = _seconds(fields.get("grpc-timeout", b"").decode("latin-1"))
        self._streams[number] = _Stream(Call(self._capture, details), deadline)

    def _request(self, number: int, content: bytes) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.requests.read(content)

    def _client_reset(self, number: int, error: int) -> None:
        del error
        stream = self._streams.get(number)
        if stream is not None:
            # The client's clock began before ours, and what it wrote of it was rounded up.
            late = stream.call.elapsed >= stream.deadline * NEARLY
            status = grpc.StatusCode
            self._end(number, status.DEADLINE_EXCEEDED if late else status.CANCELLED)

    def _client_settings(self, payload: bytes) -> None:
        _allow(self._from_server.decoder, payload)

    # What the server's frames say.

    def _headers(
        self,
        number: int,
        headers: list[tuple[str, bytes]],
        ends: bool,  # noqa: FBT001
    ) -> None:
        if not ends or number not in self._streams:
            return
        status = dict(headers).get("grpc-status", b"")
        self._end(number, _CODES.get(status, grpc.StatusCode.UNKNOWN))

    def _answer(self, number: int, content: bytes) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.answers.read(content)

    def _over(self, number: int) -> None:
        """Without trailers: gRPC's clients call it unknown."""
        self._end(number, grpc.StatusCode.UNKNOWN)

    def _server_reset(self, number: int, error: int) -> None:
        self._end(number, _OF_RESETS.get(error, grpc.StatusCode.INTERNAL))

    def _table(self, payload: bytes) -> None:
        _allow(self._from_client.decoder, payload)

    def _end(self, number: int, code: grpc.StatusCode) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.call.answered = code is grpc.StatusCode.OK
            stream.call.end(code)


_CODES = {str(code.value[0]).encode(): code for code in grpc.StatusCode}

# Codes of RST_STREAM that gRPC's clients read as something else than INTERNAL.
_OF_RESETS = {
    0x7: grpc.StatusCode.UNAVAILABLE,  # REFUSED_STREAM
    0x8: grpc.StatusCode.CANCELLED,
    0xB: grpc.StatusCode.RESOURCE_EXHAUSTED,  # ENHANCE_YOUR_CALM
    0xC: grpc.StatusCode.PERMISSION_DENIED,  # INADEQUATE_SECURITY
}


def _nothing(number: int) -> None:
    """A client that has said all it has to say still waits."""


def _allow(decoder: Decoder, settings: bytes) -> None:
    """Let the other side's compression grow to what this side's *settings* allow."""
    for at in range(0, len(settings) - 5, 6):
        if int.from_bytes(settings[at : at + 2], "big") == _HEADER_TABLE_SIZE:
            size = int.from_bytes(settings[at + 2 : at + 6], "big")
            if size > MAX_TABLE_BYTES:
                raise Unreadable("header compression asks for too much memory")
            decoder.max_allowed_table_size = max(decoder.max_allowed_table_size, size)


def _seconds(timeout: str) -> float:
    """Of a ``grpc-timeout``; infinite where there is none."""
    number, unit = timeout[:-1], timeout[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()):
        return float("inf")
    return int(number[:8]) * _UNITS[unit]
