"""Replies of a collector one version older and one version newer than the agent."""

import pytest
from support.recorded import UNKNOWN, VERSIONS, as_newer, recorded

from nilometer.alert import Severity
from nilometer.v1 import summary_pb2
from nilometer.values.privacy import Disclosure, Privacy
from nilometer.wire.alerts import PlanContent, plan_from_wire
from nilometer.wire.coverage import coverage_from_wire
from nilometer.wire.services import Plan, ShipReply
from nilometer.wire.unknown_fields import has_unknown_fields


def check(plan: PlanContent) -> None:
    """Check that a recorded plan means what it meant."""
    assert [(one.name, one.digest) for one in plan.references] == [("training", "78ae72ea2cc146cd")]
    assert [one.name for one in plan.alerters] == ["slow", "range", "drift"]
    assert plan.unread == {}
    assert plan.disclosure == Disclosure(Privacy.POD, 5)
    assert plan.collector_judges
    assert plan.prediction_sums


@pytest.mark.parametrize("version", VERSIONS)
def test_replies_of_an_older_collector_are_read(version: str) -> None:
    plan = Plan.FromString(recorded(version, "plan"))
    check(plan_from_wire(plan))
    assert (plan.names_key, list(plan.forbidden_entities)) == (b"key", ["other"])
    assert plan.now_unix_nano == 1_700_000_100_000_000_000
    reply = ShipReply.FromString(recorded(version, "reply"))
    assert reply.duplicate
    rejected = [(one.sequence, one.reason, one.forbidden) for one in reply.rejected]
    assert rejected == [(1, "Refused: too large", False), (2, "Forbidden: not yours", True)]
    (refused,) = reply.refused_predictions
    assert (refused.sequence, refused.rows, refused.reason) == (3, 2, "too long")


def test_new_parts_of_a_newer_plan_hold_up_nothing_that_both_know() -> None:
    plan = as_newer(Plan.FromString(recorded(VERSIONS[-1], "plan")))
    check(plan_from_wire(plan))
    plan.alerters[0].severity = "emergency"
    plan.alerters.add(entity="fraud-scorer", name="new", summary="*", condition="OF_TOMORROW")
    read = plan_from_wire(plan)
    assert [one.name for one in read.alerters] == ["slow", "range", "drift"]
    assert read.alerters[0].severity is Severity.CRITICAL
    assert list(read.unread) == [("fraud-scorer", "new")]


def test_a_new_part_of_the_observations_counts_as_dropped() -> None:
    message = summary_pb2.Coverage(seen=5, profiled=2, dropped={"poison": 1})
    message.MergeFromString(UNKNOWN)
    coverage = coverage_from_wire(message)
    assert (coverage.seen, coverage.dropped) == (5, {"poison": 1, "of_newer_version": 2})
    message.seen = 2  # fewer than the known parts
    with pytest.raises(ValueError, match="coverage of 3 does not add up to 2 seen"):
        coverage_from_wire(message)


def test_unknown_fields_are_found_at_any_depth() -> None:
    plan = Plan.FromString(recorded(VERSIONS[-1], "plan"))
    assert not has_unknown_fields(plan)
    plan.references[0].columns[0].feature.numeric.moments.MergeFromString(UNKNOWN)
    content = plan.SerializeToString(deterministic=True)
    assert has_unknown_fields(plan)
    assert plan.SerializeToString(deterministic=True) == content  # nothing was removed
