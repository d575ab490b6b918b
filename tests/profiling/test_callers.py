"""The service profile keeps who sent the requests, whichever way the requests are decoded."""

from typing import Any

import pytest

from nilometer.profile import ServiceProfile
from nilometer.profile.callers import NO_CALLERS, Callers
from nilometer.profiling.observation import Observation
from nilometer.profiling.profiling import Profiling
from nilometer.values.labels import Labels

MINUTE = 60 * 1_000_000_000
START = 1_700_000_040 * 1_000_000_000  # the start of a window


def observation(**more: Any) -> Observation:
    given: dict[str, Any] = {
        "arrival_ns": START,
        "latency": 0.5,
        "status": 200,
        "outcome": "ok",
        "method": "POST",
        "path": "/predict",
        "request_size": 8,
        "response_size": 10,
        "request_type": "application/json",
        "request_encoding": "",
        "response_type": "application/json",
        "response_encoding": "",
        "request_body": b'{"x": 1}',
        "response_body": b'{"y": 0.5}',
    }
    return Observation(**(given | more))


def callers_of(*rows: Observation) -> Callers:
    profiling = Profiling("tested", Labels(), MINUTE)
    profiling.observe(rows)
    samples = [sample for profile in profiling.take() for sample in profile.samples()]
    (service,) = [one.content for one in samples if one.summary == "service"]
    assert isinstance(service, ServiceProfile)
    return service.callers


@pytest.mark.parametrize("count", [1, 64])  # one by one, and many of one shape together
def test_callers_are_counted_by_name_and_traces_are_sampled(count: int) -> None:
    rows = [
        observation(
            arrival_ns=START + at,
            parent_entity="gateway",
            trace_parent=f"00-{at + 1:032x}-00f067aa0ba902b7-01",
        )
        for at in range(count)
    ]
    found = callers_of(*rows)
    assert (found.named, found.traced) == ({"gateway": count}, count)
    assert len(found.traces) == min(count, 16)
    assert {trace.duration_us for trace in found.traces} == {500_000}


def test_requests_without_a_trace_or_parent_add_nothing() -> None:
    assert callers_of(observation()) is NO_CALLERS
