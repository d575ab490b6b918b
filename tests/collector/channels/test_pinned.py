"""The collector checks the addresses of a webhook and connects only to a checked address."""

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from support.addresses import INSIDE, NOTATIONS

from nilometer_collector.access.destinations import Allowed, Destination
from nilometer_collector.access.secret import Secret
from nilometer_collector.channels import Outcome, post
from nilometer_collector.channels.pinned import AddressRefused, PinnedTransport
from nilometer_collector.testing import Webhook, listening_webhook

HOST = "hooks.example"
TIMEOUT = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), 1.0)}


class Names:
    """A resolver: each look-up of a name takes its next list of addresses."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): lists for name, lists in answers.items()}
        self.lookups: list[str] = []
        self._real = socket.getaddrinfo

    def __call__(self, host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.answers or options["flags"] & socket.AI_NUMERICHOST:
            return self._real(host, *arguments, **options)
        self.lookups.append(name)
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, 1, 6, "", (address, 0))
            for address in self.answers[name].pop(0)
        ]


def resolving(monkeypatch: pytest.MonkeyPatch, **answers: list[list[str]]) -> Names:
    names = Names(**answers)
    monkeypatch.setattr(socket, "getaddrinfo", names)
    return names


def to(url: str, *allowed: str) -> Destination:
    return Destination(Secret(url), Allowed.of("webhook_allow", allowed))


def at(host: str, webhook: Webhook) -> str:
    return webhook.url.replace("127.0.0.1", host)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["1.1.1.1", "::1"]],
)
def test_a_name_of_an_internal_address_is_refused_with_the_reason(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolving(monkeypatch, hooks_example=[addresses])
    answer = post(to(at(HOST, webhook).replace("http:", "https:")), {"text": "x"}, "key")
    assert answer.outcome is Outcome.FAILED
    assert answer.reason.startswith(f"{HOST} resolves to {ipaddress.ip_address(addresses[-1])}, a ")
    assert "webhook_allow" in answer.reason
    assert "s3cret" not in answer.reason
    assert webhook.posted == []


def test_the_address_that_was_checked_is_connected_to(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = resolving(monkeypatch, hooks_example=[["127.0.0.1"], ["169.254.169.254"]])
    answer = post(to(at(HOST, webhook), HOST), {"text": "x"}, "key")
    assert answer.outcome is Outcome.DELIVERED
    assert names.lookups == [HOST]


def test_an_address_that_takes_no_connection_gives_way_to_the_next(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, hooks_example=[["127.0.0.9", "127.0.0.1"]])
    answer = post(to(at(HOST, webhook), HOST), {"text": "x"}, "key")
    assert answer.outcome is Outcome.DELIVERED


def test_plain_http_goes_to_loopback_addresses_only(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, hooks_example=[["10.0.0.1"]])
    answer = post(to(f"http://{HOST}/s3cret", "10.0.0.0/8"), {"text": "x"}, "key")
    assert answer.reason == (
        f"{HOST} resolves to 10.0.0.1: use https, because http is allowed for loopback addresses only"
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"https://{HOST}/s3cret", "the host name of the webhook does not resolve"),
        ("https://xn--/s3cret", "IDNAError"),
        ("https://\uff11\uff12\uff17.0.0.1/s3cret", "InvalidURL"),
        ("https://\0/s3cret", "InvalidURL"),
    ],
)
def test_an_invalid_host_is_a_failure_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    def unknown(host: object, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = post(to(url), {"text": "x"}, "key")
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, reason)


def test_a_lookup_that_hangs_ends_with_the_total_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nilometer_collector.channels.posting.TOTAL_SECONDS", 0.2)
    ended = threading.Event()
    real = socket.getaddrinfo

    def hang(host: Any, *arguments: Any, **options: Any) -> Any:
        if options["flags"] & socket.AI_NUMERICHOST:
            return real(host, *arguments, **options)
        if host == HOST.encode():
            ended.wait(60)
        return real("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    answer = post(to(f"https://{HOST}/"), {"text": "x"}, "key")
    ended.set()
    assert answer.reason == "no response within 0.2 s"


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[Any]]]:
    """A port that takes TLS for `HOST` alone, and what each connection said: its SNI, its head."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    said: list[Any] = []
    context.sni_callback = lambda _, name, __: said.append(name)

    def serve() -> None:
        while True:
            try:
                plain, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    head = b""
                    while not head.endswith(b"}"):
                        head += connection.recv(4096)
                    said.append(head.decode())
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except OSError:
                continue

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], said
        server.shutdown(socket.SHUT_RDWR)
    thread.join(60)


def test_tls_and_the_host_header_keep_the_name(
    secure: tuple[int, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, said = secure
    resolving(monkeypatch, hooks_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    answer = post(to(f"https://{HOST}:{port}/x", HOST), {"text": "x"}, "key")
    assert answer.outcome is Outcome.DELIVERED
    sni, head = said
    assert sni == HOST
    assert f"host: {HOST}:{port}\r\n" in head.lower()
    other = post(to(f"https://other.example:{port}/x", "other.example"), {"text": "x"}, "key")
    assert (other.outcome, other.reason) == (Outcome.FAILED, "ConnectError")


def test_a_redirect_inside_is_not_followed(webhook: Webhook) -> None:
    with listening_webhook() as inside:
        webhook.statuses, webhook.headers = [302], {"location": inside.url}
        answer = post(to(webhook.url, "127.0.0.1"), {"text": "x"}, "key")
        assert answer.reason == "status 302"
        assert inside.posted == []


def test_no_inside_address_is_connected_to_in_any_notation() -> None:
    hosts = [
        *NOTATIONS,
        *(f"[{text}]" if ":" in text else text for text in INSIDE if "%" not in text),
    ]
    assert len(hosts) >= 60
    transport = PinnedTransport(Allowed())

    async def refusals() -> list[str]:
        found = []
        for host in hosts:
            try:  # httpx itself refuses some notations, and not every name resolves
                request = httpx.Request("POST", f"https://{host}/s3cret", extensions=TIMEOUT)
                await transport.handle_async_request(request)
            except (AddressRefused, httpx.InvalidURL, OSError) as error:
                found.append(str(error))
        return found

    assert len(asyncio.run(refusals())) == len(hosts)


def test_plain_http_may_go_to_a_private_address_that_is_allowed() -> None:
    transport = PinnedTransport(Allowed.of("webhook_allow", ["10.0.0.0/8"]), plain=True)
    request = httpx.Request("POST", "http://1.1.1.1/", extensions=TIMEOUT)
    with pytest.raises(AddressRefused, match="http is allowed for loopback and private addresses"):
        asyncio.run(transport.handle_async_request(request))
