"""Callers that no agent makes are refused before they are stored."""

import re
from dataclasses import replace

import pytest

from nilometer.profile import ServiceProfile
from nilometer.profile.callers import Callers, Trace
from nilometer_collector.errors import Refused
from nilometer_collector.limits.service import check_service

LATEST = ("00-" + "1" * 32 + "-00f067aa0ba902b7-01", 1 << 62, 1e9)  # as an agent accepts it


def test_callers_of_an_agent_are_accepted() -> None:
    check_service(ServiceProfile(callers=Callers.of({"gateway": 2, "no entity": 1}, [LATEST])))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"named": {"no entity": 1}}, "must be that of an entity"),
        ({"named": {f"forged-{at}": 1 for at in range(33)}}, "at most 32"),
        ({"named": {"gateway": 1 << 49}}, "between 0 and"),
        ({"others": 1 << 49}, "between 0 and"),
        ({"traces": tuple(Trace(at, 0, 0) for at in range(17))}, "at most 16 traces"),
        ({"traces": (Trace(2, 0, 0), Trace(1, 0, 0))}, "ascending"),
        ({"traces": (Trace(1, 0, 0), Trace(1, 0, 0))}, "ascending"),
        ({"traces": (Trace(1, 1 << 53, 1),)}, "must end before"),
    ],
)
def test_callers_that_no_agent_makes_are_refused(change: dict[str, object], reason: str) -> None:
    wrong = replace(Callers(), **change)  # type: ignore[arg-type]  # one field of any type
    with pytest.raises(Refused, match=re.escape(reason)):
        check_service(ServiceProfile(callers=wrong))
