"""Mail goes over an encrypted connection to a real SMTP server, and to checked addresses only."""

import socket
import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default
from pathlib import Path

import pytest
import trustme
from support.told import a_message, a_notice, a_part

from nilometer.values.clock import SystemClock
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.channels.mail import Mailer
from nilometer_collector.channels.message import Message
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.sending import Sending
from nilometer_collector.testing import START_NS

aiosmtpd = pytest.importorskip("aiosmtpd.controller", reason="the extra `test` brings aiosmtpd")

PASSWORD = "s3cret-password"


class Inbox:
    """Accepts mail, or answers the next replies."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.replies: list[str] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        reply = self.replies.pop(0) if self.replies else "250 OK"
        if reply.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[attr-defined]
        return reply


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Inbox, int]]:
    """A mail server with STARTTLS, and its port."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    handler = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = aiosmtpd.Controller(
        handler,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
        authenticator=lambda *_: aiosmtpd_auth_result(),
        auth_required=False,
    )
    controller.start()
    yield handler, port
    controller.stop()


def aiosmtpd_auth_result() -> object:
    from aiosmtpd.smtp import AuthResult

    return AuthResult(success=True)


def send(
    port: int,
    message: Message,
    *,
    allow: str = "localhost",
    mailer: Mailer | None = None,
    now_ns: int = START_NS,
    **settings: str,
) -> Answer:
    channel = ChannelDefinition(
        name="mail",
        kind="email",
        settings={
            "server": f"localhost:{port}",
            "from": "nilometer@example.com",
            "to": "a@example.com, b@example.com",
            **settings,
        },
        secrets={"password": PASSWORD},
    )
    allowed = Allowed.of("webhook_allow", [allow])
    mailer = mailer or Mailer(SystemClock())
    return mailer.send(Sending(channel=channel, message=message, allowed=allowed, now_ns=now_ns))


def test_a_mail_arrives_with_its_table_and_its_conversation(inbox: tuple[Inbox, int]) -> None:
    handler, port = inbox
    opening = a_message(a_notice(parts=[a_part("input.amount"), a_part("input.age", 5)]))
    assert send(port, opening) == Answer(outcome=Outcome.DELIVERED)
    assert send(port, a_message(a_notice(closed=True)), username="n").outcome is Outcome.DELIVERED
    first, second = handler.mails
    assert first["Subject"] == "WARNING: fraud-scorer / input.amount and 1 more"
    assert first["To"] == "a@example.com, b@example.com"
    assert first["Message-ID"] == "<key-1@example.com>"
    assert first["References"] == second["References"]
    body = first.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert b"- input: input.age: position 0.82 sd above normal" in body.replace(b"=\r\n", b"")


def test_a_name_in_a_subject_adds_no_header(inbox: tuple[Inbox, int]) -> None:
    handler, port = inbox
    hostile = a_part("input.x\r\nBcc: c@example.com")
    assert send(port, a_message(a_notice(parts=[hostile]))).outcome is Outcome.DELIVERED
    assert handler.mails[0]["Bcc"] is None


@pytest.mark.parametrize(
    ("reply", "outcome", "reason"),
    [
        ("451 try later", Outcome.FAILED, "status 451"),
        ("554 spam", Outcome.REFUSED, "status 554"),
    ],
)
def test_the_reply_of_the_server_decides(
    inbox: tuple[Inbox, int], reply: str, outcome: Outcome, reason: str
) -> None:
    handler, port = inbox
    handler.replies = [reply]
    answer = send(port, a_message())
    assert (answer.outcome, answer.reason, answer.may_have_arrived) == (outcome, reason, False)


def test_a_server_without_the_right_certificate_gets_no_password(
    inbox: tuple[Inbox, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    handler, port = inbox
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    answer = send(port, a_message(), username="n")
    assert answer.outcome is Outcome.FAILED
    assert answer.reason.startswith("TLS: ")
    assert handler.mails == []


def test_a_server_at_a_forbidden_address_is_not_connected_to(inbox: tuple[Inbox, int]) -> None:
    handler, port = inbox
    answer = send(port, a_message(), allow="10.0.0.0/8")
    assert "a loopback address" in answer.reason
    assert PASSWORD not in answer.reason
    assert handler.mails == []


@pytest.mark.parametrize(
    ("flood", "reason"), [(b"220-" + b"x" * 500 + b"\r\n", "OSError"), (b"2", "")]
)
def test_a_server_that_floods_or_drips_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, flood: bytes, reason: str
) -> None:
    monkeypatch.setattr("nilometer_collector.channels.mail.TOTAL_SECONDS", 2.0)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_badly() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    while not ended.wait(0.0 if reason else 0.05):
                        connection.sendall(flood)
                except OSError:
                    return

        thread = threading.Thread(target=answer_badly, daemon=True)
        thread.start()
        answer = send(server.getsockname()[1], a_message())
        ended.set()
        thread.join()
    assert answer.outcome is Outcome.FAILED
    assert answer.may_have_arrived is False
