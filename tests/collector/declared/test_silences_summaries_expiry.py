"""Declared silences and summaries, and references that expire, over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.problems import is_problem

from nilometer.batch.reference_upload import put_reference
from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS
from nilometer.wire.services import GetPlanRequest
from nilometer_collector.alerting.watch_rules import rule_of
from nilometer_collector.declared.applying import By, apply
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.references import RENEW
from nilometer_collector.declared.registered import document_of
from nilometer_collector.query.missing_names import expired_sentence
from nilometer_collector.store import Origin, Store, open_store
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    a_reference,
    feature_sample,
    running,
)
from nilometer_collector.watch.rules import current_rules

DAY_NS = 86_400 * NANOSECONDS
SALE: dict[str, Any] = {
    "entity": "fraud-*",
    "name": "sale",
    "reason": "a sale",
    "from": "2023-11-14T00:00Z",
    "until": 1_700_100_000,
}
AMOUNT: dict[str, Any] = {"entity": ENTITY, "name": "input.amount"}
REFERENCE = a_reference({"input.amount": [1.0, 2.0]})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    clock = SteppedClock()
    clock.wall_ns = START_NS + DAY_NS
    with running(tmp_path_factory.mktemp("kinds") / "collector.db", clock) as served:
        served.sender().ship(feature_sample([1.0, 2.0, 3.0, 4.0]))
        put_reference(REFERENCE, served.collector.grpc_target)
        yield served


def apply_over(served: Running, **lists: Any) -> Any:
    return served.http.post("/api/v1/apply", json={"version": 1, **lists})


def warnings(served: Running, **lists: Any) -> list[str]:
    answer = apply_over(served, **lists).raise_for_status().json()
    return [one["sentence"] for one in answer["warnings"]]


@pytest.mark.parametrize(
    ("changes", "place", "why"),
    [
        ({"until": "2023-11-13"}, "until", "must be after `from`"),
        ({"until": "2025-11-14"}, "until", "at most 366 days"),
        ({"until": "tomorrow"}, "until", "must be a time such as"),
        ({"from": -5}, "from", "must be a text of at least 1 and at most 64 characters"),
        ({"time_zone": "Mars"}, "time_zone", "must be a time zone"),
        ({"repeat": "daily"}, "until", "before it starts again"),
        ({"repeat": "yearly"}, "repeat", "must be one of '', 'daily', 'weekly'"),
        ({"reason": "  "}, "reason", "and not only spaces"),
        ({"reason": "a\x00"}, "reason", "without control characters"),
        ({"summaries": []}, "summaries", "a list of at least 1 and at most 64 items"),
        ({"entity": "<b>"}, "entity", "must not contain markup"),
        ({"name": "a b"}, "name", "that matches"),
    ],
)
def test_a_wrong_silence_is_refused_at_its_place(
    served: Running, changes: dict[str, Any], place: str, why: str
) -> None:
    refused = apply_over(served, silences=[{**SALE, **changes}])
    assert is_problem(refused, 422).field == f"silences[0].{place}"
    assert why in refused.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "place", "why"),
    [
        ({"edges": [2, 1]}, "edges", "strictly ascending"),
        ({"edges": [1], "data_type": "categories"}, "edges", "has none"),
        ({"edges": list(range(64))}, "edges", "a list of at most 63 items"),
        ({"tolerance": 0}, "tolerance", "must be a number > 0"),
        ({"data_type": "float"}, "data_type", "must be one of"),
        ({"description": "a\x9b"}, "description", "without control characters"),
        ({"name": "<script>"}, "name", "must not contain markup"),
    ],
)
def test_a_wrong_summary_is_refused_at_its_place(
    served: Running, changes: dict[str, Any], place: str, why: str
) -> None:
    refused = apply_over(served, summaries=[{**AMOUNT, **changes}])
    assert is_problem(refused, 422).field == f"summaries[0].{place}"
    assert why in refused.json()["detail"]


def test_a_missing_time_is_named_with_what_it_must_be(served: Running) -> None:
    refused = apply_over(served, silences=[{k: v for k, v in SALE.items() if k != "until"}])
    assert refused.json()["detail"] == (
        "silences[0].until: is missing: must be a text of at least 1 and at most 64 characters "
        "without control characters or a number >= 0, <= 4611686018"
    )


def test_patterns_that_match_nothing_and_an_ended_silence_are_warnings(served: Running) -> None:
    assert warnings(served, silences=[SALE]) == []
    over = {**SALE, "until": "2023-11-14T01:00Z", "summaries": ["input.amuont"]}
    assert warnings(served, silences=[over, {**SALE, "entity": "other-*"}]) == [
        "summaries: 'input.amuont' matches no summary of these entities",
        "until: it ended on 2023-11-14 01:00 UTC, and silences nothing any more",
        "entity = 'other-*': matches no entity yet",
    ]


def test_a_summary_of_another_type_or_without_samples_is_a_warning(served: Running) -> None:
    wrong = {**AMOUNT, "data_type": "categories"}
    assert warnings(served, summaries=[wrong, {**AMOUNT, "name": "input.amuont"}]) == [
        "data_type = 'categories': its samples have 'distribution'",
        f"name = 'input.amuont': {ENTITY} has no such summary yet; did you mean 'input.amount'?",
    ]
    assert warnings(served, summaries=[{**AMOUNT, "unit": "EUR", "description": "paid"}]) == []
    (found,) = (one for one in served.get("summaries", entity=ENTITY)["summaries"])
    assert found["declared"] == {"data_type": "", "unit": "EUR", "description": "paid"}


def test_a_reference_of_windows_has_the_declared_edges(served: Running) -> None:
    apply_over(served, summaries=[{**AMOUNT, "edges": [2.5]}]).raise_for_status()
    asked = {"entity": ENTITY, "name": "week", "end": (START_NS + DAY_NS) / NANOSECONDS}
    served.http.post("/api/v1/references", json=asked).raise_for_status()
    found = served.get("samples", entity=ENTITY, summary="input.amount", reference="week", start=0)
    assert found["reference"]["feature"]["histogram"]["edges"] == [1.0, 2.5, 4.0]


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (30, []),
        (3.5, [f"expires: on 2023-11-19 10:14 UTC, in 3 days: {RENEW}"]),
        (-1, [f"expires: {expired_sentence(START_NS)}: {RENEW}"]),
    ],
)
def test_the_expiry_of_a_reference_is_a_warning_before_and_after(
    served: Running, days: float, told: list[str]
) -> None:
    expires = (START_NS + DAY_NS + round(days * DAY_NS)) / NANOSECONDS
    version = {"entity": ENTITY, "name": "training", "digest": REFERENCE.digest}
    assert warnings(served, references=[{**version, "expires": expires}]) == told
    put_reference(REFERENCE, served.collector.grpc_target)  # the same version keeps its expiry
    (found,) = served.get("objects", kind="reference", name="training")["objects"]
    assert found["warnings"] == told


def test_agents_do_not_get_an_alerter_whose_reference_has_expired(served: Running) -> None:
    alerter: dict[str, Any] = {"entity": ENTITY, "name": "drift", "summary": "input.*"}
    alerter |= {"kind": "REFERENCE"}
    alerter |= {"reference": "training", "comparator": "psi", "threshold": 0.2}
    version = {"entity": ENTITY, "name": "training", "digest": REFERENCE.digest}
    for expires, names in (("2099-01-01", ["drift"]), ("2020-01-01", [])):
        lists = {"references": [{**version, "expires": expires}], "alerters": [alerter]}
        apply_over(served, **lists).raise_for_status()
        plan = served.stub.GetPlan(GetPlanRequest(agent="pod-1", entities=[ENTITY]))
        assert [one.name for one in plan.alerters] == names
        assert "training" in [one.name for one in plan.references]  # its edges stay in use
    (found,) = served.get("objects", kind="alerter", name="drift")["objects"]
    assert "it expired on 2020-01-01" in found["warnings"][0]


def test_the_tolerance_of_a_summary_comes_before_those_of_the_rules(tmp_path: Path) -> None:
    store: Store = open_store(tmp_path / "collector.db", "")
    lists = {
        "watch": [{"entity": "fraud-*", "budget_days": 60, "tolerances": {"input.*": 0.3}}],
        "summaries": [{"entity": ENTITY, "name": "input.a[0]", "tolerance": 0.5}],
    }
    document = document_of({"version": 1, **lists})
    apply(DeclareContext(store), document, By("tests", Origin.APPLY), 1)
    rule = rule_of(current_rules(store, ()), ENTITY)
    assert rule.budget_days == 60
    assert [rule.tolerance(one).smooth for one in ("input.a[0]", "input.b")] == [0.5, 0.3]
    assert rule_of(current_rules(store, ()), "fraud-2").tolerance("input.a[0]").smooth == 0.3
    store.close()
