"""Follows both directions of an HTTP/2 connection without TLS, and observes each gRPC call.

Every byte is forwarded unchanged. So flow control, deadlines, cancellation, compression, metadata and
trailers work as without a proxy. Only the parts of frames that describe a call are read. Source: RFC
9113; gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md).
"""

from types import SimpleNamespace
from typing import Any, Final

import grpc

from nilometer.capture.grpc.call import PROBES, Call
from nilometer.handoff.worker import Worker
from nilometer.values.request_rules import GRPC, RequestRules
from nilometer_agent.proxy.frames import Events, Frames, allow_table
from nilometer_agent.proxy.heads import Refused, Unreadable
from nilometer_agent.proxy.messages import MessageReader
from nilometer_agent.proxy.settings import ProxySettings

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_CALLS = 10_000  # concurrent calls of one connection
NEARLY = 0.9  # share of a deadline; a reset after this share counts as an exceeded deadline

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class _Stream:
    """A call in progress."""

    __slots__ = ("answers", "asked", "call", "deadline", "requests")

    def __init__(self, call: Call, deadline: float) -> None:
        self.call = call
        self.asked = False  # the client has sent a complete message, or ended its side
        self.deadline = deadline  # the client's deadline in seconds
        self.requests = MessageReader(call.request, call.note_request)
        self.answers = MessageReader(call.response, call.note_answer)


class Http2:
    """Follows one connection; see `nilometer_agent.proxy.follower.Follower`.

    Args:
        settings: Settings of the proxy.
        worker: Worker that gets the observations.
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
        self._exclude = RequestRules.of(settings.exclude)
        self._preface = b""
        self._streams: dict[int, _Stream] = {}
        self._unread: dict[
            int, bool
        ] = {}  # streams that are not observed, and whether the client has ended its side
        self._asked = 0  # streams of both kinds that wait for the server
        self._client_ended = False
        cap = settings.max_head_bytes
        self._from_client = Frames(
            Events(
                self._begin,
                self._request,
                self._client_over,
                self._client_reset,
                self._client_settings,
            ),
            cap,
        )
        self._from_server = Frames(
            Events(self._headers, self._answer, self._over, self._server_reset, self._table), cap
        )

    @property
    def unanswered(self) -> bool:
        """See `Follower`."""
        return bool(self._streams)

    @property
    def waits_for_client(self) -> bool:
        """See `Follower`."""
        return not self._asked

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
        """See `Follower`. gRPC clients report a closed connection as `UNAVAILABLE`."""
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
            self._end(number, code, left=self._client_ended)

    def lose(self) -> int:
        """See `Follower`."""
        lost = len(self._streams)
        for stream in self._streams.values():
            stream.call.abandon()
        self._streams.clear()
        self._asked = sum(self._unread.values())
        return lost

    # Events of the client

    def _begin(
        self,
        number: int,
        headers: list[tuple[str, bytes]],
        ends: bool,  # noqa: FBT001
    ) -> None:
        del ends
        if number in self._streams or number in self._unread:
            return  # trailers of a request
        if len(self._streams) + len(self._unread) >= MAX_CALLS:
            return  # over the limit of observed streams
        fields = dict(headers)
        path = fields.get(":path", b"").decode("latin-1")
        worker = self._worker
        if (
            not fields.get("content-type", b"").startswith(b"application/grpc")
            or path.startswith(PROBES)
            or self._exclude.match("POST", path, GRPC)
            or not (worker.live or worker.revive())
        ):
            self._unread[number] = False
            return
        plain = tuple((name, value) for name, value in headers if not name.startswith(":"))
        details: Any = SimpleNamespace(method=path, invocation_metadata=plain)
        deadline = _seconds(fields.get("grpc-timeout", b"").decode("latin-1"))
        self._streams[number] = _Stream(Call(self._capture, details), deadline)

    def _request(self, number: int, content: bytes) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.requests.read(content)
            if stream.call.request.count:
                self._ask(stream)

    def _client_over(self, number: int) -> None:
        """Note that the client has ended its side and waits for the server."""
        stream = self._streams.get(number)
        if stream is not None:
            self._ask(stream)
        elif self._unread.get(number) is False:
            self._unread[number] = True
            self._asked += 1

    def _ask(self, stream: _Stream) -> None:
        if not stream.asked:
            stream.asked = True
            self._asked += 1

    def _client_reset(self, number: int, error: int) -> None:
        del error
        stream = self._streams.get(number)
        if stream is not None:
            # The client starts its clock earlier than the proxy, and rounds the deadline up.
            late = stream.call.elapsed >= stream.deadline * NEARLY
            status = grpc.StatusCode
            self._end(number, status.DEADLINE_EXCEEDED if late else status.CANCELLED, left=True)
        else:
            self._asked -= self._unread.pop(number, False)

    def _client_settings(self, payload: bytes) -> None:
        allow_table(self._from_server.decoder, payload)

    # Events of the server

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
        """End a call without trailers; gRPC clients report it as unknown."""
        self._end(number, grpc.StatusCode.UNKNOWN)

    def _server_reset(self, number: int, error: int) -> None:
        self._end(number, _OF_RESETS.get(error, grpc.StatusCode.INTERNAL))

    def _table(self, payload: bytes) -> None:
        allow_table(self._from_client.decoder, payload)

    def _end(self, number: int, code: grpc.StatusCode, *, left: bool = False) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._asked -= stream.asked
            stream.call.handled = not left
            stream.call.end(code)
        else:
            self._asked -= self._unread.pop(number, False)


_CODES = {str(code.value[0]).encode(): code for code in grpc.StatusCode}

# Codes of RST_STREAM that gRPC clients do not report as INTERNAL.
_OF_RESETS = {
    0x7: grpc.StatusCode.UNAVAILABLE,  # REFUSED_STREAM
    0x8: grpc.StatusCode.CANCELLED,
    0xB: grpc.StatusCode.RESOURCE_EXHAUSTED,  # ENHANCE_YOUR_CALM
    0xC: grpc.StatusCode.PERMISSION_DENIED,  # INADEQUATE_SECURITY
}


def _seconds(timeout: str) -> float:
    """Return the seconds of a ``grpc-timeout``; infinite if it is missing or invalid."""
    number, unit = timeout[:-1], timeout[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()):
        return float("inf")
    return int(number[:8]) * _UNITS[unit]
