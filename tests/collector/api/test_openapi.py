"""The OpenAPI document describes every route, and every answer is the structure that it names."""

from typing import Any

import msgspec
from support.problems import is_problem

from nilometer_collector.api.resources.alerters import Alerters
from nilometer_collector.api.resources.comparators import ComparatorsView
from nilometer_collector.api.resources.declared_views import Changes, Objects
from nilometer_collector.api.resources.entities import Entities
from nilometer_collector.api.resources.entity import DeclaredEntityView
from nilometer_collector.api.resources.episodes import Episodes
from nilometer_collector.api.resources.references import References
from nilometer_collector.api.resources.samples import SamplesView
from nilometer_collector.api.resources.summaries import Summaries
from nilometer_collector.testing import ENTITY, Running


def test_every_answer_is_the_structure_that_the_contract_names(filled: Running) -> None:
    kinds: dict[str, type] = {
        "entities": Entities,
        f"entity?entity={ENTITY}": DeclaredEntityView,
        f"summaries?entity={ENTITY}": Summaries,
        f"samples?entity={ENTITY}&summary=input.amount&reference=training": SamplesView,
        f"samples?entity={ENTITY}&summary=service": SamplesView,
        "references": References,
        "alerters": Alerters,
        "objects": Objects,
        "changes": Changes,
        "comparators": ComparatorsView,
        "episodes": Episodes,
    }
    for path, kind in kinds.items():
        answer = filled.http.get(f"/api/v1/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        decoded: object = msgspec.json.decode(answer.content, type=kind)
        assert msgspec.json.decode(msgspec.json.encode(decoded)) == answer.json()


def test_the_document_describes_every_route_with_its_errors(served: Running) -> None:
    document = served.http.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    described = {(p, m) for p, methods in document["paths"].items() for m in methods}
    assert described == {
        ("/api/v1/entities", "get"),
        ("/api/v1/entity", "get"),
        ("/api/v1/entity", "put"),
        ("/api/v1/entity", "delete"),
        ("/api/v1/summaries", "get"),
        ("/api/v1/summaries", "delete"),
        ("/api/v1/predictions", "delete"),
        ("/api/v1/predictions", "get"),
        ("/api/v1/predictions/subject", "delete"),
        ("/api/v1/samples", "get"),
        ("/api/v1/samples", "post"),
        ("/api/v1/difference", "get"),
        ("/api/v1/expected-performance", "get"),
        ("/api/v1/ground-truth", "post"),
        ("/api/v1/ground-truth", "get"),
        ("/api/v1/maturity", "get"),
        ("/api/v1/query", "get"),
        ("/api/v1/newest", "get"),
        ("/api/v1/storage", "get"),
        ("/api/v1/targets", "get"),
        ("/api/v1/targets", "put"),
        ("/api/v1/targets", "delete"),
        ("/api/v1/actions/runs", "get"),
        ("/api/v1/actions/approve", "post"),
        ("/api/v1/actions/decline", "post"),
        ("/api/v1/actions/run", "post"),
        ("/api/v1/pipeline", "get"),
        ("/api/v1/references", "get"),
        ("/api/v1/references", "post"),
        ("/api/v1/references/comparison", "get"),
        ("/api/v1/references/version", "get"),
        ("/api/v1/alerters", "get"),
        ("/api/v1/alerters", "put"),
        ("/api/v1/alerters", "delete"),
        ("/api/v1/alerters/statuses", "get"),
        ("/api/v1/alerters/reports", "post"),
        ("/api/v1/apply", "post"),
        ("/api/v1/rollback", "post"),
        ("/api/v1/objects", "get"),
        ("/api/v1/objects", "delete"),
        ("/api/v1/changes", "get"),
        ("/api/v1/audit", "get"),
        ("/api/v1/backtests", "post"),
        ("/api/v1/canary", "get"),
        ("/api/v1/canary", "post"),
        ("/api/v1/comparators", "get"),
        ("/api/v1/episodes", "get"),
        ("/api/v1/episodes/causes", "get"),
        ("/api/v1/episodes/acknowledge", "post"),
        ("/api/v1/episodes/silence", "post"),
        ("/api/v1/episodes/unsilence", "post"),
        ("/api/v1/episodes/new-normal", "post"),
        ("/api/v1/channels", "get"),
        ("/api/v1/channels", "put"),
        ("/api/v1/channels", "delete"),
        ("/api/v1/channels/test", "post"),
        ("/api/v1/routes", "get"),
        ("/api/v1/routes", "put"),
        ("/api/v1/routes", "delete"),
        ("/api/v1/deliveries", "get"),
        ("/api/v1/watch", "get"),
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
