"""E-mail over SMTP. The connection is always encrypted, and goes to a checked address only.

`TOTAL_SECONDS` is the limit for everything: name lookup, connection, handshake and conversation. A
server that sends more than `MOST_REPLY_BYTES` is cut off. Only a reply of 500 to 599 to a recipient or
to the message means that it will never be accepted. Any other failure may end, such as that of a server
that greets with 554 or wants a password.

A server may accept the message for some recipients only. Those that it has deferred get it later, and
the others do not get it again.
"""

import io
import logging
import queue
import smtplib
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.plain_text import printable, shortened
from nilometer_collector.access.addresses import parse_address
from nilometer_collector.access.destinations import Allowed, IPAddress, addresses_of
from nilometer_collector.alerting.receiver_fields import mail_addresses
from nilometer_collector.channels.message import Message
from nilometer_collector.channels.pinned import AddressRefused
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.recipients import Recipients
from nilometer_collector.channels.sending import Sending

TOTAL_SECONDS = 8.0
MOST_REPLY_BYTES = 64 << 10
MAX_SUBJECT_CHARACTERS = 200
RETRY_SECONDS = 60.0  # wait before a mail is offered again to recipients that the server deferred

log = logging.getLogger("nilometer.collector")


class Mailer:
    """Sends mail, and remembers the recipients that a server has deferred.

    Args:
        clock: Clock for the limit of an attempt.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recipients = Recipients()

    def send(self, sending: Sending) -> Answer:
        """Send the message to all recipients that do not have it yet. Never raises."""
        key = f"{sending.channel.name}/{sending.message.key}"
        left = self._recipients.left(key, mail_addresses(sending.setting("to")), sending.now_ns)
        has_begun = False
        deadline = Deadline(self._clock, TOTAL_SECONDS)
        try:
            with _connected(sending, deadline) as server:
                server.ehlo_or_helo_if_needed()
                if user := sending.setting("username"):
                    server.login(user, sending.secret("password"))
                has_begun = True
                codes = _offered(server, sending, left)
        except AddressRefused as error:
            return _failed(str(error))
        except smtplib.SMTPDataError as error:
            return self._refused_data(key, error.smtp_code)
        except smtplib.SMTPResponseException as error:
            return _failed(f"status {error.smtp_code}")
        except ssl.SSLError as error:
            return _failed(
                f"TLS: {error.reason or type(error).__name__}", may_have_arrived=has_begun
            )
        except (OSError, smtplib.SMTPException, ValueError) as error:
            # Before the message was offered, nothing can have arrived.
            reason = type(error).__name__
            if deadline.is_over:
                reason = f"not sent within {TOTAL_SECONDS:g} s"
            return _failed(reason, may_have_arrived=has_begun)
        return self._answer(key, sending, left, codes)

    def _answer(
        self, key: str, sending: Sending, left: Sequence[str], codes: Mapping[str, int]
    ) -> Answer:
        self._recipients.record(key, left, codes)
        is_told = self._recipients.is_told(key)
        reason = (
            f"{len(codes)} recipients were refused with status {max(codes.values(), default=0)}"
        )
        deferred = [one for one, code in codes.items() if 400 <= code < 500]
        if deferred and self._recipients.must_wait(key, deferred, sending.now_ns):
            wait_seconds = RETRY_SECONDS if is_told else 0.0
            return _failed(reason, may_have_arrived=is_told, wait_seconds=wait_seconds)
        self._recipients.forget(key)
        if not is_told:
            return Answer(outcome=Outcome.REFUSED, reason=reason)
        if codes:
            log.error(
                "mail not accepted for some recipients, will not retry: check their addresses",
                extra={"channel": sending.channel.name, "reason": reason},
            )
        return Answer(outcome=Outcome.DELIVERED)

    def _refused_data(self, key: str, code: int) -> Answer:
        reason = f"status {code}"
        if not 500 <= code < 600 or self._recipients.is_told(key):
            return _failed(reason)
        self._recipients.forget(key)
        return Answer(outcome=Outcome.REFUSED, reason=reason)


def _offered(server: "_Server", sending: Sending, recipients: Sequence[str]) -> dict[str, int]:
    """Offer the message; return the code of each recipient that the server did not accept.

    Raises:
        OSError: If the connection ends.
        SMTPException: If the server refuses the sender, the message or the connection.
    """
    try:
        refusals = server.send_message(mail_of(sending), to_addrs=recipients)
    except smtplib.SMTPRecipientsRefused as error:
        # Nobody gets it, also not those that were accepted before the server ended the connection.
        refusals = {one: error.recipients.get(one, (421, b"")) for one in recipients}
    return {one: int(code) for one, (code, _) in refusals.items()}


def _failed(reason: str, *, may_have_arrived: bool = False, wait_seconds: float = 0.0) -> Answer:
    return Answer(
        outcome=Outcome.FAILED,
        reason=reason,
        may_have_arrived=may_have_arrived,
        wait_seconds=wait_seconds,
    )


def mail_of(sending: Sending) -> EmailMessage:
    """Return the message as a mail. Mails about one episode are one conversation."""
    message = sending.message
    (sender, *_), recipients = (mail_addresses(sending.setting(name)) for name in ("from", "to"))
    domain = sender.rpartition("@")[2]
    told = message.told[0]
    mail = EmailMessage()
    mail["Subject"] = shortened(printable(message.headline), MAX_SUBJECT_CHARACTERS)
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(datetime.fromtimestamp(sending.now_ns // NANOSECONDS, UTC))
    mail["Message-ID"] = f"<{message.key}@{domain}>"
    mail["References"] = f"<nilometer.{told.episode.id}.{told.episode.opened_ns}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_body(message))
    return mail


def _body(message: Message) -> str:
    lines = [printable(line) for line in message.lines()]
    table = [
        printable(
            f"- {row.where}: {row.summary}: {row.moved}, since {row.since} {row.trend}".rstrip()
        )
        for row in message.rows
    ]
    links = [lines[-1], *(printable(f"{one.text}: {one.url}") for one in message.choices)]
    return "\n\n".join([*lines[:-1], "\n".join(table), *links]) + "\n"


class Deadline:
    """The end of an attempt.

    Args:
        clock: Clock that tells when it has come.
        seconds: Time from now.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self._clock.monotonic() >= self._end

    def left(self) -> float:
        """Return the seconds that are left, more than 0.

        Raises:
            TimeoutError: If none is left.
        """
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _connected(sending: Sending, deadline: Deadline) -> "_Server":
    """Return an encrypted connection to the mail server.

    Raises:
        AddressRefused: If the server has a forbidden address.
        OSError: If the server cannot be reached.
    """
    host, port = parse_address("server", sending.setting("server"))
    addresses = _checked(host, sending.allowed, deadline)
    context = ssl.create_default_context()
    server = _Server(host, addresses, deadline)
    try:
        server.open(port, context if sending.setting("tls") == "tls" else None)
        if sending.setting("tls") == "starttls":
            server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _checked(host: str, allowed: Allowed, deadline: Deadline) -> Sequence[str]:
    """Return the addresses of *host*, which are all allowed.

    The lookup takes as long as the system's resolver wants, so it has a thread of its own.
    """
    found: queue.SimpleQueue[list[IPAddress] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(addresses_of(host))
        except (OSError, UnicodeError) as error:
            found.put(OSError(type(error).__name__))

    threading.Thread(target=look_up, name="nilometer-lookup", daemon=True).start()
    try:
        addresses = found.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(addresses, OSError):
        raise addresses
    for address in addresses:
        if refusal := allowed.refusal(host, address):
            raise AddressRefused(refusal)
    return [str(address) for address in addresses]


class _Server(smtplib.SMTP):
    """A connection to a checked address that ends at a deadline.

    Every wait for the network is at most the rest of the time.

    Args:
        host: Name of the server, for TLS.
        addresses: Addresses to connect to, in this order.
        deadline: End of the conversation.
    """

    def __init__(self, host: str, addresses: Sequence[str], deadline: Deadline) -> None:
        super().__init__(local_hostname="nilometer.invalid")
        self._host = host
        self._addresses = addresses
        self._deadline = deadline
        self._tls: ssl.SSLContext | None = None

    def open(self, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect, encrypted from the start if *tls* is given.

        Raises:
            OSError: If the server cannot be reached.
            SMTPConnectError: If the server refuses the connection.
        """
        self._tls = tls
        code, text = self.connect(self._host, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)

    def __exit__(self, *raised: object) -> None:
        # The outcome is known before the server answers the farewell.
        with suppress(OSError, smtplib.SMTPException):
            self.docmd("QUIT")
        self.close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del host, timeout
        connection = self._connection(port)
        if self._tls is None:
            return connection
        connection.settimeout(self._deadline.left())
        return self._tls.wrap_socket(connection, server_hostname=self._host)

    def _connection(self, port: int) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time."""
        *others, last = self._addresses
        for at, address in enumerate(others):
            share = self._deadline.left() / (len(self._addresses) - at)
            with suppress(OSError):
                return socket.create_connection((address, port), share)
        return socket.create_connection((last, port), self._deadline.left())

    def send(self, s: str | bytes | bytearray | memoryview) -> None:  # type: ignore[override]
        """Send *s* before the deadline."""
        if self.sock is not None:
            self.sock.settimeout(self._deadline.left())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply, within `MOST_REPLY_BYTES` for the connection."""
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock, self._deadline)
        reply = super().getreply()
        if self.sock is not None:
            self.sock.settimeout(self._deadline.left())  # for the handshake, if that is next
        return reply


class _Bounded(io.BufferedIOBase):
    """Reads lines from a socket before a deadline, and at most `MOST_REPLY_BYTES`."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._unread = b""
        self._left = MOST_REPLY_BYTES

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line, or *size* bytes of it.

        Raises:
            OSError: If the server has sent too much, or the time is over.
        """
        most = MOST_REPLY_BYTES if size is None or size < 0 else size
        while b"\n" not in self._unread and len(self._unread) < most:
            self._connection.settimeout(self._deadline.left())
            received = self._connection.recv(4096)
            if not received:
                break
            self._unread += received
            self._left -= len(received)
            if self._left < 0:
                raise OSError("the server sends too much")
        end = min(self._unread.find(b"\n") + 1 or len(self._unread), most)
        line, self._unread = self._unread[:end], self._unread[end:]
        return line
