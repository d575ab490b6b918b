"""Agents one version older and one version newer than the collector, on both stores."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.recorded import UNKNOWN, VERSIONS, as_newer, recorded
from support.stores import copy_sqlite

from nilometer.testing import SteppedClock
from nilometer.wire.services import (
    GetPlanRequest,
    Plan,
    PutReferenceReply,
    Row,
    ShipReply,
    ShipRequest,
)
from nilometer.wire.services import Reference as WireReference
from nilometer_collector.demo.postgresql import Server
from nilometer_collector.testing import ENTITY, Running, running

PERFORMANCE = {"entity": ENTITY, "task": "classes", "predicted": "class", "step_seconds": 300}
# What each recorded sample measures, by summary: what the older version meant.
SAMPLES: dict[str, dict[str, object]] = {
    "input.amount": {"count": 7, "missing": 1, "zero": 2, "minimum": -2.5, "maximum": 1024.0},
    "input.summed": {"count": 9, "types": {"number": 8, "string": 2}, "unseen": 1},
    "input.method": {
        "count": 5,
        "null_like": 1,
        "type_errors": {"boolean": 1, "list": 1, "object": 1},
    },
    "input.sampled": {"count": 7, "below_reference": 1, "above_reference": 1},
    "input.vectors": {"count": 7, "non_finite": 4},
    "service": {
        "requests": 3,
        "outcomes": {"ok": 2, "server_error": 1},
        "stream_ends": {"client_left": 1, "completed": 1},
        "in_flight_max": 2,
    },
    "output.class.scores": {"count": 2, "mean": 0.75, "predicted": {"0": 1, "1": 1}},
    "logged.number": {"type": "number", "count": 3, "value": 1e16 + 2},
    "logged.string": {"type": "string", "text": "v7"},
    "logged.table": {"columns": ["k", "v"], "rows": [[None, None], ["a", 0.5]], "unit": "s"},
    "logged.matrix": {"rows": [[1.0, 0.5], [0.5, 1.0]], "aggregation": "mean"},
    "logged.line": {"points": [[0.0, 0.25], [1.0, 0.75]]},
    "logged.confusion_matrix": {"labels": ["no", "yes"], "rows": [[8.0, 1.0], [0.0, 2.0]]},
    "logged.classification": {"type": "classification", "count": 3, "without_truth": 1},
    "logged.regression": {"type": "regression", "count": 2, "unusable": 1},
    "logged.ranking": {"type": "ranking", "count": 2, "without_truth": 1},
    "logged.row_metrics": {"type": "row_metrics", "count": 2},
}


@pytest.fixture(params=["sqlite", "postgresql"])
def served(
    request: pytest.FixtureRequest, database: Path, clock: SteppedClock
) -> Iterator[Running]:
    """A collector with a declared performance, after the recorded windows."""
    clock.step(400)
    settings: dict[str, object] = {}
    path: Path | None = database
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        prepared: str = request.getfixturevalue("prepared_postgresql")
        path, settings = None, {"store": server.create_database(copy_of=prepared)}
    else:
        copy_sqlite(request.getfixturevalue("prepared_sqlite"), database)
    with running(path, clock, **settings) as served:
        document = {"version": 1, "performance": [PERFORMANCE]}
        served.http.post("/api/v1/apply", json=document).raise_for_status()
        yield served


def call(served: Running, method: str, content: bytes) -> bytes:
    """Send *content* unchanged, as the other version sent it."""
    send: Callable[..., bytes] = served.channel.unary_unary(
        f"/nilometer.v1.CollectorService/{method}",
        request_serializer=None,
        response_deserializer=None,
    )
    return send(content, timeout=60)


def ship(served: Running, content: bytes) -> ShipReply:
    return ShipReply.FromString(call(served, "Ship", content))


def answers(served: Running) -> dict[str, Any]:
    """Return what users get to see of the recorded rows."""
    found = {
        summary: served.get("samples", entity=ENTITY, summary=summary)["samples"]
        for summary in SAMPLES
    }
    return {
        **found,
        "episodes": served.get("episodes")["episodes"],
        "predictions": served.get("predictions", entity=ENTITY)["predictions"],
        "truth": served.get("ground-truth", entity=ENTITY)["counts"],
        "performance": served.get("samples", entity=ENTITY, summary="performance", step=300),
        "references": served.get("references", entity=ENTITY),
    }


def check(found: dict[str, Any]) -> None:
    """Check that the answers are what the older version meant."""
    for summary, expected in SAMPLES.items():
        (sample,) = found[summary]
        assert (sample["coverage"]["seen"], sample["coverage"]["profiled"]) == (17, 7)
        contents = ("feature", "service", "scores", "logged", "performance")
        (content,) = (sample[one] for one in contents if sample.get(one))
        assert {key: content[key] for key in expected} == expected
    (episode,) = found["episodes"]
    assert (episode["alerter"], episode["value"], episode["closed"]) == ("drift", 0.5, None)
    assert [one["outputs"]["score"] for one in found["predictions"]] == [0.0, 0.125, 0.25]
    assert found["truth"] == {"joined": 2}
    (judged,) = found["performance"]["samples"]
    assert judged["performance"]["metrics"]["accuracy_ratio"]["value"] == 0.5


@pytest.mark.parametrize("version", VERSIONS)
def test_all_that_an_older_agent_ships_is_read(served: Running, version: str) -> None:
    reference = call(served, "PutReference", recorded(version, "reference"))
    assert PutReferenceReply.FromString(reference).digest == "78ae72ea2cc146cd"
    for name in ("ship", "predictions"):
        reply = ship(served, recorded(version, name))
        assert (list(reply.rejected), list(reply.refused_predictions)) == ([], [])
    check(answers(served))
    plan = Plan.FromString(call(served, "GetPlan", recorded(version, "plan_request")))
    assert [one.digest for one in plan.references] == ["78ae72ea2cc146cd"]
    assert counts(served, "shipments_of_newer") == 0


def counts(served: Running, name: str) -> int:
    found: int = served.http.get("/readyz").json()["counters"][name]
    return found


def test_new_fields_of_a_newer_agent_change_nothing_and_are_told(
    served: Running, caplog: pytest.LogCaptureFixture
) -> None:
    version = VERSIONS[-1]
    newer = as_newer(WireReference.FromString(recorded(version, "reference")))
    call(served, "PutReference", newer.SerializeToString())
    for name in ("ship", "predictions"):
        request = as_newer(ShipRequest.FromString(recorded(version, name)))
        request.agent = name
        reply = ship(served, request.SerializeToString())
        assert (list(reply.rejected), list(reply.refused_predictions)) == ([], [])
    check(answers(served))
    asked = as_newer(GetPlanRequest.FromString(recorded(version, "plan_request")))
    plan = Plan.FromString(call(served, "GetPlan", asked.SerializeToString()))
    assert len(plan.references) == 1
    assert counts(served, "shipments_of_newer") == 2
    told = [one for one in caplog.records if "newer than this collector" in one.message]
    assert [vars(one)["agent"] for one in told] == ["ship"]


def test_new_words_and_types_of_a_newer_agent_hold_up_nothing_that_both_know(
    served: Running,
) -> None:
    request = ShipRequest.FromString(recorded(VERSIONS[-1], "ship"))
    rows = {row.sample.summary or row.evaluation.alerter.name: row for row in request.rows}
    # A part of the observations, a reason and an outcome that this version does not know.
    coverage = rows["input.amount"].sample.coverage
    coverage.seen += 5
    coverage.dropped["of_tomorrow"] = 5
    coverage.seen += 6
    coverage.MergeFromString(UNKNOWN)
    rows["service"].sample.service.outcomes["of_tomorrow"] = 1
    rows["drift"].evaluation.alerter.severity = "emergency"
    rows["slow"].evaluation.reason = "of_tomorrow"
    # Contents and statuses that only the newer version knows: a type, an alert status, a row.
    last = len(request.rows)
    unknown = {
        "content of a type": copied(request, rows["input.amount"], last + 1),
        "no verdict": copied(request, rows["drift"], last + 2),
        "unknown kind": copied(request, rows["drift"], last + 3),
        "not known": copied(request, rows["logged.number"], last + 4),
        "type that this collector knows": request.rows.add(sequence=last + 5),
    }
    unknown["content of a type"].sample.ClearField("feature")
    unknown["no verdict"].evaluation.verdict = 99  # type: ignore[assignment]
    unknown["unknown kind"].evaluation.alerter.kind = 99  # type: ignore[assignment]
    unknown["not known"].sample.extension.kind = "of_tomorrow"
    for row in unknown.values():
        row.MergeFromString(UNKNOWN)
    reply = ship(served, request.SerializeToString())
    assert [one.sequence for one in reply.rejected] == [row.sequence for row in unknown.values()]
    for told, expected in zip(reply.rejected, unknown, strict=True):
        assert expected in told.reason
    (sample,) = served.get("samples", entity=ENTITY, summary="input.amount")["samples"]
    assert sample["coverage"]["seen"] == 28
    assert sample["coverage"]["dropped"] == {
        "queue_full": 2,
        "of_tomorrow": 5,
        "of_newer_version": 6,
    }
    (service,) = served.get("samples", entity=ENTITY, summary="service")["samples"]
    assert service["service"]["outcomes"] == {"ok": 2, "server_error": 1, "of_tomorrow": 1}
    (episode,) = served.get("episodes")["episodes"]
    assert (episode["severity"], episode["value"]) == ("critical", 0.5)
    assert (counts(served, "shipments_of_newer"), counts(served, "rows_rejected")) == (1, 5)


def copied(request: ShipRequest, row: Row, sequence: int) -> Row:
    """Add a copy of *row* with another sequence."""
    copy = request.rows.add()
    copy.CopyFrom(row)
    copy.sequence = sequence
    return copy


def test_a_method_of_a_newer_agent_is_refused_as_not_implemented(served: Running) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        call(served, "ShipTomorrow", b"")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
