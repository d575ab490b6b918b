import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.commands.top.agents import agent_row
from nilometer.commands.top.entities import EntityRow, Share, entity_rows
from nilometer.commands.top.readings import History, Reading
from nilometer.profile import Coverage
from nilometer.profile.magnitudes import magnitudes
from nilometer.wire.status import EntityState, Judged, entity_from_wire, entity_to_wire

LATENCIES = [0.001] * 98 + [0.5] * 2


def state(requests: int, failed: int = 0, dropped: int = 0, **more: Any) -> EntityState:
    """An entity after *requests*, each of 1 ms but two in a hundred."""
    latencies = (LATENCIES * (requests // 100 + 1))[:requests]
    given = EntityState(
        entity="scorer",
        outcomes={"ok": requests - failed, "server_error": failed},
        latency=magnitudes(latencies),
        coverage=Coverage(
            profiled=requests - failed,
            dropped={"queue_full": dropped} if dropped else {},
            undecodable={"failed_request": failed} if failed else {},
        ),
    )
    return dataclasses.replace(given, **more)


def reading(
    at: float, observed: EntityState, instance: bytes = b"a", uptime: float = 1e6
) -> Reading:
    observations = observed.coverage.seen
    return Reading(
        at=at,
        agent="pod",
        instance=instance,
        uptime=uptime + at if uptime > 1e5 else uptime,
        counters={"observations": observations, "dropped": 0},
        gauges={"cpu_milliseconds": observations, "rows_in_outbox": 3},
        entities={"scorer": observed},
    )


def row_of(*histories: History, span: float = 10.0) -> EntityRow:
    shares = [Share(f"pod-{at}", history, up=True) for at, history in enumerate(histories)]
    (row,) = entity_rows(shares, span)
    return row


def test_rates_are_differences_over_the_span() -> None:
    history = History()
    for at in range(31):  # 100 a second, and 200 in the last ten
        history.add(reading(float(at), state(100 * at + 100 * max(at - 20, 0))))
    assert row_of(history).requests == pytest.approx(200)
    assert row_of(history, span=30).requests == pytest.approx(4000 / 30)
    assert agent_row("a", history, 10, 30.0).observations == pytest.approx(200)
    assert agent_row("a", history, 10, 30.0).cpu == pytest.approx(0.2)


def test_percentiles_are_those_of_the_span_alone() -> None:
    history = History()
    slow = dataclasses.replace(state(0), latency=magnitudes([9.0] * 1000), outcomes={"ok": 1000})
    history.add(reading(0.0, slow))
    both = magnitudes([9.0] * 1000).merge(magnitudes([0.001] * 100))
    history.add(reading(1.0, dataclasses.replace(slow, latency=both, outcomes={"ok": 1100})))
    row = row_of(history)
    assert row.p50 == pytest.approx(0.001, rel=0.02)
    assert row.p99 == pytest.approx(0.001, rel=0.02)


def test_one_reading_of_an_old_agent_has_no_rate() -> None:
    history = History()
    history.add(reading(0.0, state(500)))
    row = row_of(history)
    assert (row.requests, row.p99, row.coverage, row.total) == (None, None, None, 500)


def test_an_agent_that_began_a_moment_ago_has_rates_since_then() -> None:
    history = History()
    history.add(reading(100.0, state(500), uptime=5.0))
    assert row_of(history).requests == pytest.approx(100)


@pytest.mark.parametrize("instance", [b"a", b"b"])
def test_a_restart_begins_anew(instance: bytes) -> None:
    history = History()
    history.add(reading(0.0, state(10_000), uptime=60.0))
    history.add(reading(1.0, state(10_100), uptime=61.0))
    history.add(reading(5.0, state(80), instance=instance, uptime=2.0))
    row = row_of(history)
    assert history.restarts == 1
    assert row.requests == pytest.approx(40)  # since its own start, and never less than nothing
    assert row.total == 80
    history.add(reading(6.0, state(120), instance=instance, uptime=3.0))
    assert row_of(history).requests == pytest.approx(40)


@pytest.mark.parametrize(("instance", "uptime"), [(b"b", 9.0), (b"a", 2.0)])
def test_a_restart_is_seen_though_every_counter_grew(instance: bytes, uptime: float) -> None:
    history = History()
    history.add(reading(0.0, state(10), uptime=4.0))
    history.add(reading(5.0, state(600), instance=instance, uptime=uptime))
    assert history.restarts == 1
    assert row_of(history).requests == pytest.approx(600 / uptime)


def test_a_counter_that_goes_back_is_another_process() -> None:
    history = History()
    history.add(reading(0.0, state(1000)))
    history.add(reading(1.0, state(10)))
    assert history.restarts == 1
    assert row_of(history).requests is None


def test_errors_coverage_and_drops() -> None:
    history = History()
    history.add(reading(0.0, state(100, failed=50, dropped=5)))
    history.add(reading(10.0, state(300, failed=60, dropped=25)))
    row = row_of(history)
    assert row.error_ratio == pytest.approx(10 / 200)
    assert row.dropped == pytest.approx(2.0)
    assert row.coverage == pytest.approx(190 / 220)
    assert row.dropped_total == {"queue_full": 25}
    assert row.outcomes == {"ok": 190, "server_error": 10}


def test_probes_and_what_is_left_out_on_purpose_lower_no_coverage() -> None:
    history = History()
    for at, sampled, probes in ((0.0, 0, 0), (1.0, 90, 1000)):
        covered = Coverage(
            profiled=sampled // 9, sampled_out=sampled, undecodable={"not_inference": probes}
        )
        history.add(reading(at, dataclasses.replace(state(0), coverage=covered)))
    assert row_of(history).coverage == 1.0


def test_agents_add_up() -> None:
    histories = [History(), History()]
    for history, each in zip(histories, (100, 300), strict=True):
        for at in (0.0, 1.0):
            history.add(
                reading(at, state(int(each * at), added_p99_seconds=each / 1e6, cost_requests=1))
            )
    row = row_of(*histories)
    assert row.requests == pytest.approx(400)
    assert row.agents == ("pod-0", "pod-1")
    assert row.added_p99 == pytest.approx(300e-6)
    assert row.p99 == pytest.approx(0.5, rel=0.02)


def test_an_agent_that_is_away_tells_no_rates() -> None:
    history = History()
    history.add(reading(0.0, state(0)))
    history.add(reading(1.0, state(100)))
    (row,) = entity_rows([Share("pod", history, up=False)], 10)
    assert (row.fresh, row.requests, row.total, row.trend) == (False, None, 100, ())
    gone = agent_row("unix:/x", history, 10, 13.0, "nobody listens")
    assert (gone.up, gone.away_seconds, gone.observations) == (False, 12.0, None)


def test_drift_is_the_farthest_distance_and_a_breach_is_a_status() -> None:
    far = Judged(
        alerter="drift", summary="input.a", value=0.5, threshold=0.25, breach=True, distance=True
    )
    near = dataclasses.replace(far, summary="input.b", value=0.1, breach=False)
    history = History()
    history.add(reading(0.0, state(1, judged=2, breaches=1, worst=(near, far))))
    row = row_of(history)
    assert (row.drift, row.status, row.worst[0].summary) == (2.0, "BREACH", "input.a")
    assert dataclasses.replace(row, health="ALERTING").status == "ALERTING"
    assert dataclasses.replace(row, breaches=0).status == "OK"


def test_an_entity_survives_the_wire() -> None:
    judged = Judged(alerter="a", summary="s", value=1.0, threshold=2.0, window_end_ns=7)
    sent = state(
        250,
        failed=3,
        dropped=2,
        cpu_seconds=0.5,
        cost_requests=9,
        exceeded_seconds=1.5,
        added_p99_seconds=1e-4,
        share=0.5,
        judged=4,
        breaches=1,
        worst=(judged,),
    )
    assert entity_from_wire(entity_to_wire(sent)) == sent


STEPS = st.lists(
    st.tuples(st.floats(0.01, 20), st.integers(0, 300), st.booleans()), min_size=1, max_size=12
)


@given(STEPS, st.floats(1, 60))
def test_no_rate_is_ever_negative_and_none_mixes_processes(
    steps: list[tuple[float, int, bool]], span: float
) -> None:
    history = History()
    at, uptime, total, process = 1000.0, 0.0, 0, 0
    fastest = 0.0
    for seconds, more, restarts in steps:
        at += seconds
        if restarts:
            process, uptime, total = process + 1, seconds, 0
        else:
            uptime += seconds
        total += more
        fastest = max(fastest, more / seconds)
        history.add(reading(at, state(total), instance=bytes([process]), uptime=uptime))
        row = row_of(history, span=span)
        assert row.total == total
        assert row.requests is not None
        assert -1e-9 <= row.requests <= fastest * (1 + 1e-6) + 1e-9
        assert all(one is not None and one >= 0 for one in row.trend)
