"""Batches whose entity is a template that requests fill in."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.engine_rig import Rig

from nilometer.profiling import division
from nilometer.profiling.observation import pack
from nilometer.wire.frames import Batch
from nilometer_agent.engine import divide
from nilometer_agent.engine.parse_batch import problem_of

START = 1_700_000_000_000_000_000
JSON = "application/json"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def asked(model: str, outcome: str = "ok") -> tuple[Any, ...]:
    path = f"/v1/models/{model}:predict" if model else "/status"
    body = b'{"instances": [[1.5]]}' if model else b""
    return (
        *(START, 0.01, 200 if outcome == "ok" else 404, outcome, "POST" if model else "GET", path),
        *(len(body), 2, JSON, "", JSON, "", body, b"{}", ""),
    )


def batch(sequence: int, *models: str, entity: str = "{model}", **more: Any) -> Batch:
    rows = [asked(model) for model in models]
    fields: dict[str, Any] = {"observations": pack(rows), "count": len(rows)}
    return Batch(worker=b"w", sequence=sequence, entity=entity, **(fields | more))


def seen(rig: Rig) -> dict[tuple[str, str], int]:
    """Observations by entity and labels."""
    rig.close()
    found: dict[tuple[str, str], int] = {}
    for sample in rig.samples():
        if sample.summary == "service":
            key = sample.entity, str(sample.labels)
            found[key] = found.get(key, 0) + sample.coverage.seen
    return found


def test_a_batch_is_divided_by_the_models_of_its_requests(rig: Rig) -> None:
    rig.give(batch(1, "credit", "churn", "credit", "", labels={"region": "eu"}))
    rig.commit()
    assert rig.acknowledged == [1]
    assert seen(rig) == {
        ("credit", "region=eu"): 2,
        ("churn", "region=eu"): 1,
        ("absent", "region=eu"): 1,
    }
    counted = rig.counters.snapshot()
    assert (counted["observations"], counted["profiled"], counted["undecodable"]) == (4, 3, 1)


def test_drops_count_for_the_entity_with_most_requests(rig: Rig) -> None:
    lost: dict[str, Any] = {"dropped": {"queue_full": 5}, "dropped_unix_nano": START}
    rig.give(batch(1, "churn", "credit", "credit", **lost))
    rig.give(batch(2, **lost))
    rig.commit()
    assert seen(rig) == {("credit", ""): 7, ("churn", ""): 1, ("absent", ""): 5}


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_batch_adds_as_many_observations_as_it_says(rig: Rig, count: int) -> None:
    rig.give(batch(1, "credit", "churn", "credit", count=count))
    rig.commit()
    assert rig.acknowledged == [1]
    assert sum(seen(rig).values()) == count
    counted = rig.counters.snapshot()
    assert counted["malformed_batches"] == (count != 3)
    assert counted["profiled"] == (3 if count >= 3 else 0)


def test_a_batch_that_cannot_be_unpacked_counts_for_the_fallback(rig: Rig) -> None:
    rig.give(batch(1, observations=b"garbage", count=2))
    rig.commit()
    assert rig.acknowledged == [1]
    assert seen(rig) == {("absent", ""): 2}


def test_entities_over_the_limit_are_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "MAX_ENTITIES", 2)
    rig.give(batch(1, "a", "b", "c", "d", "a"))
    rig.commit()
    assert seen(rig) == {
        ("a", ""): 2,
        ("b", ""): 1,
        ("absent", "model=c,nilometer_overflow=true"): 1,
        ("absent", "model=d,nilometer_overflow=true"): 1,
    }
    assert rig.counters.snapshot()["entities_over_limit"] == 2


def test_the_entities_of_a_template_are_remembered_between_batches(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.give(batch(1, "credit"))
    failed = batch(
        2, observations=pack([asked("credit", "client_error"), asked("x", "client_error")])
    )
    failed.count = 2
    rig.give(failed)
    rig.commit()
    assert seen(rig) == {("credit", ""): 2, ("absent", ""): 1}
    monkeypatch.setattr(divide, "MAX_TEMPLATES", 1)
    rig.give(batch(3, "credit", entity="shop-{model}"))
    assert len(rig.engine._receiver._divider._divisions) == 1


def test_profiles_that_a_worker_made_name_their_entity() -> None:
    made = Batch(worker=b"w", sequence=1, entity="{model}", partials=[b"p"])
    assert "entity" in problem_of(made)
    assert problem_of(msgspec.structs.replace(made, partials=[])) == ""
    assert "entity" in problem_of(msgspec.structs.replace(made, partials=[], entity="{modol}"))
    many = msgspec.structs.replace(made, partials=[], include=["GET"] * 257)
    assert problem_of(many) == "257 rules in include: at most 256"


def test_rules_of_a_batch_include_its_requests(rig: Rig) -> None:
    row = (
        *(START, 0.01, 200, "ok", "GET", "/score/7", 0, 13),
        *("", "", JSON, "", b"", b'{"risk": 0.5}', ""),
    )
    fields: dict[str, Any] = {"observations": pack([row]), "count": 1, "entity": "tested"}
    rig.give(batch(1, **fields))
    rig.give(batch(2, **fields, include=["GET route=/score/{customer}"]))
    rig.give(batch(3, **fields, include=["GET route=/score/{customer}", "of a later version"]))
    rig.commit()
    counted = rig.counters.snapshot()
    assert (counted["profiled"], counted["undecodable"]) == (2, 1)
