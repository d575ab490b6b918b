"""A rule that is put is stored, listed and removed; one that is not allowed is refused with the reason."""

import msgspec
import pytest
from support.problems import RULE, is_problem

from nilometer_collector.alerting.rules import AlerterView, rule_of
from nilometer_collector.testing import ENTITY, Running, a_rule


def test_a_rule_is_created_replaced_and_removed(served: Running) -> None:
    created = served.put_rule(RULE)
    assert created.status_code == 200
    view = msgspec.json.decode(created.content, type=AlerterView)
    assert view == rule_of(a_rule())
    served.put_rule({**RULE, "threshold": 0.3}).raise_for_status()
    assert [rule["threshold"] for rule in served.get("alerters")["alerters"]] == [0.3]
    name = {"entity": ENTITY, "name": "drift"}
    removed = served.http.delete("/api/v1/alerters", params=name)
    assert (removed.status_code, removed.content) == (204, b"")
    is_problem(served.http.delete("/api/v1/alerters", params=name), 404)
    assert served.get("alerters")["alerters"] == []


def test_what_is_read_can_be_put_back(served: Running) -> None:
    ranged = {**RULE, "kind": "RANGE", "statistic": "mean", "low": -1.0, "high": 2.5}
    fixed = {**RULE, "kind": "FIXED", "statistic": "count", "comparison": "<", "name": "f"}
    for rule in (ranged, fixed, {**RULE, "name": "r"}):
        served.put_rule(rule).raise_for_status()
    before = served.get("alerters")["alerters"]
    for rule in before:
        served.put_rule(rule).raise_for_status()
    assert served.get("alerters")["alerters"] == before


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"threshold": 0}, "threshold = 0.0: must be a positive number"),
        ({"threshold": "high"}, "threshold"),
        ({"kind": "MAGIC"}, "kind"),
        ({"entity": "../x"}, "entity = '../x'"),
        ({"name": ""}, "name = ''"),
        ({"name": "a\0b"}, "control character"),
        ({"name": "n" * 500}, "name is over 128 characters"),
        ({"summary": "s" * 500}, "summary is over 256 characters"),
        ({"reference": ""}, "reference = ''"),
        ({"comparator": "magic"}, "magic"),
        ({"severity": "panic"}, "panic"),
        ({"comparison": "=="}, "=="),
        ({"minimum_count": 0}, "minimum_count = 0"),
        ({"minimum_count": 10**30}, "minimum_count = 1000"),
        ({"minimum_count": 1.5}, "minimum_count"),
        ({"minimum_count": 2**62}, "minimum_count"),
        ({"windows_to_open": 2**62}, "windows_to_open"),
        ({"kind": "FIXED", "statistic": "magic"}, "statistic = 'magic'"),
        ({"kind": "RANGE", "statistic": "mean", "low": 2, "high": 1}, "low = 2.0"),
        ({"colour": "blue"}, "colour"),
        ({"parameters": {"threshold": 9}}, "parameters: REFERENCE has no threshold"),
        ({"parameters": {"colour": "blue"}}, "parameters: REFERENCE has no colour"),
        ({"entity": None}, "entity"),
    ],
)
def test_a_rule_that_is_not_allowed_is_422_with_the_sentence(
    served: Running, change: dict[str, object], word: str
) -> None:
    problem = is_problem(served.put_rule({**RULE, **change}), 422)
    assert word in problem.detail
    assert served.get("alerters")["alerters"] == []
