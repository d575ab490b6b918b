"""Forwards bytes between a client's connection and a connection to the server; both end together.

A follower reads the bytes and decides which of them may pass. It is the only part that knows a
protocol. After an internal error or bytes that it cannot read, the relay continues without it. Then
all bytes are forwarded, and this connection is not observed any more.

One side is not read while the buffer of the other side is full. So a connection never holds more than
about two socket buffers.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import Flag, auto

from nilometer.handoff.worker import Worker
from nilometer_agent.proxy.follower import Follower
from nilometer_agent.proxy.heads import Refused, Unreadable
from nilometer_agent.proxy.settings import Address
from nilometer_agent.proxy.sides import ClientSide, ServerSide
from nilometer_agent.proxy.transports import connected, reset, set_reading

LINGER_SECONDS = 2.0  # time for which data of the client is read after the last response
CLOSE_SECONDS = 120.0  # time to send the last bytes
FULL_BYTES = 64 << 10  # size of one side's send buffer at which the other side is no longer read

log = logging.getLogger("nilometer.agent")


class _Hold(Flag):
    """The reason why the client's data is not read."""

    NOTHING = 0
    CONNECTING = auto()
    SERVER_FULL = auto()
    WAITS = auto()


class Relay:
    """One client and its connection to the server.

    Args:
        follower: Follower that observes the connection.
        worker: Worker that records internal errors.
        server: Address of the server.
        connect_seconds: Longest time to connect to the server.
        head_seconds: Longest time for the client to complete the head of a request.
        on_wait: Function that is called whenever the proxy waits for the client.
        on_serve: Function that is called when the proxy waits for the server again.
        on_end: Function that is called once, when both connections are closed.
    """

    def __init__(
        self,
        follower: Follower,
        worker: Worker,
        server: Address,
        *,
        connect_seconds: float,
        head_seconds: float,
        on_wait: Callable[[], None],
        on_serve: Callable[[], None],
        on_end: "Callable[[Relay], None]",
    ) -> None:
        self._follower = follower
        self._worker = worker
        self._server_address = server
        self._connect_seconds, self._head_seconds = connect_seconds, head_seconds
        self._on_wait, self._on_serve, self._on_end = on_wait, on_serve, on_end
        self._client_full = False
        self._client_is_due = True
        self._loop = asyncio.get_running_loop()
        self._client: asyncio.Transport | None = None
        self._server: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._backlog: list[bytes] = []
        self._held = b""  # bytes of the client that are held back
        self._held_answer = b""
        self._blind = False
        self._closing = False
        self._client_ended = False
        self._hold = _Hold.NOTHING
        self._cut_when_empty = False
        self._timer: asyncio.TimerHandle | None = None

    def client_side(self) -> asyncio.Protocol:
        """Return the protocol object for the client's connection."""
        return ClientSide(self)

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""
        return not (self._blind or self._follower.unanswered or self._follower.in_request)

    def close(self) -> None:
        """Close both connections immediately."""
        self._closing = True
        for transport in (self._client, self._server):
            if transport is not None:
                transport.abort()

    # The client.

    def client_came(self, transport: asyncio.Transport) -> None:
        """The client has connected."""
        self._client = transport
        transport.set_write_buffer_limits(FULL_BYTES)
        self._set_timer()
        if self._follower.connects_at_once:
            self._connect()

    def client_sent(self, data: bytes) -> None:
        """Handle bytes from the client; empty *data* means: check the held bytes again."""
        if self._closing:
            return  # the last response is sent: later bytes are ignored
        if not self._blind:
            data = self._let_pass(self._held + data if self._held else data)
        if data:
            self._to_server(data)
        if self._follower.refusal is not None:
            self._refuse_when_answered()
        self._tell_turn()

    def _tell_turn(self) -> None:
        """Report whether the proxy waits for the client or for the server."""
        waits = not (self._blind or self._hold) and self._follower.waits_for_client
        if due := self._client_full or waits:
            self._on_wait()
        elif self._client_is_due:
            self._on_serve()
        self._client_is_due = due

    def _let_pass(self, data: bytes) -> bytes:
        follower = self._follower
        self._held = b""
        try:
            passing, self._held = follower.sent(data)
        except Unreadable as why:
            self._unreadable(why)
            return data
        except Exception as error:  # internal error: forward the bytes unobserved
            self._go_blind(error)
            return data
        if follower.waits:
            self._set_hold(self._hold | _Hold.WAITS)
        elif self._held:
            self._set_timer()
        else:
            self._stop_timer()
        return passing

    def client_half_closed(self) -> bool:
        """The client sends no more, but may still read; return whether to keep it connected."""
        self._client_ended = True
        self._guarded(self._follower.client_ended)
        if self._closing or self._client is None:
            return False
        if self._server is None and self._connecting is None:
            return False
        if self._server is not None and self._server.can_write_eof():
            self._server.write_eof()
        return True

    def client_lost(self, error: Exception | None) -> None:
        """The client's connection is closed; close the server's connection in the same way."""
        self._client = None
        self._stop_timer()
        self._guarded(self._follower.client_ended)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._server is None:
            self._end(whole=False)
        elif error is not None:
            reset(self._server)
        else:
            self._server.close()

    def client_full(self, full: bool) -> None:  # noqa: FBT001  called by position
        """The buffer to the client is full, or has room again."""
        self._client_full = full
        self._tell_turn()
        if self._server is not None:
            set_reading(self._server, reads=not full)
        if not full and self._cut_when_empty and self._client is not None:
            reset(self._client)

    # The server.

    def _connect(self) -> None:
        self._set_hold(self._hold | _Hold.CONNECTING)
        self._connecting = self._loop.create_task(self._open())

    async def _open(self) -> None:
        address = self._server_address
        try:
            async with asyncio.timeout(self._connect_seconds):
                if address.path:
                    await self._loop.create_unix_connection(
                        lambda: ServerSide(self), sock=await connected(address.path)
                    )
                else:
                    await self._loop.create_connection(
                        lambda: ServerSide(self), address.host, address.port
                    )
        except OSError as error:  # TimeoutError is one
            self._connecting = None
            log.warning(
                "server not reachable, request answered with 502: start the server, or correct upstream",
                extra={"server": str(address), "reason": str(error)},
            )
            self._backlog.clear()
            self._refuse(Refused(502, "the proxy cannot connect to the server"))
            return
        self._connecting = None
        self._set_hold(self._hold & ~_Hold.CONNECTING)

    def server_came(self, transport: asyncio.Transport) -> None:
        """The server has accepted the connection."""
        if self._client is None:
            transport.abort()
            return
        self._server = transport
        transport.set_write_buffer_limits(FULL_BYTES)
        if self._backlog:
            transport.write(b"".join(self._backlog))
            self._backlog.clear()
        if self._client_ended and transport.can_write_eof():
            transport.write_eof()

    def server_sent(self, data: bytes) -> None:
        """Handle bytes from the server."""
        follower = self._follower
        if not self._blind:
            data = self._held_answer + data if self._held_answer else data
            self._held_answer = b""
            try:
                passing, self._held_answer = follower.answered(data)
            except Unreadable as why:
                self._unreadable(why)
            except Exception as error:  # internal error: forward the bytes unobserved
                self._go_blind(error)
            else:
                data = passing
        if data and self._client is not None and not self._client.is_closing():
            self._client.write(data)
        if self._blind:
            return
        self._tell_turn()
        if follower.tunnels:
            self._go_blind(None)
        elif self._hold & _Hold.WAITS and not follower.waits:
            self._set_hold(self._hold & ~_Hold.WAITS)
            self.client_sent(b"")
        elif follower.refusal is not None:
            self._refuse_when_answered()

    def server_lost(self, error: Exception | None) -> None:
        """The server's connection is closed; close the client's connection in the same way."""
        self._server = None
        client = self._client
        if client is None or self._closing:
            self._end(whole=False)
            return
        if self._held_answer:
            client.write(self._held_answer)
            self._held_answer = b""
        in_request = self._follower.in_request or bool(self._held)
        self._end(whole=error is None)
        if error is None:
            self._close_client(linger=in_request)
        elif client.get_write_buffer_size():
            self._closing = self._cut_when_empty = True
            client.set_write_buffer_limits(0)
        else:
            reset(client)

    def server_full(self, full: bool) -> None:  # noqa: FBT001  called by position
        """The buffer to the server is full, or has room again."""
        hold = _Hold.SERVER_FULL
        self._set_hold(self._hold | hold if full else self._hold & ~hold)

    def _to_server(self, data: bytes) -> None:
        if self._server is not None:
            self._server.write(data)
            return
        self._backlog.append(data)
        if self._connecting is None:
            self._connect()

    # Ending.

    def _refuse_when_answered(self) -> None:
        """Refuse the request once all earlier requests have their responses."""
        refusal = self._follower.refusal
        if refusal is None or (self._follower.unanswered and not self._follower.in_request):
            return
        self._refuse(refusal)

    def _refuse(self, refusal: Refused) -> None:
        client = self._client
        if client is None or self._closing:
            return
        told = b""
        try:
            told = self._follower.refused(refusal)
        except Exception as error:  # the connection ends anyway
            self._worker.note(error, lost=1)
        in_answer = self._follower.in_answer
        self._closing = True
        if self._server is not None:
            self._server.abort()
        if in_answer:  # the client could not distinguish a refusal from the rest of the response
            reset(client)
            return
        client.write(told)
        self._close_client(linger=True)

    def _close_client(self, *, linger: bool) -> None:
        """Send the last bytes, then close the client's connection.

        Closing a connection with unread bytes sends a reset, which may arrive before the response.
        So the client's remaining bytes are read and ignored.
        """
        client = self._client
        if client is None:
            return
        self._closing = True
        self._stop_timer()
        if linger and not self._client_ended and client.can_write_eof():
            client.write_eof()
            set_reading(client, reads=True)
            self._timer = self._loop.call_later(
                LINGER_SECONDS, lambda: self._close_client(linger=False)
            )
        else:
            client.close()
            self._timer = self._loop.call_later(CLOSE_SECONDS, client.abort)

    def _unreadable(self, why: Unreadable) -> None:
        """Stop observing a connection with another protocol."""
        log.info("connection forwarded but not observed", extra={"reason": str(why)})
        self._guarded(lambda: self._follower.ended(whole=False))
        self._go_blind(None)

    def _go_blind(self, error: Exception | None) -> None:
        """Stop observing the connection, and forward the held bytes."""
        if error is not None:
            self._worker.note(error, lost=self._follower.lose())
        self._blind = True
        self._stop_timer()
        held, self._held = self._held, b""
        if held:
            self._to_server(held)
        held, self._held_answer = self._held_answer, b""
        if held and self._client is not None:
            self._client.write(held)
        self._set_hold(self._hold & ~_Hold.WAITS)
        self._tell_turn()

    def _end(self, *, whole: bool) -> None:
        self._guarded(lambda: self._follower.ended(whole=whole))
        if self._client is None and self._server is None:
            self._on_end(self)

    def _guarded(self, note: Callable[[], None]) -> None:
        if self._blind:
            return
        try:
            note()
        except Exception as error:  # monitoring must never fail a prediction
            self._worker.note(error, lost=1)

    # Timers and flow control

    def _set_hold(self, hold: _Hold) -> None:
        self._hold = hold
        if self._client is not None and not self._closing:
            set_reading(self._client, reads=not hold)

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._head_seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._closing or self._blind or self._client is None:
            return
        if self._held and not self._follower.unanswered:
            self._refuse(Refused(408, "the head of the request took too long"))
        elif not self._held:
            self._client.close()
