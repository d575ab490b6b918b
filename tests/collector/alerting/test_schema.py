"""The OpenAPI document has the constraints of an alerter, with the words of the registries."""

from typing import Any, ClassVar, Self

import msgspec
import pytest
from support.problems import ALERTER

from nilometer.alert import STATISTICS, Fixed, Severity
from nilometer.alert.conditions import CONDITIONS, Fields, ThresholdSide
from nilometer.compare.registry import COMPARATORS
from nilometer.values.errors import ConfigError
from nilometer_collector.alerting.definitions import AlerterDefinition, alerter_of
from nilometer_collector.api.openapi import document
from nilometer_collector.api.resources.registered import OPERATIONS
from nilometer_collector.limits.alerters import MAX_ALERTER_NAME_CHARACTERS, MAX_WINDOWS_IN_A_ROW
from nilometer_collector.limits.bounds import MAX_COUNT
from nilometer_collector.testing import Running


class Odd(Fixed):
    """A condition from outside."""

    kind: ClassVar[str] = "ODD"

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        return cls(statistic="count", threshold=float(fields["depth"]))

    def fields(self) -> Fields:
        return {"depth": self.threshold}


def described(name: str) -> Any:
    schemas: Any = msgspec.json.decode(msgspec.json.encode(document(OPERATIONS)))
    return schemas["components"]["schemas"][name]


@pytest.mark.parametrize("name", ["AlerterDefinition", "AlerterView"])
def test_words_are_those_of_the_registries_and_bounds_those_of_the_checks(name: str) -> None:
    fields = described(name)["properties"]
    assert fields["kind"]["enum"] == list(CONDITIONS)
    assert fields["comparator"]["enum"] == ["", *COMPARATORS]
    assert fields["comparison"]["enum"] == ["", *(side.value for side in ThresholdSide)]
    assert fields["severity"]["enum"] == [severity.value for severity in Severity]
    assert fields["name"]["maxLength"] == MAX_ALERTER_NAME_CHARACTERS
    assert fields["minimum_count"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_COUNT,
    }
    assert fields["windows_to_open"]["maximum"] == MAX_WINDOWS_IN_A_ROW


def test_each_kind_says_what_it_asks_for() -> None:
    asked = {
        branch["properties"]["kind"]["const"]: branch
        for branch in described("AlerterDefinition")["anyOf"]
    }
    assert asked.keys() == CONDITIONS.keys()
    assert asked["RANGE"]["properties"]["statistic"]["enum"] == list(STATISTICS)
    assert asked["FIXED"]["required"] == ["statistic", "threshold"]
    assert asked["RANGE"]["required"] == ["statistic", "low", "high"]
    assert asked["REFERENCE"]["required"] == ["reference", "threshold"]


def test_a_kind_from_outside_is_described_and_taken(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONDITIONS, Odd.kind, Odd)
    alerter = described("AlerterDefinition")
    assert alerter["properties"]["kind"]["enum"][-1] == "ODD"
    assert alerter["anyOf"][-1] == {"properties": {"kind": {"const": "ODD"}}}
    put = served.put_alerter({**ALERTER, "kind": "ODD", "parameters": {"depth": 3}})
    assert put.status_code == 200
    assert put.json()["parameters"] == {"depth": 3.0}


def test_a_whole_number_may_be_written_with_a_point() -> None:
    alerter = msgspec.convert({**ALERTER, "windows_to_open": 3.0}, AlerterDefinition)
    windows = alerter_of(alerter).windows_to_open
    assert (windows, type(windows)) == (3, int)
    for number in (2.5, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match=r"windows_to_open = .* must be a whole number"):
            alerter_of(msgspec.convert({**ALERTER, "windows_to_open": number}, AlerterDefinition))


def test_a_text_is_counted_in_characters() -> None:
    longest = "é" * MAX_ALERTER_NAME_CHARACTERS
    assert (
        alerter_of(msgspec.convert({**ALERTER, "name": longest}, AlerterDefinition)).name == longest
    )
    with pytest.raises(ConfigError, match="name must be at most 128 characters"):
        alerter_of(msgspec.convert({**ALERTER, "name": f"{longest}e"}, AlerterDefinition))
