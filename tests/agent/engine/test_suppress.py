"""What an agent stores and acknowledges when it reports numbers only in groups."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from support.strategies import feature_of

from nilometer.profile import (
    Bounds,
    Coverage,
    FeatureProfile,
    FeatureRecorder,
    FeatureSpec,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
    pseudonym,
)
from nilometer.profile.bin_sums import BinSums, Rounded
from nilometer.profile.cell_bins import CellBins
from nilometer.profile.schema import Schema
from nilometer.profiling.observation import pack
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.privacy import Disclosure, Privacy
from nilometer.values.window import Window
from nilometer.wire.frames import Batch
from nilometer.wire.samples import parts_by_summary, sample_from_bytes
from nilometer_agent.engine import suppress
from nilometer_agent.engine.engine import GATHER_SECONDS, GATHERED, Arrival, Engine
from nilometer_agent.engine.suppress import Suppression
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import WindowKey
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

MINUTE_NS = 60 * 10**9
START_NS = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS
WINDOW = Window(START_NS, START_NS + MINUTE_NS)
KEY = WindowKey("tested", Labels(), WINDOW)
STRICT = Disclosure(Privacy.STRICT)


class Rig:
    """An engine whose steps are called, in strict."""

    def __init__(self, directory: Path) -> None:
        self.clock = SteppedClock()
        self.buffer = Buffer(directory / "agent.db")
        self.acknowledged: list[int] = []
        self._acknowledge = self.acknowledged.append
        self.plans = PlanKeeper(self.buffer, None, b"key", disclosure=STRICT)
        self.told: list[SummarySample] = []
        self.engine = Engine(
            AgentSettings(collector="", window_seconds=60),
            self.buffer,
            self.plans,
            Counters(),
            self.clock,
            on_committed=lambda decoded, made: self.told.extend([*decoded, *made]),
        )
        self._sequence = 0

    def give(self, *rows: Mapping[str, object]) -> None:
        self._sequence += 1
        packed = pack([observation(dict(row)) for row in rows])
        self.step(
            Batch(
                worker=b"w",
                sequence=self._sequence,
                entity="tested",
                observations=packed,
                count=len(rows),
            )
        )

    def step(self, batch: Batch | None) -> None:
        self.engine._item = Arrival(batch, self._acknowledge)
        self.engine._step()

    def wait(self, seconds: float) -> None:
        self.clock.step(seconds)
        self.engine._item = None
        self.engine._step()

    def partials(self) -> list[SummarySample]:
        return [
            sample_from_bytes(part)
            for partial in self.buffer.partials(KEY)
            for _, part in parts_by_summary(partial.payload or b"")
        ]

    def rows(self) -> dict[str, SummarySample]:
        self.engine._close_all()
        rows, _ = self.buffer.oldest(1000, 1 << 30)
        samples = [sample_from_bytes(row.payload) for row in rows if row.kind == "sample"]
        return {sample.summary: sample for sample in samples}


def observation(row: Mapping[str, object]) -> tuple[Any, ...]:
    return (
        *(START_NS, 0.01, 200, "ok", "POST", "/predict", 15, 2),
        *("application/json", "", "application/json", "", msgspec.json.encode(row), b"{}", ""),
    )


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    one = Rig(tmp_path)
    yield one
    one.buffer.close()


def feature(samples: Sequence[SummarySample] | dict[str, SummarySample], name: str) -> Any:
    every = samples.values() if isinstance(samples, dict) else samples
    (found,) = (one.content for one in every if one.summary == name)
    assert isinstance(found, FeatureProfile)
    return found


def test_few_numbers_wait_for_more_before_they_are_stored(rig: Rig) -> None:
    rig.give(*({"amount": float(number)} for number in range(15)))
    rig.wait(GATHER_SECONDS / 2)
    assert not rig.partials()
    assert not rig.acknowledged
    rig.give(*({"amount": float(number)} for number in range(15)))
    rig.wait(GATHER_SECONDS)
    assert rig.acknowledged == [2]
    stored = feature(rig.partials(), "input.amount")
    assert (stored.numbers.count, stored.suppressed_numbers) == (30, 0)


def test_as_many_as_are_enough_do_not_wait(rig: Rig) -> None:
    rig.give(*({"amount": 1.5} for _ in range(GATHERED)))
    assert rig.acknowledged == [1]


def test_a_worker_that_leaves_does_not_wait_and_its_few_are_counted(rig: Rig) -> None:
    rig.give(*({"amount": 1.5} for _ in range(30)))
    rig.step(None)
    rig.give(*({"amount": 7.25} for _ in range(3)))
    rig.step(None)
    assert rig.acknowledged == [1, 2]
    found = rig.rows()
    amount = feature(found, "input.amount")
    assert (amount.types, amount.count, amount.suppressed_numbers) == ({"number": 33}, 30, 3)
    assert amount.numbers.digest.max == 1.5
    assert found["service"].coverage.seen == 33


def test_a_name_is_told_once_many_cells_have_had_it(rig: Rig) -> None:
    many = [{"amount": 1.5} for _ in range(30)]
    for _ in range(2):
        rig.give(*many, {"amount": 1.5, "secret": 1.0})
        rig.step(None)
    assert {one.summary for one in rig.partials()} == {"service", "input.amount"}
    assert {one.summary for one in rig.told} == {"service", "input.amount"}
    rig.give(*({"amount": 1.5, "secret": 1.0} for _ in range(18)))
    rig.step(None)
    found = rig.rows()
    secret = feature(found, "input.secret")
    hidden = found["service"].coverage.suppressed
    assert secret.cells == 18
    assert hidden + secret.cells == 31 + 31 + 18  # of rows that lack the field, too


def test_a_name_that_is_declared_is_told_at_once(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    declared = {"tested": Schema.declared({"input.amount": "number"})}
    plans = PlanKeeper(buffer, None, b"", declared, disclosure=STRICT)
    suppression = Suppression(plans, ["output.p.scores"])
    taken, _ = suppression.filtered(
        [(KEY, [sample("input.amount", [1.5]), sample("input.x", [2.5])], True)]
    )
    ((_, (service, amount), decoded),) = taken
    assert decoded
    assert (amount.summary, amount.content.cells, amount.content.count) == ("input.amount", 1, 0)
    assert (service.summary, service.coverage) == ("service", Coverage(suppressed=1))
    buffer.close()


def sample(summary: str, cells: Sequence[object], **more: Any) -> SummarySample:
    return SummarySample(
        entity="tested",
        summary=summary,
        labels=Labels(),
        window=WINDOW,
        coverage=Coverage(),
        content=feature_of(cells, FeatureSpec(readable=True)),
        **more,
    )


def test_parts_of_one_place_are_merged_before_they_are_counted(rig: Rig) -> None:
    suppression = Suppression(rig.plans)
    parts = [
        (KEY, [sample("input.amount", [float(n)] * 5 + ["secret"] * 20)], False) for n in range(6)
    ]
    thinned = (KEY, [sample("input.amount", [1.0] * 25, sample=0.5)], False)
    taken, cells = suppression.filtered([*parts, thinned])
    assert cells.get(("tested", "input.amount")) == 6 * 25 + 25
    (_, (whole,), _), (_, (half,), _) = taken
    told = feature([whole], "input.amount")
    assert (told.numbers.count, told.suppressed_numbers, told.cells) == (30, 0, 150)
    assert told.categories.frequent.counts == {pseudonym("secret", b"key"): 120}
    assert (half.sample, half.content.count) == (0.5, 25)
    assert not suppression.cells  # the caller keeps what it stored


def with_sums(summary: str, cells: Sequence[float], predictions: Sequence[float]) -> SummarySample:
    """An input with the sums of the predictions of its rows."""
    bins = CellBins((0.0, 1.0), None)
    values = Rounded.of(np.asarray(predictions), 10, is_public=True)
    recorder = FeatureRecorder(FeatureSpec(bounds=Bounds(edges=(0.0, 1.0))))
    recorder.observe(np.asarray(cells))
    recorder.observe_sums("output.p", BinSums.of(bins.bins, bins.places(cells), values))
    return dataclasses.replace(sample(summary, []), content=recorder.profile())


def test_a_bin_of_few_rows_is_pooled_before_it_is_stored(rig: Rig) -> None:
    cells = [*np.linspace(-2.0, -1.0, 30), 0.4, 0.5, 0.6, *np.linspace(1.0, 2.0, 40)]
    amount = with_sums("input.amount", cells, [0.5] * 73)
    output = sample("output.p", [0.5] * 73)
    ((_, told, _),), _ = Suppression(rig.plans).filtered([(KEY, [amount, output], True)])
    (sums,) = feature(told, "input.amount").sums.values()
    assert sums.counts == (0, 0, 40, 0, 0, 33)


def test_sums_show_nothing_of_numbers_that_the_output_leaves_out(rig: Rig) -> None:
    """The sums and the output itself would differ by a few numbers."""
    amount = with_sums("input.amount", [-1.0] * 30 + [2.0] * 40, [0.5] * 67 + [0.1, 0.2, 0.3])
    output = sample("output.p", [0.5] * 67 + [0.1, 0.2, 0.3])
    ((_, told, _),), _ = Suppression(rig.plans).filtered([(KEY, [amount, output], True)])
    assert feature(told, "output.p").suppressed_numbers == 3
    assert not feature(told, "input.amount").sums


def told_in(suppression: Suppression, *summaries: str, cells: int = 1) -> set[str]:
    """Return the summaries with names that are stored of one commit."""
    samples = [sample(summary, [1.0] * cells) for summary in summaries]
    taken, suppression.cells = suppression.filtered([(KEY, samples, True)])
    return {one.summary for _, kept, _ in taken for one in kept} - {"service"}


def test_a_flood_of_names_hides_no_name_that_comes_after_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppress, "MAX_UNNAMED", 40)
    suppression = Suppression(rig.plans)
    for start in range(0, 2 * suppress.MAX_UNNAMED, 10):
        for _ in range(2):
            told_in(suppression, *(f"input.k{at}" for at in range(start, start + 10)))
    assert len(suppression.cells) <= suppress.MAX_UNNAMED
    assert not told_in(suppression, "input.late", cells=19)
    assert told_in(suppression, "input.late") == {"input.late"}


def test_a_name_that_keeps_coming_outlasts_a_flood_of_names(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppress, "MAX_UNNAMED", 40)
    suppression = Suppression(rig.plans)
    assert told_in(suppression, "input.own", cells=20) == {"input.own"}
    for start in range(0, 2 * suppress.MAX_UNNAMED, 10):
        flood = [f"input.k{at}" for at in range(start, start + 10)]
        assert told_in(suppression, *flood, "input.own") == {"input.own"}


def test_a_name_that_was_forgotten_waits_for_as_many_cells_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppress, "MAX_UNNAMED", 2)
    suppression = Suppression(rig.plans)
    assert told_in(suppression, "input.a", cells=25) == {"input.a"}
    assert not told_in(suppression, "input.b", cells=1)
    assert suppression.cells.forgotten == 1
    assert not told_in(suppression, "input.a", cells=19)


def test_names_that_are_forgotten_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppress, "MAX_UNNAMED", 20)
    rig = Rig(tmp_path)
    rig.give(*({f"k{at}": 1.5} for at in range(30)))
    rig.step(None)
    rig.give({"other": 1.5})  # the others are missing, which does not count
    rig.step(None)
    assert rig.engine._counters.snapshot()["names_forgotten"] == 30 + 1 - 10
    rig.buffer.close()


SERVED = SummarySample(
    entity="tested",
    summary="service",
    labels=Labels(),
    window=WINDOW,
    coverage=Coverage(profiled=7),
    content=ServiceProfile(),
)


def test_of_a_summary_of_two_kinds_the_one_with_more_cells_is_told(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker's profiles are another program's bytes."""
    scores = ScoreProfile((0.5,))
    scores.observe(np.array([0.25, 0.75]))
    mixed = [
        dataclasses.replace(sample("input.a", []), content=scores),
        sample("input.a", [1.0] * 25),
    ]
    other = sample("input.b", [1.0] * 25)
    ((_, told, _),), cells = Suppression(rig.plans).filtered([(KEY, [SERVED, *mixed, other], True)])
    assert [one.summary for one in told] == ["service", "input.a", "input.b"]
    assert told[0].coverage == Coverage(profiled=7, lost_cells={"other_kind": 2})
    assert [cells.get(("tested", name)) for name in ("input.a", "input.b")] == [25, 25]
    assert "partial profiles left out" in caplog.text


def test_requests_among_which_is_something_else_are_told(rig: Rig) -> None:
    mixed = [sample("service", [1.0]), SERVED, sample("input.a", [1.0] * 25)]
    ((_, (service, amount), _),), _ = Suppression(rig.plans).filtered([(KEY, mixed, True)])
    assert service.coverage == Coverage(profiled=7, lost_cells={"other_kind": 1})
    assert (service.content, amount.content.cells) == (ServiceProfile(), 25)


def test_requests_of_another_kind_are_booked_as_lost(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    other = dataclasses.replace(sample("service", [1.0]), coverage=Coverage(profiled=7))
    ((key, (told,), _),), cells = Suppression(rig.plans).filtered(
        [(KEY, [other, sample("input.a", [1.0] * 25)], True)]
    )
    assert (key, told.coverage) == (KEY, Coverage(dropped={"internal_error": 7}))
    assert not cells
    assert "suppression failed" in caplog.text


class Few:
    """A content type from outside, of 25 cells."""

    kind = "few"
    cells = 25

    def __init__(self, fewest: int = 0) -> None:
        self.fewest = fewest

    @classmethod
    def merge_all(cls, contents: object) -> "Few":
        return cls()

    def suppressed(self, fewest: int) -> "Few":
        return Few(fewest)


def test_a_type_from_outside_is_suppressed_by_its_own_law(rig: Rig) -> None:
    content: Any = Few()
    one = dataclasses.replace(SERVED, summary="input.few", content=content)
    ((_, (told,), _),), _ = Suppression(rig.plans).filtered([(KEY, [one], True)])
    suppressed: Any = told.content
    assert suppressed.fewest == 20


def test_without_a_limit_nothing_is_touched(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    received = [(KEY, [sample("input.amount", [1.5])], True)]
    told, cells = Suppression(PlanKeeper(buffer, None)).filtered(received)
    assert told is received
    assert not cells
    buffer.close()


def test_what_was_stored_before_a_level_was_asked_for_is_told_in_groups(rig: Rig) -> None:
    rig.plans.active.disclosure = Disclosure()
    rig.give(*({"amount": float(number)} for number in range(30)), {"amount": 555.25})
    rig.step(None)
    assert feature(rig.partials(), "input.amount").numbers.digest.max == 555.25
    rig.plans.active.disclosure = STRICT
    amount = feature(rig.rows(), "input.amount")
    assert amount.numbers.count == 31
    assert amount.numbers.digest.max < 50
