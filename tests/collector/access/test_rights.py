"""Every method and route allows exactly the rights in the table."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from starlette.routing import Route
from support.problems import ALERTER

from nilometer.batch.reference_upload import put_reference
from nilometer.settings.settings import checked
from nilometer.testing import SteppedClock, amounts
from nilometer.values.errors import ConfigError
from nilometer.wire.references import reference_to_wire
from nilometer.wire.samples import sample_to_wire
from nilometer.wire.services import GetPlanRequest, Row, ShipRequest
from nilometer_collector.access.needs import GRPC, HTTP, Need, http_need
from nilometer_collector.access.principals import Principal
from nilometer_collector.access.rights import Access, Forbidden, Gate, Unauthenticated
from nilometer_collector.api.app import make_app
from nilometer_collector.causes.causes import Causes
from nilometer_collector.counters import Counters
from nilometer_collector.query.query import Query
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.store import Store
from nilometer_collector.testing import (
    ENTITY,
    Running,
    a_reference,
    an_alerter,
    an_evaluation,
    feature_sample,
    receivers_of,
    running,
    targets_of,
)

Code = grpc.StatusCode
OTHER = "pricing-scorer"
DEADLINE_SECONDS = 5.0
RIGHTS: dict[str, dict[str, Any]] = {
    "shipper": {"agents": ["pod-*"], "ship": ["fraud-*"]},
    "reader": {"read": ["fraud-*"]},
    "writer": {"write": ["fraud-*"]},
    "nothing": {"agents": []},
    "old-agent": {"agents": ["pod-*"]},
    "old-reader": {"agents": [], "http": "read"},
    "old-writer": {"agents": [], "http": "write"},
}
NEEDS = {
    "shipper": {Need.SHIP},
    "reader": {Need.READ},
    "writer": {Need.WRITE},
    "nothing": set(),
    "old-agent": {Need.SHIP},
    "old-reader": {Need.READ},
    "old-writer": {Need.READ, Need.WRITE},
}
# Routes without an entity in the request.
UNNAMED = (
    "/api/v1/comparators",
    "/api/v1/entities",
    "/api/v1/pipeline",
    "/api/v1/rollback",
    "/api/v1/storage",
)
BACKTESTS = "/api/v1/backtests"
REFERENCES = "/api/v1/references"  # to compute one from windows also needs the right to read them
FOR_ALL = (
    "/api/v1/channels",
    "/api/v1/routes",
    "/api/v1/targets",
)  # objects that belong to all entities
OTHER_PARAMETERS = {
    "/api/v1/expected-performance": {"summary": "output.score", "ground_truth": "logged.quality"},
    "/api/v1/references/comparison": {"reference": "training", "other": "training"},
    "/api/v1/references/version": {"reference": "training"},
}
NARROW = ("shipper", "reader", "writer")


def token(name: str) -> str:
    return f"canary-{name}"


def digests(name: str) -> list[str]:
    return [hashlib.sha256(token(name).encode()).hexdigest()]


PRINCIPALS = [
    {"name": name, "token_sha256": digests(name), **rights} for name, rights in RIGHTS.items()
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Something of two entities, behind principals."""
    database = tmp_path_factory.mktemp("rights") / "collector.db"
    with running(database, SteppedClock()) as served:
        for entity in (ENTITY, OTHER):
            reference = a_reference({"input.amount": amounts(200)}, entity=entity)
            put_reference(reference, served.collector.grpc_target)
            served.put_alerter({**ALERTER, "entity": entity}).raise_for_status()
            served.sender().ship(feature_sample(amounts(50), entity=entity))
        served.sender("second").ship(an_evaluation(0.5, 1))
        served.sender("third").ship(an_evaluation(0.5, 1, alerter=an_alerter(entity=OTHER)))
    with running(database, SteppedClock(), principals=PRINCIPALS) as served:
        yield served


def metadata(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token(name)}"),) if name else ()


def call(served: Running, method: str, content: bytes, name: str = "") -> grpc.StatusCode:
    """The status of one call; OK for a stream's first message."""
    ask: Any = served.channel.unary_stream(method)
    answers = ask(content, timeout=DEADLINE_SECONDS, metadata=metadata(name))
    try:
        next(answers)
    except grpc.RpcError as error:
        code = error.code()
        assert isinstance(code, grpc.StatusCode)
        return code
    finally:
        answers.cancel()
    return Code.OK


def content(method: str, entity: str = ENTITY, agent: str = "pod-1") -> bytes:
    """A request that the collector stores or answers, where the caller may ask for it."""
    request: Message
    match method.rpartition("/")[2]:
        case "Ship":
            row = Row(sequence=1)
            row.sample.entity = entity
            request = ShipRequest(agent=agent, epoch=b"e" * 16, instance=b"i" * 16, rows=[row])
        case "GetPlan":
            request = GetPlanRequest(agent=agent, entities=[entity])
        case "PutReference":
            reference = a_reference({"input.amount": amounts(200)}, entity=entity)
            request = reference_to_wire(reference)
        case _:
            request = health_pb2.HealthCheckRequest()
    return request.SerializeToString()


@pytest.mark.parametrize("name", ["", *RIGHTS])
@pytest.mark.parametrize("method", GRPC)
def test_each_grpc_method_opens_to_the_right_of_the_table_and_to_no_other(
    guarded: Running, method: str, name: str
) -> None:
    need = GRPC[method]
    if need is Need.NOTHING or (name and (need is Need.NAME or need in NEEDS[name])):
        expected = Code.OK
    else:
        expected = Code.PERMISSION_DENIED if name else Code.UNAUTHENTICATED
    assert call(guarded, method, content(method), name) is expected


@pytest.mark.parametrize("name", RIGHTS)
@pytest.mark.parametrize(
    "method", [m for m, need in GRPC.items() if need in {Need.SHIP, Need.WRITE}]
)
def test_a_grpc_right_ends_with_its_entities(guarded: Running, method: str, name: str) -> None:
    single = GRPC[method] is Need.SHIP  # the reply refuses single entities
    allowed = GRPC[method] in NEEDS[name] and (single or name not in NARROW)
    expected = Code.OK if allowed else Code.PERMISSION_DENIED
    assert call(guarded, method, content(method, OTHER), name) is expected


@pytest.mark.parametrize("agent", ["", "other-1", "pod"])
@pytest.mark.parametrize("method", [m for m, need in GRPC.items() if need is Need.SHIP])
def test_a_principal_cannot_ship_or_read_the_key_as_another_agent(
    guarded: Running, method: str, agent: str
) -> None:
    for name in RIGHTS:
        assert call(guarded, method, content(method, agent=agent), name) is Code.PERMISSION_DENIED


DELETED: dict[str, dict[str, str]] = {
    "/api/v1/alerters": {"name": "nobody's"},
    "/api/v1/summaries": {"summary": "logged.nothing"},
    "/api/v1/objects": {"kind": "alerter", "name": "nobody's"},
    "/api/v1/predictions": {"id": "nobodys"},
    "/api/v1/predictions/subject": {"subject": "nobody"},
}  # what a request to delete something needs, beside the entity


def ask(served: Running, method: str, path: str, name: str, entity: str) -> httpx.Response:
    parameters = {"entity": entity}
    if path.endswith(("samples", "query", "newest", "difference")):
        parameters["summary"] = "input.amount"
    parameters |= OTHER_PARAMETERS.get(path, {})
    if path.startswith("/api/v1/episodes/") or path.endswith("actions/run"):
        parameters["episode"] = "1"
    if path.endswith(("approve", "decline")):
        parameters["run"] = "1"
    if method == "DELETE":
        parameters |= DELETED.get(path, {})
    if path.endswith("rollback"):
        parameters = {"dry_run": "true"}
    if path.startswith(FOR_ALL):
        parameters = {"name": "nobodys"} if method == "DELETE" or path.endswith("test") else {}
    row = {"entity": entity, "summary": "logged.x", "start": 0, "seconds": 60}
    bodies: dict[tuple[str, str], dict[str, Any]] = {
        ("PUT", "/api/v1/entity"): {"owner": name},
        ("PUT", "/api/v1/alerters"): {**ALERTER, "entity": entity},
        ("POST", "/api/v1/samples"): {
            "samples": [{**row, "content": {"type": "number", "value": 1}}]
        },
        ("POST", "/api/v1/alerters/reports"): {
            "entity": entity,
            "name": "nobody's",
            "reports": [{"status": "OK", "evidence": "fine"}],
        },
        ("POST", "/api/v1/ground-truth"): {"entity": entity, "rows": []},
        ("POST", "/api/v1/apply"): {
            "version": 1,
            "alerters": [{**ALERTER, "entity": entity}],
        },
        ("POST", "/api/v1/rollback"): {"revision": 1 << 40},  # there is no such revision
        ("POST", BACKTESTS): {"entity": entity},
        ("POST", REFERENCES): {"entity": entity, "name": "week", "end": 1},
    }
    body = bodies.get((method, path))
    in_body = body is not None and not path.endswith(("entity", "rollback"))
    return served.http.request(
        method,
        path.replace("{path:path}", "nowhere.js"),
        params=parameters if path.startswith("/api/") and not in_body else None,
        json=body,
        headers={"authorization": f"Bearer {token(name)}"} if name else {},
    )


def test_a_warning_about_an_alerter_reveals_nothing_without_the_right_to_read(
    guarded: Running,
) -> None:
    body = {**ALERTER, "name": "misspelt", "reference": "trainig"}
    told = {}
    for name in ("writer", "old-writer"):
        headers = {"authorization": f"Bearer {token(name)}"}
        answer = guarded.http.put("/api/v1/alerters", json=body, headers=headers)
        told[name] = answer.raise_for_status().json()["warnings"]
    assert told["writer"] == []
    assert "'training'" in told["old-writer"][0]


def is_refused(answer: httpx.Response) -> bool:
    return answer.status_code in {401, 403}


@pytest.mark.parametrize("name", ["", *RIGHTS])
@pytest.mark.parametrize(("method", "path"), [route for route in HTTP if "log" not in route[1]])
def test_each_route_opens_to_the_right_of_the_table_and_to_no_other(
    guarded: Running, method: str, path: str, name: str
) -> None:
    need = HTTP[method, path]
    allowed = need is Need.NOTHING or (name != "" and need in NEEDS[name])
    if need is Need.LINK:  # the page checks the link; a form without a token comes from the page
        allowed = method == "GET" or name != ""
    if path.startswith(FOR_ALL):
        allowed = allowed and name not in NARROW
    if (method, path) == ("POST", REFERENCES):
        allowed = allowed and Need.READ in NEEDS[name]
    answer = ask(guarded, method, path, name, ENTITY)
    if path in UNNAMED:  # takes no parameter: 422 is behind the door
        assert is_refused(answer) is not allowed
        return
    assert is_refused(answer) is not allowed, answer.text


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize(
    ("method", "path"),
    [route for route in HTTP if route[1].startswith("/api/") and route[1] not in UNNAMED],
)
def test_a_route_ends_with_the_entities_of_the_right(
    guarded: Running, method: str, path: str, name: str
) -> None:
    assert ask(guarded, method, path, name, OTHER).status_code in {401, 403}
    assert not is_refused(ask(guarded, method, path, "old-writer", OTHER))


@pytest.mark.parametrize("name", NARROW)
def test_an_entity_to_compare_with_needs_the_right_too(guarded: Running, name: str) -> None:
    headers = {"authorization": f"Bearer {token(name)}"}
    asked = {"entity": ENTITY, "summary": "input.amount", "other_entity": OTHER}
    answer = guarded.http.get("/api/v1/query", params=asked, headers=headers)
    assert is_refused(answer)


@pytest.mark.parametrize("resource", ["entities", "references", "alerters", "episodes"])
def test_a_list_holds_the_entities_of_the_right_only(guarded: Running, resource: str) -> None:
    def listed(name: str) -> set[str]:
        headers = {"authorization": f"Bearer {token(name)}"}
        answer = guarded.http.get(f"/api/v1/{resource}", headers=headers).raise_for_status()
        return {one.get("entity") or one["name"] for one in answer.json()[resource]}

    assert listed("reader") == {ENTITY}
    assert listed("old-reader") == {ENTITY, OTHER}


@pytest.mark.parametrize("path", ["/api/v1/entities", "/openapi.json", "/healthz", "/nowhere"])
def test_a_method_that_is_not_in_the_table_is_refused(guarded: Running, path: str) -> None:
    headers = {"authorization": f"Bearer {token('old-writer')}"}
    for method in ("POST", "PATCH", "OPTIONS", "TRACE"):
        answer = guarded.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        assert guarded.http.request(method, path).status_code == 401


def test_the_table_has_every_method_of_the_services_and_no_other() -> None:
    services = (ShipRequest.DESCRIPTOR.file, health_pb2.DESCRIPTOR)
    methods = {
        f"/{service.full_name}/{method.name}"
        for file in services
        for service in file.services_by_name.values()
        for method in service.methods
    }
    # The library that serves the health service does not implement this method.
    assert set(GRPC) == methods - {"/grpc.health.v1.Health/List"}


@pytest.mark.parametrize("is_built", [True, False])
def test_the_table_has_every_route_of_the_application(
    store: Store, tmp_path: Path, *, is_built: bool
) -> None:
    if is_built:
        (tmp_path / "index.html").touch()
    clock = SteppedClock()
    app = make_app(
        store,
        Query(store, clock),
        clock,
        Counters(),
        wake=lambda: None,
        receivers=receivers_of(),
        targets=targets_of(),
        causes=Causes(store, clock),
        static=tmp_path,
    )
    routes = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or ())
        if method != "HEAD"
    }
    assert all(isinstance(route, Route) for route in app.routes)
    of_the_door = {("GET", "/login"), ("POST", "/login"), ("POST", "/logout")}
    pages = {("GET", "/"), ("GET", "/{path:path}")}
    assert routes <= set(HTTP)
    assert set(HTTP) - routes <= of_the_door | pages


def test_what_is_not_in_the_table_is_refused_even_where_everybody_is_trusted() -> None:
    with pytest.raises(Forbidden):
        Gate(()).enter(GRPC.get("/nilometer.v1.CollectorService/Forget"), None)
    assert http_need("POST", "/api/v1/entities") is None
    assert http_need("DELETE", "/nowhere") is None


def test_a_gate_asks_for_a_principal_and_for_its_right() -> None:
    reader = Principal(name="reader", token_sha256=("0" * 64,), read=("a-*",))
    gate = Gate([reader])
    with pytest.raises(Unauthenticated):
        gate.enter(Need.READ, None)
    with pytest.raises(Forbidden, match="may not write"):
        gate.enter(Need.WRITE, reader)
    access = gate.enter(Need.READ, reader)
    assert (access.may("a-1"), access.may("b-1"), access.is_unlimited) == (True, False, False)
    with pytest.raises(Forbidden, match="may not read entity 'b-1'"):
        access.require(["a-1", "b-1"])
    with pytest.raises(Forbidden, match="may not ship as 'a-1'"):
        access.require_agent("a-1")
    assert Access(None, Need.SHIP).is_unlimited


@pytest.mark.parametrize(
    ("rights", "ships_as", "ship", "read", "write"),
    [
        ({}, ("*",), ("*",), (), ()),
        ({"agents": ["a-*"]}, ("a-*",), ("*",), (), ()),
        ({"agents": ["a-*"], "ship": ["e"]}, ("a-*",), ("e",), (), ()),
        ({"ship": ["e"]}, ("*",), ("e",), (), ()),
        ({"ship": []}, (), (), (), ()),
        ({"agents": []}, (), (), (), ()),
        ({"agents": [], "http": "none"}, (), (), (), ()),
        ({"agents": [], "http": "read"}, (), (), ("*",), ()),
        ({"agents": ["a"], "http": "write"}, ("a",), ("*",), ("*",), ("*",)),
        ({"ship": ["e"], "http": "read"}, ("*",), ("e",), ("*",), ()),
        ({"read": ["e"]}, (), (), ("e",), ()),
        ({"write": ["e"]}, (), (), (), ("e",)),
        ({"read": ["e"], "agents": ["a"]}, ("a",), ("*",), ("e",), ()),
    ],
)
def test_older_and_newer_settings_mean_what_the_page_says(
    rights: dict[str, object], ships_as: object, ship: object, read: object, write: object
) -> None:
    told = {"principals": [{"name": "p", "token_sha256": ["0" * 64], **rights}]}
    (principal,) = checked(CollectorSettings, told).principals
    assert principal.ships_as == ships_as
    patterns = [principal.patterns(need) for need in (Need.SHIP, Need.READ, Need.WRITE)]
    assert patterns == [ship, read, write]


@pytest.mark.parametrize(
    ("rights", "word"),
    [
        ({"http": "read"}, "has http and no agents"),
        ({"agents": [], "http": "read", "read": ["e"]}, "remove http"),
        ({"agents": [], "http": "none", "write": ["e"]}, "remove http"),
        ({"agents": [], "ship": ["e"]}, "add the agent names"),
        ({"http": "all"}, "http"),
        ({"reads": ["e"]}, "reads"),
    ],
)
def test_settings_that_could_mean_two_things_are_refused(
    rights: dict[str, object], word: str
) -> None:
    told = {"principals": [{"name": "p", "token_sha256": ["0" * 64], **rights}]}
    with pytest.raises(ConfigError, match=word):
        checked(CollectorSettings, told)


def test_rows_of_another_entity_are_rejected_alone(guarded: Running) -> None:
    before = observations(guarded)
    rows = [Row(sequence=at) for at in (1, 2, 3)]
    rows[0].sample.CopyFrom(sample_to_wire(feature_sample(amounts(50), entity=OTHER)))
    rows[1].sample.CopyFrom(sample_to_wire(feature_sample(amounts(50), entity=ENTITY)))
    rows[2].evaluation.alerter.entity = OTHER
    request = ShipRequest(agent="pod-1", epoch=b"f" * 16, instance=b"i" * 16, rows=rows)
    reply = guarded.stub.Ship(request, timeout=DEADLINE_SECONDS, metadata=metadata("shipper"))
    assert [(one.sequence, one.forbidden) for one in reply.rejected] == [(1, True), (3, True)]
    assert all(OTHER in one.reason for one in reply.rejected)
    assert observations(guarded) == {**before, ENTITY: before[ENTITY] + 50}


def test_a_plan_leaves_out_other_entities_and_names_them(guarded: Running) -> None:
    request = GetPlanRequest(agent="pod-1", entities=[OTHER, ENTITY])
    plan = guarded.stub.GetPlan(request, timeout=DEADLINE_SECONDS, metadata=metadata("shipper"))
    assert list(plan.forbidden_entities) == [OTHER]
    assert {one.entity for one in plan.alerters} == {ENTITY}
    known = GetPlanRequest(agent="pod-1", entities=[OTHER, ENTITY], version=plan.version)
    same = guarded.stub.GetPlan(known, timeout=DEADLINE_SECONDS, metadata=metadata("shipper"))
    assert same.unchanged
    assert list(same.forbidden_entities) == [OTHER]


def observations(served: Running) -> dict[str, int]:
    headers = {"authorization": f"Bearer {token('old-reader')}"}
    answer = served.http.get("/api/v1/entities", headers=headers).raise_for_status()
    return {one["name"]: one["observations"] for one in answer.json()["entities"]}


def test_the_size_of_the_store_is_for_those_who_may_read_all_of_it(guarded: Running) -> None:
    def listed(name: str) -> int:
        headers = {"authorization": f"Bearer {token(name)}"}
        answer = guarded.http.get("/api/v1/storage", headers=headers).raise_for_status()
        return len(answer.json()["levels"])

    assert listed("reader") == 0
    assert listed("old-reader") == 4
