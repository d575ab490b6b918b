"""Closing a window: whatever fails in it, it closes, no other waits, and each observation counts."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np
import pytest
from support.engine_rig import Rig
from support.strategies import feature_of

from nilometer.alert import Alerter, Fixed
from nilometer.profile import (
    Coverage,
    FeatureProfile,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
)
from nilometer.profile.schema import Schema
from nilometer.profiling.observation import pack
from nilometer.sketch.tdigest import TDigest
from nilometer.v1.summary_pb2 import SummarySamples
from nilometer.values.labels import Labels
from nilometer.values.privacy import Disclosure, Privacy
from nilometer.values.window import Window
from nilometer.wire.frames import Batch
from nilometer.wire.samples import sample_to_bytes, samples_to_bytes
from nilometer_agent.engine import close, judge, merge
from nilometer_agent.engine.judge import OpenWindow
from nilometer_agent.engine.judge import judge as judge_window
from nilometer_agent.engine.suppress import coarsened
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Closing, Delta, WindowKey
from nilometer_agent.uplink.plan import ActivePlan, PlanKeeper

START_NS = 1_700_000_040 * 10**9
WINDOW = Window(START_NS, START_NS + 60 * 10**9)


def observed(
    sequence: int, *bodies: object, entity: str = "tested", at_ns: int = START_NS
) -> Batch:
    rows = [
        (
            *(at_ns, 0.01, 200, "ok", "POST", "/predict", 8, 8),
            *("application/json", "", "application/json", "", b'{"a": 1}'),
            *(msgspec.json.encode(body), ""),
        )
        for body in bodies
    ]
    return Batch(
        worker=b"w", sequence=sequence, entity=entity, observations=pack(rows), count=len(rows)
    )


def by_name(rig: Rig, entity: str = "tested") -> dict[str, SummarySample]:
    return {one.summary: one for one in rig.samples() if one.entity == entity}


def check_laws(rig: Rig) -> None:
    counted, held = rig.counters.snapshot(), rig.buffer.gauges()
    assert counted["rows_queued"] == held["rows_in_outbox"]
    assert counted["observations"] == held["observations_in_outbox"]
    assert held["observations_in_partials"] == 0


def a_sample(content: Any, summary: str = "input.x", **coverage: Any) -> SummarySample:
    return SummarySample(
        entity="tested",
        summary=summary,
        labels=Labels(),
        window=WINDOW,
        coverage=Coverage(**coverage),
        content=content,
    )


def feature(*values: float, compression: float | None = None) -> FeatureProfile:
    profile = feature_of(list(values))
    if compression is not None:  # as an older or a newer version may have
        profile.numbers.digest = TDigest.of(values, compression)
    return profile


def scores(*values: float) -> ScoreProfile:
    profile = ScoreProfile((0.5,))
    profile.observe(np.array(values))
    return profile


def store(rig: Rig, *deltas: Sequence[SummarySample]) -> None:
    """Store partial profiles of one window, as an agent of another version did."""
    key = WindowKey("tested", Labels(), WINDOW)
    made = []
    for samples in deltas:
        seen = sum(one.coverage.seen for one in samples if one.summary == "service")
        made.append(Delta(key, samples_to_bytes(samples), seen))
    rig.buffer.commit_deltas(made, {})
    rig.engine._closer.open[key] = rig.clock.monotonic()


def service(profiled: int) -> SummarySample:
    return a_sample(ServiceProfile(outcomes={"ok": profiled}), "service", profiled=profiled)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    one = Rig(tmp_path)
    yield one
    one.buffer.close()


@pytest.mark.parametrize("order", [1, -1])
def test_the_kind_with_the_most_cells_is_kept_and_the_rest_is_counted(rig: Rig, order: int) -> None:
    parts = [
        [service(2), a_sample(feature(1.0, 2.0), profiled=2)],
        [service(3), a_sample(scores(0.1, 0.2, 0.3), profiled=3)],
        [service(2), a_sample(feature(3.0, 4.0), profiled=2)],
    ]
    store(rig, *parts[::order])
    rig.engine._close_all()
    assert not rig.open
    found = by_name(rig)
    assert isinstance(found["input.x"].content, FeatureProfile)
    assert found["input.x"].content.cells == 4
    assert found["input.x"].coverage == Coverage(profiled=4)
    assert found["service"].coverage == Coverage(profiled=7, lost_cells={"other_kind": 3})
    assert rig.counters.snapshot()["cells_lost"] == 3


def test_contents_with_other_parameters_are_left_out(rig: Rig) -> None:
    ours = [[service(1), a_sample(feature(float(n)))] for n in range(4)]
    odd = [[service(1), a_sample(feature(9.0, 9.0, compression=50))] for _ in range(2)]
    store(rig, ours[0], odd[0], ours[1], ours[2], odd[1])
    rig.engine._close_all()
    found = by_name(rig)
    assert found["service"].coverage.seen == 5
    assert found["service"].coverage.lost_cells == {"other_kind": 3}
    assert found["input.x"].content.cells == 4


def test_requests_are_the_only_content_of_service(rig: Rig) -> None:
    store(rig, [service(2)], [a_sample(feature(1.0, 2.0, 3.0), "service", profiled=3)])
    rig.engine._close_all()
    found = by_name(rig)["service"]
    assert isinstance(found.content, ServiceProfile)
    assert found.coverage == Coverage(
        profiled=2, dropped={"internal_error": 3}, lost_cells={"other_kind": 3}
    )


def test_a_partial_profile_that_cannot_be_read_is_counted(rig: Rig) -> None:
    store(rig, [service(2)])
    key = WindowKey("tested", Labels(), WINDOW)
    rig.buffer.commit_deltas([Delta(key, b"\xff\xff\xff", 5)], {})
    rig.engine._close_all()
    assert not rig.open
    assert by_name(rig)["service"].coverage == Coverage(profiled=2, dropped={"internal_error": 5})
    assert rig.buffer.gauges()["observations_in_partials"] == 0


class Planned(PlanKeeper):
    """A keeper of one plan, with an alerter and a schema, in the strictest privacy."""

    def __init__(self, buffer: Buffer) -> None:
        super().__init__(buffer, None)
        alerter = Alerter(
            entity="tested",
            name="mean",
            summary="*",
            condition=Fixed(statistic="count", threshold=1e9),
        )
        self.active = ActivePlan(
            [],
            [alerter],
            b"key",
            {"tested": Schema.declared({"output.p": "number", "output.q": "number"})},
            Disclosure(Privacy.STRICT),
        )


Break = Callable[[pytest.MonkeyPatch], None]


def fail_for(summary: str, wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """*wrapped*, which fails for one summary of one entity."""

    def failing(sample: SummarySample, *more: Any) -> Any:
        if (sample.entity, sample.summary) == ("tested", summary):
            raise SystemExit("an extension may raise anything")
        return wrapped(sample, *more)

    return failing


def broken(*_: Any, **__: Any) -> NoReturn:
    raise ZeroDivisionError


# A fault for each part of closing, and the cells that it costs.
FAULTS: dict[str, tuple[Break, dict[str, int]]] = {
    "coarsening": (
        lambda m: m.setattr(judge, "coarsened", fail_for("output.q", coarsened)),
        {"internal_error": 40},
    ),
    "encoding": (
        lambda m: m.setattr(judge, "sample_to_bytes", fail_for("output.q", sample_to_bytes)),
        {"internal_error": 40},
    ),
    "schema": (lambda m: m.setattr(Schema, "sample", broken), {}),
    "judging": (lambda m: m.setattr(judge, "evaluate", broken), {}),
    "evaluations": (lambda m: m.setattr(judge, "evaluation_to_bytes", broken), {}),
    "fast merging": (lambda m: m.setattr(merge, "merged_sample_from_bytes", broken), {}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_the_part_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    rig = Rig(tmp_path, plans=Planned)
    bodies = [{"p": 0.5, "q": 1.5}] * 40
    rig.give(observed(1, *bodies))
    rig.give(observed(2, *bodies, entity="other"))
    rig.commit()
    breaks, lost = FAULTS[fault]
    breaks(monkeypatch)
    rig.engine._close_all()
    assert not rig.open
    tested, other = by_name(rig), by_name(rig, "other")
    assert {"service", "output.p"} <= tested.keys()
    assert ("output.q" in tested) is not bool(lost)
    assert tested["service"].coverage == Coverage(profiled=40, lost_cells=lost)
    assert other["output.q"].content.cells == 40
    assert rig.counters.snapshot()["cells_lost"] == sum(lost.values())
    check_laws(rig)
    rig.buffer.close()


def test_metrics_that_fail_cost_no_window(tmp_path: Path) -> None:
    rig = Rig(tmp_path, on_closed=broken)
    for sequence in (1, 2):
        rig.give(observed(sequence, {"p": 0.5}, entity=f"entity-{sequence}"))
    rig.commit()
    rig.engine._close_all()
    assert not rig.open
    assert rig.counters.snapshot()["windows_closed"] == 2
    check_laws(rig)
    rig.buffer.close()


def test_a_backlog_of_windows_is_told_in_the_order_of_time(tmp_path: Path) -> None:
    ends: list[int] = []
    rig = Rig(tmp_path, on_closed=lambda samples, _: ends.append(samples[0].window.end_ns))
    for number in range(3):
        at_ns = WINDOW.start_ns + number * (WINDOW.end_ns - WINDOW.start_ns)
        rig.give(observed(number + 1, {"p": 0.5}, at_ns=at_ns))
    rig.commit()
    rig.engine._close_all()
    assert len(ends) == 3
    assert ends == sorted(ends)
    rig.buffer.close()


def broken_for_tested(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    def failing(window: OpenWindow, plan: ActivePlan) -> Any:
        return wrapped(window, plan) if window.key.entity != "tested" else broken()

    return failing


def refuse_rows(wrapped: Callable[..., bool]) -> Callable[..., bool]:
    """Refuse to store more than the counts of one entity, as for a number that no column holds."""

    def failing(buffer: Buffer, closings: Sequence[Closing], generation: int) -> bool:
        if any(one.key.entity == "tested" and len(one.rows) > 1 for one in closings):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return wrapped(buffer, closings, generation)

    return failing


@pytest.mark.parametrize(
    "breaks",
    [
        lambda m: m.setattr(close, "judge", broken_for_tested(judge_window)),
        lambda m: m.setattr(Buffer, "close_windows", refuse_rows(Buffer.close_windows)),
    ],
    ids=["merging", "storing"],
)
def test_a_window_that_cannot_be_closed_is_closed_as_lost(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, breaks: Break
) -> None:
    rig.give(observed(1, {"p": 0.5}, {"p": 0.75}))
    rig.give(observed(2, {"p": 0.5}, entity="other"))
    rig.commit()
    breaks(monkeypatch)
    rig.engine._close_all()
    assert [key.entity for key in rig.open] == ["tested"]  # it delays no other
    assert rig.counters.snapshot()["windows_lost"] == 0  # and has another attempt
    rig.close()
    assert not rig.open
    assert by_name(rig)["service"].coverage == Coverage(dropped={"internal_error": 2})
    assert by_name(rig, "other")["service"].coverage == Coverage(profiled=1)
    assert rig.counters.snapshot()["windows_lost"] == 1
    check_laws(rig)


def test_without_memory_a_window_waits_and_loses_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise MemoryError

    rig.give(observed(1, {"p": 0.5}))
    rig.commit()
    with monkeypatch.context() as patched:
        patched.setattr(merge, "merged_sample_from_bytes", full)
        rig.engine._close_all()
    assert rig.open
    rig.close()
    assert by_name(rig)["output.p"].content.cells == 1
    check_laws(rig)


def test_a_part_that_cannot_be_read_costs_no_other(rig: Rig) -> None:
    """As after an update that reads less than the version before it."""
    good = [service(2), a_sample(feature(1.0, 2.0))]
    odd = SummarySamples.FromString(samples_to_bytes(good))
    odd.samples[1].feature.numeric.digest.compression = 7.0  # out of bounds
    key = WindowKey("tested", Labels(), WINDOW)
    store(rig, good)
    rig.buffer.commit_deltas([Delta(key, odd.SerializeToString(), 2)], {})
    rig.engine._close_all()
    found = by_name(rig)
    assert found["input.x"].content.cells == 2
    assert found["service"].coverage == Coverage(profiled=4, lost_cells={"internal_error": 1})
    assert not rig.open
