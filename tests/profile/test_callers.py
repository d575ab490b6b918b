"""The callers of an entity: names from a header, and a sample of traces that entities share."""

from dataclasses import replace

import pytest

from nilometer.profile import ServiceProfile
from nilometer.profile.callers import EVERY_HASH, MOST_NAMES, MOST_TRACES, Called, Callers

MILLISECOND = 1_000_000
START = 1_700_000_000_000 * MILLISECOND


def called(number: int, start_ns: int = START, latency: float = 0.25) -> Called:
    """Return a request in trace *number*, counted from 1."""
    trace_id = f"4bf92f3577b34da6{number:016x}"
    return f"00-{trace_id}-00f067aa0ba902b7-01", start_ns, latency


def sampled(*numbers: int, **given: int) -> Callers:
    return Callers.of({}, [called(number, **given) for number in numbers])


def test_two_entities_keep_the_same_traces_without_any_exchange() -> None:
    caller = sampled(*range(1, 1001))
    callee = sampled(*range(1000, 0, -2), start_ns=START + MILLISECOND)
    assert len(caller.traces) == len(callee.traces) == MOST_TRACES
    kept = {trace.hash for trace in callee.traces}
    every = {trace.hash for trace in sampled(*range(2, 1001, 2)).traces}
    assert kept == every
    # Both have every common trace up to the smaller bound.
    low = min(caller.bound, callee.bound)
    even = [one.hash for one in caller.traces if one.hash < low and one.hash in kept]
    assert even == [one.hash for one in callee.traces if one.hash < low]


def test_a_trace_keeps_time_and_duration_of_its_first_request() -> None:
    parts = [sampled(7, start_ns=START + MILLISECOND), sampled(7), sampled(7, start_ns=START + 1)]
    (trace,) = Callers.merge_all(parts).traces
    assert (trace.start_us, trace.duration_us) == (START // 1000, 250_000)
    assert trace.end_us == START // 1000 + 250_000


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        "00-short",
        "00-" + "x" * 32 + "-00f067aa0ba902b7-01",
        f"00-{0:032}-00f067aa0ba902b7-01",
        " " * 55,
        "é" * 55,
    ],
)
def test_a_malformed_trace_is_left_out_and_spoils_no_other(header: str) -> None:
    found = Callers.of({}, [called(2), (header, START, 0.25), called(3)])
    assert found == sampled(2, 3)
    assert found.traced == 2
    assert found.bound == EVERY_HASH


def test_made_up_names_are_bounded_and_still_counted() -> None:
    named = {"gateway": 500, "no entity": 3, "": 1} | {f"forged-{at}": 1 for at in range(1000)}
    found = Callers.of(named, [])
    assert found.named["gateway"] == 500
    assert len(found.named) == MOST_NAMES
    assert sum(found.named.values()) + found.others == sum(named.values())
    both = Callers.merge_all([found, Callers.of({f"other-{at}": 2 for at in range(32)}, [])])
    assert len(both.named) == MOST_NAMES
    assert both.named["gateway"] == 500
    assert sum(both.named.values()) + both.others == sum(named.values()) + 64


def test_a_merge_gives_the_same_for_every_order() -> None:
    parts = [sampled(*range(at, at + 40)) for at in (1, 30, 90)]
    assert Callers.merge_all(parts) == Callers.merge_all(parts[::-1])
    assert Callers.merge_all(parts) == replace(sampled(*range(1, 70), *range(90, 130)), traced=120)


def test_privacy_removes_rare_names_and_single_traces() -> None:
    found = Callers.of({"gateway": 20, "shy": 3}, [called(1)]).coarsened(10)
    assert found == Callers({"gateway": 20}, others=3, traced=1)


def test_a_suppressed_service_keeps_its_requests_and_loses_rare_callers() -> None:
    service = ServiceProfile(outcomes={"ok": 23}, callers=Callers.of({"shy": 3}, [called(1)]))
    found = service.suppressed(10)
    assert found.outcomes == {"ok": 23}
    assert found.callers == Callers(others=3, traced=1)
    assert ServiceProfile().suppressed(10) == ServiceProfile()
