"""Authentication and rights of the API and the pages: tokens and session cookies."""

import hashlib
import logging
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from support.holding import address

from nilometer.commands.cli import main
from nilometer.settings.settings import checked
from nilometer.testing import SteppedClock
from nilometer.values.errors import ConfigError
from nilometer.values.once import MINUTE_SECONDS
from nilometer_collector.api import authentication
from nilometer_collector.api.authentication import COOKIE, MAX_FORM_BYTES
from nilometer_collector.api.sessions import SESSION_SECONDS
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.testing import Running, running

READER, WRITER, AGENT = "canary-reader", "canary-writer", "canary-agent"
LIST, ALERTERS = "/api/v1/entities", "/api/v1/alerters"
PAGE = {"accept": "text/html,*/*"}
OURS = {"sec-fetch-site": "same-origin"}


def digests(token: str) -> list[str]:
    return [hashlib.sha256(token.encode()).hexdigest()]


PRINCIPALS = [
    {"name": "viewer", "token_sha256": digests(READER), "read": ["*"]},
    {"name": "on-call", "token_sha256": digests(WRITER), "agents": [], "http": "write"},
    {"name": "pod", "token_sha256": digests(AGENT)},
]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def guarded(database: Path, clock: SteppedClock) -> Iterator[Running]:
    with running(database, clock, principals=PRINCIPALS) as served:
        yield served


def log_in(served: Running, token: str, **headers: str) -> httpx.Response:
    return served.http.post("/login", data={"token": token}, headers=headers or OURS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        {"authorization": "Bearer"},
        bearer(AGENT),
        {"authorization": f"Basic {READER}"},
        {"cookie": f"{COOKIE}=x"},
        {"cookie": f"{COOKIE}={'A' * 90}"},
        {"cookie": f"{COOKIE}={'é'}"},
    ],
)
def test_a_request_without_a_token_gets_401_on_every_path(
    guarded: Running, headers: dict[str, str]
) -> None:
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    for path in (LIST, ALERTERS, "/openapi.json", "/readyz", "/", "/nowhere"):
        answer = guarded.http.get(path, headers=raw)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
    assert guarded.http.get("/healthz", headers=raw).status_code == 200


def test_a_reader_reads_and_a_writer_changes(guarded: Running) -> None:
    assert guarded.http.get(LIST, headers=bearer(READER)).status_code == 200
    refused = guarded.http.put(ALERTERS, json={}, headers=bearer(READER))
    assert (refused.status_code, "may not write" in refused.text) == (403, True)
    # 422: it got as far as the alerter.
    assert guarded.http.put(ALERTERS, json={}, headers=bearer(WRITER)).status_code in {400, 422}


def test_a_browser_is_sent_to_the_form_and_comes_back_with_a_cookie(guarded: Running) -> None:
    sent = guarded.http.get("/", headers=PAGE)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login")
    form = guarded.http.get("/login")
    assert form.headers["referrer-policy"] == "same-origin"
    entered = log_in(guarded, READER)
    cookie = entered.headers["set-cookie"].lower()
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert READER not in cookie
    assert guarded.http.get("/", headers=PAGE).status_code == 200
    assert guarded.http.get(LIST).status_code == 200
    assert guarded.http.put(ALERTERS, json={}, headers=OURS).status_code == 403


@pytest.mark.parametrize("token", ["wrong", "", AGENT])
def test_a_wrong_token_gets_the_form_again_and_no_cookie(guarded: Running, token: str) -> None:
    answer = log_in(guarded, token)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)


def test_another_site_can_neither_log_in_nor_change_anything(guarded: Running) -> None:
    own = guarded.collector.http_url
    foreign = (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": own},
        {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
        {"origin": "http://evil.example"},
        {"origin": own.replace("http:", "https:")},
        {"origin": own.rpartition(":")[0]},
        {"origin": f"{own}.evil.example"},
    )
    for headers in foreign:
        assert log_in(guarded, WRITER, **headers).status_code == 403
    assert guarded.http.post("/login", data={"token": WRITER}).status_code == 403
    assert log_in(guarded, WRITER, origin="null").status_code == 403
    assert log_in(guarded, WRITER, origin=own).status_code == 303
    for headers in (*foreign, {"origin": "null"}, {}):
        assert guarded.http.put(ALERTERS, json={}, headers=headers).status_code == 403
    assert guarded.http.put(ALERTERS, json={}, headers=OURS).status_code in {400, 422}


def test_a_session_ends_with_its_time_with_a_log_out_and_with_the_process(
    guarded: Running, clock: SteppedClock, tmp_path: Path
) -> None:
    log_in(guarded, READER)
    cookie = {"cookie": f"{COOKIE}={guarded.http.cookies[COOKIE]}"}
    with running(tmp_path / "other.db", clock, principals=PRINCIPALS) as other:
        assert other.http.get(LIST, headers=cookie).status_code == 401
    clock.step(SESSION_SECONDS - 1)
    assert guarded.http.get(LIST).status_code == 200
    clock.step(1)
    assert guarded.http.get(LIST).status_code == 401
    log_in(guarded, READER)
    cookie = {"cookie": f"{COOKIE}={guarded.http.cookies[COOKIE]}"}
    assert guarded.http.post("/logout", headers=OURS).status_code == 303
    assert guarded.http.get(LIST).status_code == 401
    # A copy of the cookie is worth nothing either.
    assert guarded.http.get(LIST, headers=cookie).status_code == 401


def test_log_ins_that_are_refused_do_not_fill_the_log(
    guarded: Running, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        for _ in range(50):
            assert log_in(guarded, "wrong").status_code == 401
        clock.step(MINUTE_SECONDS)
    said = [one for one in caplog.records if one.message.startswith("log-in refused")]
    assert [one.__dict__["since_start"] for one in said] == [1, 51]


def test_concurrent_requests_of_one_principal_are_bounded(
    guarded: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "MAX_REQUESTS", 1)
    head = (
        f"PUT {ALERTERS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {WRITER}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(address(guarded.collector.http_url), 60.0) as held:
        held.sendall(head.encode())
        assert held.recv(1000).startswith(
            b"HTTP/1.1 100 "
        )  # it is counted, and its body is awaited
        assert guarded.http.get(LIST, headers=bearer(WRITER)).status_code == 429
        assert guarded.http.get(LIST, headers=bearer(READER)).status_code == 200
        assert guarded.http.get("/healthz").status_code == 200
        held.sendall(b"{}")
        assert held.recv(1000).startswith(b"HTTP/1.1 422 ")
    assert guarded.http.get(LIST, headers=bearer(WRITER)).status_code == 200


def test_a_form_that_is_too_long_is_not_read(guarded: Running) -> None:
    assert log_in(guarded, "x" * MAX_FORM_BYTES).status_code == 413


def test_no_token_is_logged(guarded: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        log_in(guarded, READER)
        log_in(guarded, "canary-wrong")
        guarded.http.get(LIST, headers=bearer("canary-wrong"))
    assert "log-in refused" in caplog.text
    ours = [record for record in caplog.records if record.name.startswith("nilometer")]
    assert "canary" not in repr([vars(record) for record in ours])
    assert "canary" not in repr(guarded.collector.settings)


def test_every_address_is_served_with_a_token_over_tls(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ca = trustme.CA()
    made = ca.issue_cert("localhost")
    made.private_key_pem.write_to_path(tmp_path / "key")
    made.cert_chain_pems[0].write_to_path(tmp_path / "crt")
    ca.cert_pem.write_to_path(tmp_path / "ca")
    (tmp_path / "token").write_text(WRITER + "\n")
    told = {
        "principals": PRINCIPALS,
        "http_address": "0.0.0.0:0",
        "http_certificate": str(tmp_path / "crt"),
        "http_key": str(tmp_path / "key"),
    }
    with running(database, SteppedClock(), **told) as served:
        port = served.collector.http_url.rpartition(":")[2]
        url = f"https://localhost:{port}"
        trusted = ssl.create_default_context(cafile=tmp_path / "ca")
        with httpx.Client(base_url=url, verify=trusted, trust_env=False) as client:
            assert client.get(LIST).status_code == 401
            assert client.get(LIST, headers=bearer(READER)).status_code == 200
            entered = client.post("/login", data={"token": READER}, headers=OURS)
            assert "secure" in entered.headers["set-cookie"].lower()
        files = ["--token-file", str(tmp_path / "token"), "--tls-ca", str(tmp_path / "ca")]
        assert main(["alerters", "--collector", url, *files]) == 0
        assert "groups" in capsys.readouterr().out
        assert main(["alerters", "--collector", url, *files[2:]]) != 0


def test_without_tls_or_without_a_reader_only_loopback_is_served() -> None:
    files = {"http_certificate": "c", "http_key": "k"}
    for told in ({"principals": PRINCIPALS}, files, {**files, "principals": PRINCIPALS[2:]}):
        with pytest.raises(ConfigError, match=r"http_address.*loopback"):
            checked(CollectorSettings, {"http_address": "0.0.0.0:7500", **told})
    with pytest.raises(ConfigError, match="set both or none"):
        checked(CollectorSettings, {"http_key": "k"})
    with pytest.raises(ConfigError, match="same name"):
        checked(CollectorSettings, {"principals": [PRINCIPALS[0]] * 2})


def test_a_certificate_that_cannot_be_read_is_said_at_the_start(database: Path) -> None:
    files: dict[str, Any] = {"http_certificate": "/nowhere.crt", "http_key": "/nowhere.key"}
    with pytest.raises(ConfigError, match="http_certificate"), running(database, **files):
        pass
