"""A condition and a comparator that the library does not know work everywhere by registration."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec
import pytest
from support.outside import LARGEST, MOST, OUTSIDE, Most
from support.problems import is_problem

from nilometer.alert import Alerter, Verdict, evaluate
from nilometer.alert.conditions import CONDITIONS, Fields, condition_of
from nilometer.testing import registered
from nilometer.wire.alerts import (
    alerter_from_bytes,
    alerter_from_wire,
    alerter_to_bytes,
    alerter_to_wire,
)
from nilometer_collector.alerting.definitions import alerter_of, alerter_view
from nilometer_collector.alerting.prometheus_rules import alert
from nilometer_collector.testing import a_reference, an_evaluation, feature_sample, running


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    with registered(OUTSIDE):
        yield


@pytest.mark.parametrize("alerter", [MOST, LARGEST], ids=["condition", "comparator"])
def test_wire_and_alerters_keep_it(alerter: Alerter) -> None:
    assert alerter_from_bytes(alerter_to_bytes(alerter)) == alerter
    assert alerter_of(alerter_view(alerter)) == alerter
    assert "nilometer_evaluation" in str(alert(alerter, 60)["expr"])


def test_the_collector_takes_it_and_shows_its_episode_with_its_limit(tmp_path: Path) -> None:
    with running(tmp_path / "collector.db") as served:
        for alerter in (MOST, LARGEST):
            served.put_alerter(alerter_view(alerter)).raise_for_status()
        shown = {alerter["name"]: alerter for alerter in served.get("alerters")["alerters"]}
        assert shown["most"]["kind"] == "MOST"
        assert shown["most"]["parameters"] == {"values_allowed": 2.0, "note": "few"}
        assert shown["largest"]["comparator"] == "largest"
        assert "parameters" not in shown["largest"]
        served.sender().ship(an_evaluation(3.0, 1, alerter=MOST))
        (episode,) = served.get("episodes")["episodes"]
    assert (episode["comparator"], episode["threshold"], episode["value"]) == ("values", 2.0, 3.0)


def test_the_agents_evaluation_judges_by_it() -> None:
    sample = feature_sample([1.0, 2.0, 3.0])
    most = evaluate(MOST, sample, {})
    assert (most.verdict, most.value, most.count) == (Verdict.BREACH, 3.0, 3)
    reference = a_reference({"input.amount": [1.0] * 9})
    largest = evaluate(LARGEST, sample, {"training": reference})
    assert largest.verdict is Verdict.BREACH
    assert largest.evidence.startswith("largest from training is")


@pytest.mark.parametrize("fields", [{}, {"values_allowed": math.inf}, {"values_allowed": "many"}])
def test_a_parameter_that_is_missing_or_without_meaning_is_a_value_error(
    fields: dict[str, str | float],
) -> None:
    """The protocol promises it, whatever a condition raises."""

    class Whole(Most):
        @classmethod
        def of_fields(cls, fields: Fields) -> Self:
            return cls(0.0, int(float(fields["values_allowed"])), "")

    CONDITIONS[Most.kind] = Whole
    with pytest.raises(ValueError, match=r"MOST|many"):
        condition_of("MOST", fields)


def test_an_alerter_without_a_parameter_of_its_condition_is_refused(tmp_path: Path) -> None:
    alerter = msgspec.structs.replace(alerter_view(MOST), parameters={})
    with running(tmp_path / "collector.db") as served:
        problem = is_problem(served.put_alerter(alerter), 422)
        assert served.get("alerters")["alerters"] == []
    assert "alerter 'most': MOST needs the parameter 'values_allowed'" in problem.detail


def test_a_message_without_a_parameter_of_its_condition_is_a_value_error() -> None:
    message = alerter_to_wire(MOST)
    del message.numbers["values_allowed"]
    with pytest.raises(ValueError, match="'values_allowed'"):
        alerter_from_wire(message)
