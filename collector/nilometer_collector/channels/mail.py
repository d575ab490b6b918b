"""E-mail over SMTP. The connection is always encrypted, and goes to a checked address only.

`TOTAL_SECONDS` is the limit for the whole conversation after the name lookup. A server that sends
more than `MOST_REPLY_BYTES` is cut off. A reply of 500 to 599 to a recipient or to the message means
that it will never be accepted.
"""

import io
import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import BinaryIO

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.access.addresses import parse_address
from nilometer_collector.access.destinations import Allowed, addresses_of
from nilometer_collector.alerting.receivers import mail_addresses
from nilometer_collector.channels.message import Message
from nilometer_collector.channels.pinned import AddressRefused
from nilometer_collector.channels.plain import printable, shortened
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.sending import Sending

TOTAL_SECONDS = 8.0
MOST_REPLY_BYTES = 64 << 10
MAX_SUBJECT_CHARACTERS = 200


def send_mail(sending: Sending) -> Answer:
    """Send the message to all recipients. Never raises."""
    has_begun = False
    try:
        with _connected(sending) as server:
            if user := sending.setting("username"):
                server.login(user, sending.secret("password"))
            has_begun = True
            server.send_message(mail_of(sending))
    except AddressRefused as error:
        return Answer(outcome=Outcome.FAILED, reason=str(error))
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        return _answer(codes[-1], f"the recipients were refused with status {codes[-1]}")
    except smtplib.SMTPAuthenticationError as error:
        return Answer(
            outcome=Outcome.FAILED, reason=f"the user was refused with status {error.smtp_code}"
        )
    except smtplib.SMTPResponseException as error:
        return _answer(error.smtp_code, f"status {error.smtp_code}")
    except ssl.SSLError as error:
        return Answer(outcome=Outcome.FAILED, reason=f"TLS: {error.reason or type(error).__name__}")
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # Before the message was offered, nothing can have arrived.
        reason = type(error).__name__
        return Answer(outcome=Outcome.FAILED, reason=reason, may_have_arrived=has_begun)
    return Answer(outcome=Outcome.DELIVERED)


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
    return "\n\n".join([*lines[:-1], "\n".join(table), lines[-1]]) + "\n"


def _answer(code: int, reason: str) -> Answer:
    is_permanent = 500 <= code < 600
    return Answer(outcome=Outcome.REFUSED if is_permanent else Outcome.FAILED, reason=reason)


def _connected(sending: Sending) -> "_Server":
    """Return an encrypted connection to the mail server.

    Raises:
        AddressRefused: If the server has a forbidden address.
        OSError: If the server cannot be reached.
    """
    host, port = parse_address("server", sending.setting("server"))
    address = _checked(host, sending.allowed)
    context = ssl.create_default_context()
    server = _Server(host, address)
    try:
        server.open(port, context if sending.setting("tls") == "tls" else None)
        if sending.setting("tls") == "starttls":
            server.starttls(context=context)
    except BaseException:
        server.end()
        raise
    return server


def _checked(host: str, allowed: Allowed) -> str:
    addresses = addresses_of(host)
    for address in addresses:
        if refusal := allowed.refusal(host, address):
            raise AddressRefused(refusal)
    return str(addresses[0])


class _Server(smtplib.SMTP):
    """A connection to one checked address that ends after `TOTAL_SECONDS`.

    Args:
        host: Name of the server, for TLS.
        address: Address to connect to.
    """

    def __init__(self, host: str, address: str) -> None:
        super().__init__(timeout=TOTAL_SECONDS, local_hostname="nilometer.invalid")
        self._host = host
        self._address = address
        self._tls: ssl.SSLContext | None = None
        self._timer = threading.Timer(TOTAL_SECONDS, self._cut)
        self._timer.daemon = True
        self._received = 0

    def open(self, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect, encrypted from the start if *tls* is given.

        Raises:
            OSError: If the server cannot be reached.
            SMTPConnectError: If the server refuses the connection.
        """
        self._tls = tls
        self._timer.start()
        code, text = self.connect(self._host, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)

    def end(self) -> None:
        """Close the connection."""
        self._timer.cancel()
        self.close()

    def __exit__(self, *raised: object) -> None:
        # The outcome is known before the server answers the farewell.
        with suppress(OSError, smtplib.SMTPException):
            self.docmd("QUIT")
        self.end()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del host
        connection = socket.create_connection((self._address, port), timeout)
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_hostname=self._host)

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply, within `MOST_REPLY_BYTES` for the connection."""
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()

    def _cut(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


class _Bounded(io.BufferedIOBase):
    """A file whose reader gets an error after `MOST_REPLY_BYTES`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MOST_REPLY_BYTES

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line.

        Raises:
            OSError: If the server has sent too much.
        """
        line = self._file.readline(-1 if size is None else size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the server sends too much")
        return line

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
