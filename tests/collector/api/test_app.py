"""The application serves known hosts, paths and methods, and hides internal errors."""

import asyncio
import http.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from support.problems import is_problem

from nilometer.testing import SteppedClock
from nilometer_collector.api.app import make_app
from nilometer_collector.causes.causes import Causes
from nilometer_collector.counters import Counters
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.query.query import Query
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY, Running, receivers_of, targets_of


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v2/entities",
        "/api/v1/entities/",
        "/..%2f..%2fetc/passwd",
        "/%00",
        "/assets/..%5c..%5cserver.py",
        "/nothing.js",
        "/api/v1/summaries?entity=nobody",
        "/api/v1/samples?entity=nobody&summary=service",
        f"/api/v1/samples?entity={ENTITY}&summary=input.nothing",
        f"/api/v1/samples?entity={ENTITY}&summary=input.amount&reference=nothing",
        "/api/v1/summaries?entity=%F0%9F%98%80",
        "/api/v1/summaries?entity=%FF%FE",
    ],
)
def test_an_unknown_name_is_404(filled: Running, path: str) -> None:
    is_problem(filled.http.get(path), 404)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "OPTIONS", "PUT", "BREW"])
def test_a_method_that_is_not_allowed_is_405_and_names_those_that_are(
    filled: Running, method: str
) -> None:
    for path, allowed in (
        ("/api/v1/entities", {"GET", "HEAD"}),
        ("/api/v1/alerters", {"GET", "HEAD", "PUT", "DELETE"}),
        ("/api/v1/episodes/silence", {"POST"}),
        ("/", {"GET", "HEAD"}),
    ):
        if method in allowed:
            continue
        answer = filled.http.request(method, path)
        is_problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_path_without_get_is_no_page(filled: Running) -> None:
    answer = filled.http.get("/api/v1/backtests")
    is_problem(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/api/v1/entities", "/nothing", "/openapi.json", "/healthz"])
def test_every_answer_carries_the_headers_that_protect_a_browser(
    served: Running, path: str
) -> None:
    headers = served.http.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7500", 200),
        ("localhost", 200),
        ("[::1]:7500", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("[evil", 421),
    ],
)
def test_a_host_that_is_not_ours_is_not_answered(served: Running, host: str, status: int) -> None:
    parts = urlsplit(served.collector.http_url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", "/api/v1/entities", headers={"Host": host})
    assert connection.getresponse().status == status
    connection.close()


class InProcess:
    """A client of an application without a server."""

    def __init__(self, app: Starlette) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url="http://localhost"
            ) as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


def app_of(store: Store, **more: Any) -> InProcess:
    clock = SteppedClock()
    counters = Counters()
    return InProcess(
        make_app(
            store,
            Query(store, clock),
            clock,
            counters,
            wake=lambda: None,
            receivers=receivers_of(),
            targets=targets_of(),
            causes=Causes(store, clock),
            **more,
        )
    )


def test_the_host_of_the_public_url_is_answered(store: Store) -> None:
    client = app_of(store, public_url="https://Nilometer.example/x")
    assert client.get("/healthz", headers={"host": "nilometer.example"}).status_code == 200
    assert client.get("/healthz", headers={"host": "other.example"}).status_code == 421


def test_without_built_pages_the_root_says_how_to_build_them(store: Store, tmp_path: Path) -> None:
    answer = app_of(store, static=tmp_path).get("/")
    assert answer.status_code == 200
    assert "make web" in answer.text


def test_built_pages_are_served_and_hashed_files_are_kept(store: Store, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>pages")
    (tmp_path / "assets" / "index-abc.js").write_text("1")
    (tmp_path.parent / "secret.txt").write_text("no")
    client = app_of(store, static=tmp_path)
    page, script = client.get("/"), client.get("/assets/index-abc.js")
    assert (page.text, page.headers["cache-control"]) == ("<p>pages", "no-cache")
    assert "immutable" in script.headers["cache-control"]
    is_problem(client.get("/assets/"), 404)
    is_problem(client.get("/..%2fsecret.txt"), 404)


def test_a_store_that_fails_is_503_and_a_bug_is_500_without_its_words(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app_of(store)

    def unavailable() -> None:
        raise StoreUnavailable("disk I/O error at /secret/path")

    monkeypatch.setattr(store, "check_writable", unavailable)
    assert "/secret" not in is_problem(client.get("/readyz"), 503).detail
    monkeypatch.setattr(store.samples, "totals", lambda: [].__getitem__(1))
    assert "index" not in is_problem(client.get("/api/v1/entities"), 500).detail
