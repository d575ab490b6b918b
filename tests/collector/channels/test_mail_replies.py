"""What each reply of a mail server means, and how long it may take, with a server of the test."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from support.told import a_message

from nilometer.values.clock import NANOSECONDS, SystemClock
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.channels.mail import Mailer
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.recipients import DEFERRED_SECONDS
from nilometer_collector.channels.sending import Sending
from nilometer_collector.testing import START_NS

FIRST, SECOND = "a@example.com", "b@example.com"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The certificate of a server at localhost, which the mailer trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


class Server:
    """Answers each command with the reply of *replies*, and with 250 otherwise.

    Attributes:
        offered: Recipients of each connection.
    """

    def __init__(self, tls: ssl.SSLContext, replies: Mapping[str, str]) -> None:
        self.replies = dict(replies)
        self.offered: list[list[str]] = []
        self._tls = tls

    def __call__(self, connection: socket.socket) -> None:
        """Hold one conversation."""
        self.offered.append([])
        connection.sendall(self._reply("GREETING", "220 hello"))
        self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        while line := lines.readline().decode().strip():
            word = line.partition(" ")[0].upper()
            if word == "STARTTLS" and "STARTTLS" not in self.replies:
                connection.sendall(b"220 go\r\n")
                with self._tls.wrap_socket(connection, server_side=True) as encrypted:
                    self._converse(encrypted)
                return
            if word == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                self.offered[-1].append(address)
                connection.sendall(self._reply(address, "250 fine"))
                continue
            known = {"EHLO": "250-localhost\r\n250 STARTTLS", "DATA": "354 go"}
            connection.sendall(self._reply(word, known.get(word, "250 fine")))
            if word == "DATA":
                while lines.readline() not in {b".\r\n", b""}:
                    pass
                connection.sendall(self._reply("END", "250 fine"))

    def _reply(self, word: str, usual: str) -> bytes:
        return f"{self.replies.get(word, usual)}\r\n".encode()


@contextmanager
def serving(converse: Callable[[socket.socket], None]) -> Iterator[int]:
    """Let *converse* answer each connection to the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError, ssl.SSLError):
                    converse(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def send(mailer: Mailer, port: int, now_ns: int = START_NS, tls: str = "starttls") -> Answer:
    channel = ChannelDefinition(
        name="mail",
        kind="email",
        settings={
            "server": f"localhost:{port}",
            "from": "nilometer@example.com",
            "to": f"{FIRST}, {SECOND}",
            "tls": tls,
        },
    )
    allowed = Allowed.of("webhook_allow", ["127.0.0.0/8"])
    sending = Sending(channel=channel, message=a_message(), allowed=allowed, now_ns=now_ns)
    return mailer.send(sending)


@pytest.mark.parametrize(
    ("replies", "outcome", "reason"),
    [
        ({}, "DELIVERED", ""),
        ({"GREETING": "554 no service from your address"}, "FAILED", "status 554"),
        ({"EHLO": "550 no", "HELO": "550 no"}, "FAILED", "status 550"),
        ({"STARTTLS": "554 not now"}, "FAILED", "status 554"),
        ({"MAIL": "530 authentication required"}, "FAILED", "status 530"),
        ({"DATA": "554 no"}, "REFUSED", "status 554"),
        ({"END": "552 too big"}, "REFUSED", "status 552"),
        ({"END": "451 later"}, "FAILED", "status 451"),
        ({FIRST: "550 no", SECOND: "550 no"}, "REFUSED", "2 recipients were refused"),
        ({FIRST: "450 later", SECOND: "550 no"}, "FAILED", "2 recipients were refused"),
    ],
)
def test_only_a_recipient_or_a_message_is_refused_for_good(
    tls: ssl.SSLContext, replies: dict[str, str], outcome: str, reason: str
) -> None:
    with serving(Server(tls, replies)) as port:
        answer = send(Mailer(SystemClock()), port)
    assert (answer.outcome, answer.may_have_arrived) == (Outcome[outcome], False)
    assert answer.reason.startswith(reason)


def test_a_deferred_recipient_gets_the_mail_later_and_the_others_only_once(
    tls: ssl.SSLContext,
) -> None:
    server, mailer = Server(tls, {SECOND: "450 greylisted"}), Mailer(SystemClock())
    with serving(server) as port:
        first = send(mailer, port)
        assert (first.outcome, first.may_have_arrived) == (Outcome.FAILED, True)
        assert first.wait_seconds > 0
        server.replies.clear()
        assert send(mailer, port).outcome is Outcome.DELIVERED
    assert server.offered == [[FIRST, SECOND], [SECOND]]


def test_a_recipient_that_stays_deferred_is_given_up_and_holds_up_no_other_mail(
    tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    server, mailer = Server(tls, {SECOND: "452 full"}), Mailer(SystemClock())
    late_ns = START_NS + int(DEFERRED_SECONDS * NANOSECONDS)
    with serving(server) as port:
        outcomes = [send(mailer, port, now).outcome for now in (START_NS, late_ns, late_ns + 1)]
    assert outcomes == [Outcome.FAILED, Outcome.DELIVERED, Outcome.DELIVERED]
    assert "mail not accepted for some recipients" in caplog.text


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_no_server_holds_a_conversation_longer_than_the_limit(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("nilometer_collector.channels.mail.TOTAL_SECONDS", 1.0)
    ended = threading.Event()

    def silent_or_dripping(connection: socket.socket) -> None:
        if kind == "tls":
            ended.wait(60)  # no handshake
            return
        connection.sendall(b"220 hi\r\n")
        connection.recv(4096)
        connection.sendall(b"250-x\r\n250 STARTTLS\r\n")
        connection.recv(4096)
        connection.sendall(b"220 go\r\n")
        with tls.wrap_socket(connection, server_side=True) as encrypted:
            encrypted.sendall(b"250-")
            while not ended.wait(0.02):
                encrypted.sendall(b"x")

    with serving(silent_or_dripping) as port:
        answer = send(Mailer(SystemClock()), port, tls=kind)
        ended.set()
    assert (answer.outcome, answer.may_have_arrived) == (Outcome.FAILED, False)
    assert answer.reason == "not sent within 1 s"


def test_a_name_lookup_is_part_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def look_up(host: str) -> list[object]:
        ended.wait(60)
        return []

    monkeypatch.setattr("nilometer_collector.channels.mail.addresses_of", look_up)
    monkeypatch.setattr("nilometer_collector.channels.mail.TOTAL_SECONDS", 0.2)
    assert send(Mailer(SystemClock()), 25).reason == "not sent within 0.2 s"
    ended.set()
