"""Entities are declared, read and removed over HTTP; those with data only have the defaults."""

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.problems import is_problem

from nilometer.testing import SteppedClock
from nilometer_collector.testing import ENTITY, Running, feature_sample, running

SAID: dict[str, Any] = {
    "kind": "endpoint",
    "owner": "risk@example.com",
    "time_zone": "Europe/Berlin",
    "description": "Scores payments.\nPaged at night.",
    "attributes": {"tier": "1"},
    "reads_from": ["features"],
}


def put(served: Running, name: str, body: Any = None, **more: str) -> httpx.Response:
    return served.http.put(
        "/api/v1/entity", params={"entity": name}, json=SAID if body is None else body, headers=more
    )


def test_an_entity_with_data_only_has_the_defaults(served: Running) -> None:
    served.sender().ship(feature_sample([1.0]))
    found = served.get("entity", entity=ENTITY)
    defaults = {
        "kind": "model",
        "owner": "",
        "time_zone": "UTC",
        "description": "",
        "attributes": {},
        "reads_from": [],
        "read_by": [],
        "version": 0,
        "updated": None,
    }
    assert {key: found[key] for key in defaults} == defaults
    assert (found["name"], found["summaries"]) == (ENTITY, 1)


def test_a_declared_entity_is_listed_and_read_before_it_has_data(served: Running) -> None:
    answer = put(served, ENTITY).raise_for_status().json()
    assert {key: answer[key] for key in SAID} == SAID
    assert answer["version"] == 1
    found = served.get("entity", entity=ENTITY)
    assert {**found, "warnings": answer["warnings"]} == answer
    (listed,) = served.get("entities")["entities"]
    assert listed == {key: found[key] for key in listed}
    assert (listed["health"], listed["last_seen"]) == ("NO_DATA", None)
    assert served.get("summaries", entity=ENTITY) == {"summaries": []}


def test_an_edge_shows_at_both_ends_and_a_missing_end_is_a_warning(served: Running) -> None:
    assert put(served, "features", {"kind": "data"}).json()["warnings"] == []
    assert put(served, ENTITY).json()["warnings"] == []
    assert served.get("entity", entity="features")["read_by"] == [ENTITY]
    (warning,) = put(served, "other", {"reads_from": ["feature"]}).json()["warnings"]
    assert "did you mean 'features'?" in warning


def test_a_change_of_an_older_version_is_a_conflict(served: Running) -> None:
    assert put(served, ENTITY, {"version": 0}).json()["version"] == 1
    assert put(served, ENTITY, {"owner": "a", "version": 1}).json()["version"] == 2
    assert is_problem(put(served, ENTITY, {"owner": "b", "version": 1}), 409).field == "version"
    removed = served.http.delete("/api/v1/entity", params={"entity": ENTITY, "version": 1})
    assert is_problem(removed, 409).field == "version"
    assert served.get("entity", entity=ENTITY)["owner"] == "a"


def test_a_removed_declaration_leaves_the_data(served: Running) -> None:
    served.sender().ship(feature_sample([1.0]))
    put(served, ENTITY).raise_for_status()
    removed: dict[str, str | int] = {"entity": ENTITY, "version": 1}
    assert served.http.delete("/api/v1/entity", params=removed).status_code == 204
    assert served.get("entity", entity=ENTITY)["kind"] == "model"
    is_problem(served.http.delete("/api/v1/entity", params={"entity": ENTITY}), 404)


def test_a_name_that_nothing_has_is_404_with_the_nearest(served: Running) -> None:
    put(served, ENTITY).raise_for_status()
    answer = served.http.get("/api/v1/entity", params={"entity": "fraud-scorr"})
    assert f"did you mean '{ENTITY}'?" in is_problem(answer, 404).detail


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reads_from": ["features", ENTITY]}, "reads_from[1]"),
        ({"reads_from": ["upstream"]}, "reads_from[0]"),
    ],
)
def test_an_edge_that_makes_a_cycle_is_a_problem_that_names_it(
    served: Running, body: dict[str, Any], field: str
) -> None:
    put(served, "upstream", {"reads_from": ["middle"]}).raise_for_status()
    put(served, "middle", {"reads_from": [ENTITY]}).raise_for_status()
    assert is_problem(put(served, ENTITY, body), 409).field == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "service"}, "kind"),
        ({"owner": "x" * 257}, "owner"),
        ({"owner": "a\u0000"}, "owner"),
        ({"owner": "a\n"}, "owner"),
        ({"description": "a\u0000b"}, "description"),
        ({"description": "x" * 4001}, "description"),
        ({"time_zone": "Europe/Berln"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"attributes": {"Tier": "1"}}, "attributes"),
        ({"attributes": {"tier\n": "1"}}, "attributes"),
        ({"attributes": {"tier": 1}}, "attributes[...]"),
        ({"attributes": {"tier": "1\n"}}, "attributes.tier"),
        ({"attributes": {f"k{at}": "" for at in range(65)}}, "attributes"),
        ({"reads_from": ["no space"]}, "reads_from[0]"),
        ({"reads_from": ["a\n"]}, "reads_from[0]"),
        ({"reads_from": ["a", "a"]}, "reads_from"),
        ({"reads_from": [f"e{at}" for at in range(65)]}, "reads_from"),
        ({"version": -1}, "version"),
        ({"version": 2**70}, "version"),
        ({"name": "x"}, "name"),
    ],
)
def test_a_declaration_that_is_not_allowed_names_its_field(
    filled: Running, body: dict[str, Any], field: str
) -> None:
    assert is_problem(put(filled, ENTITY, body), 422).field == field
    assert filled.get("entity", entity=ENTITY)["version"] == 0


@pytest.mark.parametrize("name", ["", "a b", "a\n", "é", "x" * 129, "-a"])
def test_a_name_that_no_entity_may_have_is_refused(filled: Running, name: str) -> None:
    assert is_problem(put(filled, name), 422).field == "entity"


def test_a_caller_sees_and_changes_the_entities_of_its_patterns_only(tmp_path: Path) -> None:
    principals = [
        {
            "name": "risk",
            "token_sha256": [hashlib.sha256(b"risk").hexdigest()],
            "read": ["fraud-*", "features"],
            "write": ["fraud-*"],
        },
        {
            "name": "all",
            "token_sha256": [hashlib.sha256(b"all").hexdigest()],
            "read": ["*"],
            "write": ["*"],
        },
    ]
    risk, everything = ({"authorization": f"Bearer {name}"} for name in ("risk", "all"))
    with running(tmp_path / "collector.db", SteppedClock(), principals=principals) as served:
        for name in (ENTITY, "secret-scorer"):
            put(served, name, {"reads_from": ["features"]}, **everything).raise_for_status()
        put(served, "features", {}, **everything).raise_for_status()
        seen = served.http.get("/api/v1/entity", params={"entity": "features"}, headers=risk)
        assert seen.json()["read_by"] == [ENTITY]
        is_problem(put(served, "features", {}, **risk), 403)
        said = put(served, ENTITY, {"reads_from": ["secret-scorr"]}, **risk)
        assert said.json()["warnings"] == [  # the same whether it exists or not
            "reads_from = 'secret-scorr': cannot be checked: you may not read this entity"
        ]
        put(served, "secret-scorer", {"reads_from": [ENTITY]}, **everything).raise_for_status()
        refused = is_problem(put(served, ENTITY, {"reads_from": ["secret-scorer"]}, **risk), 409)
        assert refused.field == "reads_from[0]"
        assert refused.detail == "reads_from[0]: the edge to 'secret-scorer' is not possible"
        missing = served.http.get("/api/v1/entity", params={"entity": "fraud-"}, headers=risk)
        assert "secret" not in is_problem(missing, 404).detail
