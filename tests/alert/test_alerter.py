import math
from typing import Any

import pytest

from nilometer.alert import (
    STATISTICS,
    AgainstReference,
    Alerter,
    Fixed,
    Range,
    Severity,
    ThresholdSide,
)
from nilometer.compare import COMPARATORS, KS
from nilometer.values.errors import ConfigError

FIXED: dict[str, Any] = {"kind": Fixed, "statistic": "mean", "threshold": 1.0}
RANGE: dict[str, Any] = {"kind": Range, "statistic": "p99", "low": 0.0, "high": 1.0}
REFERENCE: dict[str, Any] = {"kind": AgainstReference, "reference": "training", "threshold": 0.2}
OF_ALERTER = {"entity", "name", "summary", "minimum_count", "windows_to_open", "windows_to_close"}


def alerter(kind: Any, **settings: Any) -> Alerter:
    own = {key: value for key, value in settings.items() if key in OF_ALERTER}
    parameters = {key: value for key, value in settings.items() if key not in OF_ALERTER}
    common = {"entity": "fraud-scorer", "name": "drift", "summary": "input.*"}
    return Alerter(**{**common, **own}, condition=kind(**parameters))


@pytest.mark.parametrize("kind", [FIXED, RANGE, REFERENCE], ids=lambda k: k["kind"].kind)
def test_each_kind_can_be_made_with_what_it_needs(kind: dict[str, Any]) -> None:
    made = alerter(**kind)
    assert (made.minimum_count, made.windows_to_open, made.windows_to_close) == (100, 1, 1)
    assert made.severity is Severity.WARNING


@pytest.mark.parametrize("name", COMPARATORS)
def test_the_least_count_of_a_distance_is_that_of_its_comparator(name: str) -> None:
    comparator = COMPARATORS[name]
    made = alerter(**REFERENCE, comparator=comparator)
    assert made.minimum_count == comparator.fewest.current
    assert alerter(**REFERENCE, comparator=comparator, minimum_count=7).minimum_count == 7


@pytest.mark.parametrize(
    ("settings", "key", "value", "allowed"),
    [
        (FIXED | {"name": ""}, "name", "''", "a non-empty text"),
        (FIXED | {"summary": ""}, "summary", "''", "a summary name or glob"),
        (FIXED | {"minimum_count": -1}, "minimum_count", "-1", "at least 1"),
        (FIXED | {"windows_to_open": 0}, "windows_to_open", "0", "at least 1"),
        (FIXED | {"windows_to_close": -1}, "windows_to_close", "-1", "at least 1"),
        (FIXED | {"statistic": "median"}, "statistic", "'median'", ", ".join(STATISTICS)),
        (FIXED | {"statistic": ""}, "statistic", "''", ", ".join(STATISTICS)),
        (FIXED | {"threshold": math.nan}, "threshold", "nan", "a finite number"),
        (FIXED | {"threshold": math.inf}, "threshold", "inf", "a finite number"),
        (RANGE | {"statistic": "p100"}, "statistic", "'p100'", ", ".join(STATISTICS)),
        (RANGE | {"low": 2.0}, "low", "2.0", "at most high = 1.0"),
        (RANGE | {"low": math.nan}, "low", "nan", "at most high = 1.0"),
        (RANGE | {"high": math.nan}, "low", "0.0", "at most high = nan"),
        (REFERENCE | {"reference": ""}, "reference", "''", "a reference name"),
        (REFERENCE | {"threshold": 0.0}, "threshold", "0.0", "a positive number"),
        (REFERENCE | {"threshold": -0.1}, "threshold", "-0.1", "a positive number"),
        (REFERENCE | {"threshold": math.inf}, "threshold", "inf", "a positive number"),
        (REFERENCE | {"threshold": math.nan}, "threshold", "nan", "a positive number"),
    ],
)
def test_a_wrong_alerter_says_which_key_which_value_and_what_is_allowed(
    settings: dict[str, Any], key: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        alerter(**settings)
    message = str(caught.value)
    assert f"{key} = {value}: must be" in message
    assert allowed in message
    assert repr(settings.get("name", "drift")) in message
    assert "\n" not in message


@pytest.mark.parametrize("entity", ["", "-x", "a b", "x" * 129, "naïve"])
def test_an_entity_that_cannot_be_a_name_is_refused(entity: str) -> None:
    with pytest.raises(ConfigError, match="entity = "):
        alerter(**FIXED, entity=entity)


@pytest.mark.parametrize(
    ("glob", "summary", "watched"),
    [
        ("input.*", "input.amount", True),
        ("input.*", "output.score", False),
        ("*", "service", True),
        ("service", "service", True),
        ("INPUT.*", "input.amount", False),
        ("input.a?", "input.ab", True),
    ],
)
def test_an_alerter_watches_what_its_glob_matches(
    glob: str, summary: str, *, watched: bool
) -> None:
    assert alerter(**FIXED | {"summary": glob}).watches(summary) is watched


def test_an_alerter_names_what_it_measures() -> None:
    assert alerter(**FIXED).condition.measure == "mean"
    assert alerter(**RANGE).condition.measure == "p99"
    assert alerter(**REFERENCE).condition.measure == "psi"
    assert alerter(**REFERENCE, comparator=KS).condition.measure == "ks"


@pytest.mark.parametrize(
    ("side", "below", "equal", "above"),
    [
        (ThresholdSide.ABOVE, False, False, True),
        (ThresholdSide.AT_LEAST, False, True, True),
        (ThresholdSide.BELOW, True, False, False),
        (ThresholdSide.AT_MOST, True, True, False),
    ],
)
def test_a_threshold_is_breached_on_its_side(
    side: ThresholdSide, *, below: bool, equal: bool, above: bool
) -> None:
    assert [side.breached(value, 1.0) for value in (0.5, 1.0, 1.5)] == [below, equal, above]
