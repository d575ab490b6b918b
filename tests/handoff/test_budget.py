"""The overhead budget limits the cost, and sampled observations keep their weight."""

import asyncio
import itertools
import json
import math
import os
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asgi_zoo import JSON_HEADERS, request_of, run, scope_of
from support.fake_agent import FakeAgent
from support.measures import calm_seconds

from nilometer import NilometerMiddleware
from nilometer.capture import stopwatch as stopwatch_module
from nilometer.capture.stopwatch import Stopwatch
from nilometer.capture.types import Receive, Scope, Send
from nilometer.export.keys import ENTITY
from nilometer.export.series import attributes_of
from nilometer.export.telemetry import OBSERVING_SHARE, OBSERVING_TIME
from nilometer.handoff import budget as budget_module
from nilometer.handoff import worker as worker_module
from nilometer.handoff.budget import (
    FIRST_HOLD_SECONDS,
    JUDGED_SECONDS,
    MOST_HALVINGS,
    Budget,
    Meter,
)
from nilometer.handoff.guard import Guard
from nilometer.handoff.link import AgentLink
from nilometer.handoff.pack import batch_of
from nilometer.handoff.settings import CaptureSettings
from nilometer.handoff.worker import Worker
from nilometer.profile import FeatureProfile, ServiceProfile, SummarySample
from nilometer.profiling.observation import LEAST_SHARE, Observation, pack, unpack
from nilometer.profiling.profiling import Profiling
from nilometer.testing import MemoryOutlet, SteppedClock, eventually
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.frames import Batch, Cost
from nilometer.wire.samples import sample_to_bytes
from nilometer_agent.measure.measured import Measured

HOUR = 3600 * 10**9
START = 1_700_000_000 * 10**9 // HOUR * HOUR
BASE = Labels.of({})


# The controller


def simulated(budget: Budget, seconds: float, cost_of: Any) -> list[tuple[float, int, bool]]:
    """(time, halvings, exceeded) of each judgement under a cost that is a function of time, share."""
    seen = []
    for at in range(1, int(seconds / JUDGED_SECONDS)):
        now = at * JUDGED_SECONDS
        exceeded = budget.judge(now, cost_of(now, budget.share), 0.0)
        seen.append((now, budget.halvings, exceeded))
    return seen


def test_an_idle_process_holds_every_observation() -> None:
    budget = Budget(1.0, 50e-6)
    simulated(budget, 3600, lambda _, __: 0.5)
    assert budget.share == 1.0


def test_a_rush_is_shed_within_two_seconds_and_the_share_comes_back_slowly() -> None:
    budget = Budget(1.0, 0.0)
    seen = simulated(budget, 600, lambda now, share: (40.0 if 60 <= now < 120 else 0.2) * share)
    over = [now for now, _, exceeded in seen if exceeded]
    assert over[0] == 60.0
    assert over[0] + 2.0 > max(now for now in over if now < 62)
    back = next(now for now, halvings, _ in seen if now > 120 and halvings == 0)
    assert 120 + FIRST_HOLD_SECONDS < back < 120 + 7 * FIRST_HOLD_SECONDS


@settings(max_examples=25, deadline=None)
@given(
    limit=st.floats(0.1, 50.0),
    fixed=st.floats(0.0, 0.75),
    bodies=st.floats(0.0, 100.0),
    noise=st.floats(0.0, 0.1),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_steady_load_is_kept_in_its_limit_without_swinging(
    limit: float, fixed: float, bodies: float, noise: float, seed: int
) -> None:
    """Whatever part of the cost is the bodies': seldom over the limit, ever fewer attempts."""
    budget = Budget(limit, 0.0)
    chance = np.random.default_rng(seed)
    seen = simulated(
        budget,
        3600,
        lambda _, share: limit * (fixed + bodies * share) * (1 + noise * chance.uniform(-1, 1)),
    )
    settled = [one for one in seen if one[0] > 30]
    assert sum(exceeded for _, _, exceeded in settled) <= len(settled) * 0.02
    moves = sum(a[1] != b[1] for a, b in pairwise(settled))
    assert moves <= 70  # in an hour, of which half in its first ten minutes
    # And it is not more timid than it need be: the next share up would not fit with room.
    if budget.halvings:
        assert fixed + bodies * budget.share * 2 > budget_module.ROOMY * 0.85
    else:
        assert fixed + bodies <= 1.11


def test_a_limit_below_the_cost_of_counting_ends_at_the_least_share_and_says_so() -> None:
    budget = Budget(1.0, 0.0)
    seen = simulated(budget, 60, lambda _, __: 5.0)
    assert (budget.halvings, budget.share) == (MOST_HALVINGS, LEAST_SHARE)
    assert all(exceeded for _, _, exceeded in seen)


def test_the_99th_percentile_is_judged_too_and_one_slow_request_is_chance() -> None:
    clock = 100.0
    meter = Meter(Budget(0.0, 50e-6), clock)

    def measured(timed: list[float]) -> Cost:
        nonlocal clock
        for seconds in timed:
            meter.note(seconds)
        clock += 10.0
        cost = meter.measure(clock, 0.0, 0)
        assert cost is not None
        return cost

    assert measured([10e-6] * 99 + [1.0]).share == 1.0
    cost = measured([90e-6] * 3)
    assert (cost.share, cost.exceeded_seconds, cost.p99_seconds) == (0.5, 10.0, 90e-6)
    assert measured([90e-6] * 10).p99_seconds == 0.0  # too few since the share changed


def test_the_cost_is_the_threads_and_the_requests() -> None:
    meter = Meter(Budget(0.0, 0.0), 0.0)
    for _ in range(30):
        meter.note(20e-6)
    meter.note(1.0)  # another thread had the interpreter
    assert meter.measure(0.1, 9.0, 9) is None
    cost = meter.measure(1.0, 0.25, 1000)
    assert cost is not None
    assert cost.cpu_seconds == pytest.approx(0.25 + 1000 * 20e-6)
    assert cost.requests == 1000
    later = meter.measure(2.0, 0.30, 1000)
    assert later is not None
    assert later.cpu_seconds == pytest.approx(0.05)


# The weights


def array(value: float, share: float, *, left_out: bool, at: int = START) -> tuple[Any, ...]:
    body = None if left_out else json.dumps({"a": value}).encode()
    answer = None if left_out else b'{"y": 1}'
    kind = "application/json"
    return (
        *(at, 0.01, 200, "ok", "POST", "/", 9, 8, kind, "", kind, "", body, answer, "", 1, 0.0),
        *(1, b"", "", "", "", "", None, b"", ""),
        *(() if share == 1.0 else (share, left_out)),
    )


def merged(profiling: Profiling, summary: str) -> SummarySample:
    samples = [one for part in profiling.take() for one in part.samples() if one.summary == summary]
    return SummarySample.merge_all(samples, Window(START, START + 24 * HOUR), BASE)


def estimate(sample: SummarySample) -> float:
    """Observations that *sample* stands for."""
    assert isinstance(sample.content, FeatureProfile)
    return sample.content.numbers.count / sample.sample


SPELLS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 40), st.integers(0, 40), st.floats(-1e6, 1e6)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(spells=SPELLS)
def test_each_observation_counts_one_over_its_share(
    spells: list[tuple[int, int, int, float]],
) -> None:
    """However the share moves inside a window, mixed in one batch or not: to the last unit."""
    profiling = Profiling("tested", BASE, 24 * HOUR)
    arrays, expected, counts = [], Fraction(0), [0, 0]
    by_value: dict[float, Fraction] = {}
    for halvings, held, others, value in spells:
        share = 2.0**-halvings
        left_out = others if halvings else 0
        arrays += [array(value, share, left_out=False)] * held
        arrays += [array(0.0, share, left_out=True)] * left_out
        expected += Fraction(held) / Fraction(share)
        by_value[value] = by_value.get(value, Fraction(0)) + Fraction(held) / Fraction(share)
        counts[0] += held
        counts[1] += left_out
    if not counts[0]:
        return
    profiling.observe_packed(pack(arrays))
    deltas = profiling.take()
    samples = [one for part in deltas for one in part.samples() if one.summary == "input.a"]
    requests = [one for part in deltas for one in part.samples() if one.summary == "service"]
    day = Window(START, START + 24 * HOUR)
    feature = SummarySample.merge_all(samples, day, BASE)
    service = SummarySample.merge_all(requests, day, BASE)
    assert Fraction(estimate(feature)) == expected
    assert (service.coverage.profiled, service.coverage.sampled_out) == tuple(counts)
    assert isinstance(service.content, ServiceProfile)
    assert service.content.count == sum(counts)  # requests are counted, never scaled
    assert isinstance(feature.content, FeatureProfile)
    numbers = feature.content.numbers
    whole = float(sum(by_value.values()))
    weighted = float(sum(value * float(weight) for value, weight in by_value.items())) / whole
    assert numbers.moments.mean == pytest.approx(weighted, abs=1e-3, rel=1e-6)
    reordered = SummarySample.merge_all(reversed(samples), day, BASE)
    assert sample_to_bytes(reordered) == sample_to_bytes(feature)


def test_a_day_whose_load_moves_the_share_is_estimated_without_bias() -> None:
    """At night all is held, at noon a thirtieth, and values follow the load: weights must undo it."""
    chance = np.random.default_rng(11)
    budget = Budget(1.0, 0.0)
    profiling = Profiling("tested", BASE, 24 * HOUR)
    truth, shares, unweighted = [], set(), []
    seconds, step = 24 * 3600, 60
    for second in range(0, seconds, step):
        load = 2 + 60 * math.sin(math.pi * second / seconds) ** 8  # requests a step
        for tick in range(int(step / JUDGED_SECONDS)):
            now = second + tick * JUDGED_SECONDS
            budget.judge(now, load * (0.004 + 0.4 * budget.share), 0.0)
        share = budget.share
        shares.add(share)
        values = chance.normal(load, 5.0, chance.poisson(load))
        held = chance.random(len(values)) < share
        at = START + second * 10**9
        arrays = [
            array(float(value), share, left_out=not kept, at=at)
            for value, kept in zip(values, held, strict=True)
        ]
        profiling.observe_packed(pack(arrays))
        truth.append(values)
        unweighted.append(values[held])
    everything = np.concatenate(truth)
    assert min(shares) <= 1 / 16
    assert max(shares) == 1.0
    sample = merged(profiling, "input.a")
    assert isinstance(sample.content, FeatureProfile)
    assert estimate(sample) == pytest.approx(len(everything), rel=0.05)
    digest = sample.content.numbers.digest
    for q in (0.1, 0.25, 0.5, 0.75, 0.9):
        found = float(digest.quantile(q))
        assert abs((everything < found).mean() - q) < 0.03, q
    # Without weights it would be another day: the test can fail.
    naive = float(np.median(np.concatenate(unweighted)))
    assert abs((everything < naive).mean() - 0.5) > 0.1


# The path


def answering() -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await receive()
        await asyncio.sleep(0.005)
        time.sleep(0.005)  # noqa: ASYNC251  a model that computes: none of our time
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        await send({"type": "http.response.body", "body": b'{"y": 1}'})

    return app


@pytest.fixture
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "ensure_started", lambda _: None)


def served(middleware: NilometerMiddleware, requests: int) -> list[Observation]:
    worker = middleware._worker
    for _ in range(requests):
        sent, error = run(middleware, scope_of(), request_of(b'{"a": 1}'))
        assert error is None
        assert [message["type"] for message in sent] == [
            "http.response.start",
            "http.response.body",
        ]
        assert sent[1]["body"] == b'{"y": 1}'
    return unpack(batch_of(worker.sink.take(10_000, 1 << 30)))


@pytest.mark.usefixtures("no_thread")
def test_what_is_left_out_is_counted_with_its_sizes_and_without_its_bodies() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": JSON_HEADERS})
        await send({"type": "http.response.body", "body": b'{"y": 1}'})

    middleware = NilometerMiddleware(app, entity="tested")
    middleware._worker.share = 0.25
    observations = served(middleware, 400)
    left_out = [one for one in observations if one.left_out]
    held = [one for one in observations if not one.left_out]
    assert 60 <= len(held) <= 140
    assert {one.share for one in observations} == {0.25}
    assert {(one.request_body, one.response_body) for one in left_out} == {(None, None)}
    assert {(one.request_body, one.response_body) for one in held} == {(b'{"a": 1}', b'{"y": 1}')}
    assert {(one.request_size, one.response_size, one.status) for one in observations} == {
        (8, 8, 200)
    }


@pytest.mark.may_block
@pytest.mark.usefixtures("no_thread")
def test_without_a_budget_the_wire_is_as_it_was() -> None:
    middleware = NilometerMiddleware(answering(), entity="tested")
    (observation,) = served(middleware, 1)
    assert (observation.share, observation.left_out) == (1.0, False)
    assert len(pack([observation])) > 0


TIMED = 5


@pytest.mark.may_block
@pytest.mark.usefixtures("no_thread")
def test_a_timed_request_is_served_alike_and_the_application_is_no_time_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    middleware = NilometerMiddleware(answering(), entity="tested")
    worker = middleware._worker
    noted: list[float] = []
    monkeypatch.setattr(worker.meter, "note", noted.append)
    for _ in range(TIMED):
        worker.due = True
        (observation,) = served(middleware, 1)
        assert not worker.due  # the next one is not timed
        assert observation.latency >= 0.01
    # Another program may interrupt one of them, and that time looks like ours.
    assert 1e-6 < min(noted) < 0.005
    served(middleware, 1)
    assert len(noted) == TIMED


def test_the_watch_goes_in_our_code_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four stretches of ours at a second each, between those of the server and the application."""
    now = [0.0]
    monkeypatch.setattr(stopwatch_module, "perf_counter", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    class Ours:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def noted_receive() -> Any:
                message = await receive()
                passes(1)
                return message

            def noted_send(message: Any) -> Any:
                passes(1)
                return send(message)

            passes(1)
            await self.app(scope, noted_receive, noted_send)
            passes(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        passes(100)
        await receive()
        passes(100)
        await send({})
        passes(100)

    async def slow(*_: Any) -> Any:
        passes(1000)

    watch = Stopwatch()
    ours: Any = Ours(app)
    receive, send = watch.server(slow, slow)
    watch.go()
    asyncio.run(watch.timed(ours)({}, receive, send))
    watch.stop()
    assert watch.seconds == 4.0


@pytest.mark.may_block
@pytest.mark.usefixtures("no_thread")
@pytest.mark.parametrize("point", ["Stopwatch", "Exchange.sample"])
def test_a_fault_of_the_budget_is_no_fault_of_the_request(
    monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(f"nilometer.capture.asgi.{point}", broken)
    middleware = NilometerMiddleware(answering(), entity="tested")
    middleware._worker.due = True
    middleware._worker.share = 0.5
    served(middleware, 1)
    assert middleware._worker.guard.faults == 1


def test_a_process_over_its_budget_sheds_within_about_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Dear(MemoryOutlet):
        def poll(self) -> None:
            until = time.thread_time() + 0.02
            while time.thread_time() < until:  # most of a core
                pass

    outlet = Dear()
    monkeypatch.setattr(worker_module, "open_outlet", lambda _: outlet)
    monkeypatch.setattr(budget_module, "START_SECONDS", 0.0)
    worker = Worker(CaptureSettings(entity="tested", max_cpu_percent=1.0), Guard())
    assert worker.revive()
    began = calm_seconds()
    try:
        eventually(lambda: worker.share < 1.0)
        assert calm_seconds() - began < 3.0
        assert worker.share == 1 / 8
        assert outlet.cost.exceeded_seconds > 0
        assert worker.due  # nobody came to be timed
    finally:
        worker.stop()
    worker.forget()
    assert (worker.share, worker.due) == (1.0, False)


# What is told


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    fake = FakeAgent(tmp_path / "agent.sock")
    yield fake
    fake.stop()


def test_the_cost_goes_with_the_next_batch_once(agent: FakeAgent) -> None:
    link = AgentLink(CaptureSettings(entity="tested", agent=agent.address), b"w" * 16)
    link.cost.add(Cost(cpu_seconds=0.25, requests=7, p99_seconds=1e-5, share=0.5))
    link.cost.add(Cost(cpu_seconds=0.25, requests=1, p99_seconds=2e-5, share=0.25))
    batches = [Batch(entity="tested", count=1) for _ in range(2)]
    for batch in batches:
        link.send(batch, 1)
    told = Cost(cpu_seconds=0.5, requests=8, p99_seconds=2e-5, share=0.25)
    assert [batch.cost for batch in batches] == [told, None]
    assert link.finish(time.monotonic() + 5) == 0


def test_the_agent_adds_cost_up_and_tells_the_least_share() -> None:
    clock = SteppedClock()
    measured = Measured(dict, lambda: 0, 60.0, clock)
    for worker, share in ((b"a", 0.5), (b"b", 0.125)):
        measured.cost("tested", BASE, worker, Cost(cpu_seconds=0.5, share=share))

    def told(metric: Any) -> Any:
        at = attributes_of({ENTITY: "tested"})
        (family,) = [one for one in measured.families() if one.metric is metric]
        return {point.attributes: point.value for point in family.points}[at]

    assert told(OBSERVING_TIME) == 1.0
    assert told(OBSERVING_SHARE) == 0.125
    clock.step(61.0)
    assert all(family.metric is not OBSERVING_SHARE for family in measured.families())


def test_a_worker_in_the_thread_of_the_requests_counts_only_its_own_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # gevent's threads share the main thread, whose processor time is that of the requests.
    spent = itertools.count(0.0, 1000.0)
    found: list[float] = []

    class Busy(MemoryOutlet):
        def report_cost(self, cost: Cost) -> None:
            found.append(cost.cpu_seconds)

    class ByTheClock:
        """The module `time` with a thread that works for 1000 s between any two looks."""

        thread_time = staticmethod(lambda: next(spent))

        def __getattr__(self, name: str) -> Any:
            return getattr(time, name)

    class InTheMainThread:
        get_native_id = staticmethod(os.getpid)

        def __getattr__(self, name: str) -> Any:
            return getattr(threading, name)

    monkeypatch.setattr(worker_module, "open_outlet", lambda _: Busy())
    monkeypatch.setattr(worker_module, "time", ByTheClock())
    monkeypatch.setattr(worker_module, "threading", InTheMainThread())
    monkeypatch.setattr(budget_module, "JUDGED_SECONDS", 0.0)
    worker = Worker(CaptureSettings(entity="tested", flush_seconds=0.005), Guard())
    assert worker.revive()
    eventually(lambda: len(found) >= 5, timeout=30.0)
    worker.stop()
    # Each step took 1000 s; as much again went by outside it.
    assert found[1:5] == [1000.0] * 4
