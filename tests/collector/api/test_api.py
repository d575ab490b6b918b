"""The HTTP contract: strict, described, and never a fault of ours on somebody's input."""

import asyncio
import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from nilometer.batch.register import put_reference
from nilometer.testing import SteppedClock, amounts
from nilometer_collector.alerting.rules import AlerterView, rule_of
from nilometer_collector.api import make_app
from nilometer_collector.api.problems import Problem
from nilometer_collector.api.resources.alerters import Alerters
from nilometer_collector.api.resources.entities import Entities
from nilometer_collector.api.resources.episodes import Episodes
from nilometer_collector.api.resources.references import References
from nilometer_collector.api.resources.samples import SamplesView
from nilometer_collector.api.resources.summaries import Summaries
from nilometer_collector.counters import Counters
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.query.query import Query
from nilometer_collector.store import Store
from nilometer_collector.testing import (
    ENTITY,
    Running,
    a_reference,
    a_rule,
    an_evaluation,
    feature_sample,
    running,
    service_sample,
)

RULE: dict[str, Any] = {
    "entity": ENTITY,
    "name": "drift",
    "summary": "input.*",
    "kind": "REFERENCE",
    "threshold": 0.2,
    "reference": "training",
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """For tests that only read."""
    with running(tmp_path_factory.mktemp("filled") / "collector.db", SteppedClock()) as served:
        put_reference(a_reference({"input.amount": amounts(200)}), served.collector.grpc_target)
        served.put_rule(RULE).raise_for_status()
        contents = (feature_sample(amounts(50)), service_sample([0.1, 0.2]), an_evaluation(0.5, 1))
        served.sender().ship(*contents)
        yield served


def is_problem(answer: httpx.Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = msgspec.json.decode(answer.content, type=Problem)
    assert problem.status == status
    assert problem.detail
    return problem


def test_every_answer_is_the_structure_that_the_contract_names(filled: Running) -> None:
    kinds: dict[str, type] = {
        "entities": Entities,
        f"summaries?entity={ENTITY}": Summaries,
        f"samples?entity={ENTITY}&summary=input.amount&reference=training": SamplesView,
        f"samples?entity={ENTITY}&summary=service": SamplesView,
        "references": References,
        "alerters": Alerters,
        "episodes": Episodes,
    }
    for path, kind in kinds.items():
        answer = filled.http.get(f"/api/v1/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        decoded: object = msgspec.json.decode(answer.content, type=kind)
        assert msgspec.json.decode(msgspec.json.encode(decoded)) == answer.json()


S = f"samples?entity={ENTITY}&summary=input.amount"
HOSTILE = [
    "entities?entity=x",
    "entities?%00=1",
    "summaries",
    "summaries?entity=",
    "summaries?entity=a%00b",
    "summaries?entity=a%0Ab",
    f"summaries?entity={ENTITY}&entity={ENTITY}",
    "summaries?entity=" + "a" * 300,
    f"samples?entity={ENTITY}",
    "samples?summary=input.amount",
    f"{S}&start=yesterday",
    f"{S}&start=nan",
    f"{S}&start=inf",
    f"{S}&start=-1",
    f"{S}&start=1e400",
    f"{S}&start=" + "9" * 4000,
    f"{S}&start=1_000",
    f"{S}&start=%D9%A1",
    f"{S}&end=1e300",
    f"{S}&step=0",
    f"{S}&step=-60",
    f"{S}&step=60.5",
    f"{S}&step=99999999999999999999999",
    f"{S}&step=%C2%B2",
    f"{S}&step=",
    f"{S}&label=version",
    f"{S}&label=Version:1",
    f"{S}&label=:1",
    f"{S}&label=a:{'x' * 400}",
    S + "&label=a:b" * 100,
    f"{S}&reference=",
    f"{S}&colour=blue",
    f"{S}&{'x' * 20000}=1",
    "references?name=x",
    "alerters?entity=%F0%9F%98%80&entity=b",
    "episodes?open=1",
    "episodes?open=TRUE",
    "episodes?open=true&open=false",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_a_parameter_that_is_not_allowed_is_422(filled: Running, query: str) -> None:
    is_problem(filled.http.get(f"/api/v1/{query}"), 422)


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
        f"/api/v1/{S}&reference=nothing",
        "/api/v1/summaries?entity=%F0%9F%98%80",
        "/api/v1/summaries?entity=%FF%FE",
    ],
)
def test_what_is_not_here_is_404(filled: Running, path: str) -> None:
    is_problem(filled.http.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PATCH", "OPTIONS", "PUT", "BREW"])
def test_a_method_that_is_not_allowed_is_405_and_names_those_that_are(
    filled: Running, method: str
) -> None:
    for path, allowed in (
        ("/api/v1/entities", {"GET", "HEAD"}),
        ("/api/v1/alerters", {"GET", "HEAD", "PUT", "DELETE"}),
        ("/", {"GET", "HEAD"}),
    ):
        if method in allowed:
            continue
        answer = filled.http.request(method, path)
        is_problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == allowed


@given(
    path=st.sampled_from(
        ["entities", "summaries", "samples", "references", "episodes", "alerters"]
    ),
    query=st.lists(
        st.tuples(
            st.sampled_from(
                ["entity", "summary", "start", "end", "label", "step", "reference", "open", "x"]
            ),
            st.one_of(
                st.text(max_size=20),
                st.integers().map(str),
                st.floats().map(str),
                st.just(ENTITY),
                st.just("input.amount"),
                st.just("version:1"),
            ),
        ),
        max_size=5,
    ),
)
def test_no_query_is_a_fault_of_ours(
    filled: Running, path: str, query: list[tuple[str, str]]
) -> None:
    encoded = [(name, value.encode("utf-8", "surrogatepass")) for name, value in query]
    from urllib.parse import urlencode

    answer = filled.http.get(f"/api/v1/{path}?{urlencode(encoded)}")
    assert answer.status_code in {200, 404, 422}


def test_a_rule_is_created_replaced_and_removed(served: Running) -> None:
    created = served.put_rule(RULE)
    assert created.status_code == 200
    view = msgspec.json.decode(created.content, type=AlerterView)
    assert view == rule_of(a_rule())
    served.put_rule({**RULE, "threshold": 0.3}).raise_for_status()
    assert [rule["threshold"] for rule in served.get("alerters")["alerters"]] == [0.3]
    name = {"entity": ENTITY, "name": "drift"}
    removed = served.http.delete("/api/v1/alerters", params=name)
    assert (removed.status_code, removed.content) == (204, b"")
    is_problem(served.http.delete("/api/v1/alerters", params=name), 404)
    assert served.get("alerters")["alerters"] == []


def test_what_is_read_can_be_put_back(served: Running) -> None:
    ranged = {**RULE, "kind": "RANGE", "statistic": "mean", "low": -1.0, "high": 2.5}
    fixed = {**RULE, "kind": "FIXED", "statistic": "count", "comparison": "<", "name": "f"}
    for rule in (ranged, fixed, {**RULE, "name": "r"}):
        served.put_rule(rule).raise_for_status()
    before = served.get("alerters")["alerters"]
    for rule in before:
        served.put_rule(rule).raise_for_status()
    assert served.get("alerters")["alerters"] == before


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"threshold": 0}, "threshold = 0.0: must be a positive number"),
        ({"threshold": "high"}, "threshold"),
        ({"kind": "MAGIC"}, "kind"),
        ({"entity": "../x"}, "entity = '../x'"),
        ({"name": ""}, "name = ''"),
        ({"name": "a\0b"}, "control character"),
        ({"name": "n" * 500}, "name is over 128 bytes"),
        ({"summary": "s" * 500}, "summary is over 256 bytes"),
        ({"reference": ""}, "reference = ''"),
        ({"comparator": "magic"}, "magic"),
        ({"severity": "panic"}, "panic"),
        ({"comparison": "=="}, "=="),
        ({"minimum_count": 0}, "minimum_count = 0"),
        ({"minimum_count": 10**30}, "minimum_count = 1000"),
        ({"minimum_count": 1.5}, "minimum_count"),
        ({"minimum_count": 2**62}, "minimum_count"),
        ({"windows_to_open": 2**62}, "windows_to_open"),
        ({"kind": "FIXED", "statistic": "magic"}, "statistic = 'magic'"),
        ({"kind": "RANGE", "statistic": "mean", "low": 2, "high": 1}, "low = 2.0"),
        ({"colour": "blue"}, "colour"),
        ({"entity": None}, "entity"),
    ],
)
def test_a_rule_that_is_not_allowed_is_422_with_the_sentence(
    served: Running, change: dict[str, object], word: str
) -> None:
    problem = is_problem(served.put_rule({**RULE, **change}), 422)
    assert word in problem.detail
    assert served.get("alerters")["alerters"] == []


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"entity": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"threshold": 1e400}', "application/json", 422),
        (b'{"minimum_count": ' + b"9" * 400 + b"}", "application/json", 422),
        (b'{"threshold": NaN}', "application/json", 400),
        (b'{"entity": "\\ud800"}', "application/json", 400),
        (b"null", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b" " * (1 << 20) + b"{}", "application/json", 413),
    ],
)
def test_a_body_that_is_no_rule_is_refused(
    served: Running, body: bytes, media_type: str, status: int
) -> None:
    headers = {"content-type": media_type} if media_type else {}
    answer = served.http.put("/api/v1/alerters", content=body, headers=headers)
    is_problem(answer, status)


def test_a_body_without_a_length_is_cut_off_at_the_limit(served: Running) -> None:
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while sent < 64 << 20:
            sent += 1 << 16
            yield b" " * (1 << 16)

    headers = {"content-type": "application/json"}
    try:
        answer = served.http.put("/api/v1/alerters", content=endless(), headers=headers)
    except httpx.WriteError:
        assert sent < 64 << 20  # it answered, and closed before we were through
    else:
        is_problem(answer, 413)
    assert served.http.get("/healthz").status_code == 200


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
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
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
        make_app(store, Query(store, clock), clock, counters, wake=lambda: None, **more)
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
    monkeypatch.setattr(store.samples, "series", lambda: [].__getitem__(1))
    assert "index" not in is_problem(client.get("/api/v1/entities"), 500).detail


def test_the_document_describes_every_route_with_its_errors(served: Running) -> None:
    document = served.http.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    described = {(p, m) for p, methods in document["paths"].items() for m in methods}
    assert described == {
        ("/api/v1/entities", "get"),
        ("/api/v1/summaries", "get"),
        ("/api/v1/samples", "get"),
        ("/api/v1/references", "get"),
        ("/api/v1/alerters", "get"),
        ("/api/v1/alerters", "put"),
        ("/api/v1/alerters", "delete"),
        ("/api/v1/episodes", "get"),
        ("/healthz", "get"),
        ("/readyz", "get"),
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert "422" in operation["responses"], (path, method)
            answer = served.http.request(method, path, params={"no-such-parameter": "1"})
            is_problem(answer, 422)
    samples = document["paths"]["/api/v1/samples"]["get"]["parameters"]
    required = {p["name"] for p in samples if p["required"]}
    assert required == {"entity", "summary"}


def test_every_reference_inside_the_document_leads_somewhere(served: Running) -> None:
    document = served.http.get("/openapi.json").json()

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [found for value in part.values() for found in references(value)]
        if isinstance(part, list):
            return [found for value in part for found in references(value)]
        return []

    found = references(document)
    assert found
    for reference in found:
        name = reference.removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"]


def test_readiness_counts_what_became_of_rows(filled: Running) -> None:
    answer = filled.http.get("/readyz").json()
    assert answer["ready"]
    assert answer["counters"]["rows_stored"] == 3
