"""The worker rolls up and retires on its own thread, and goes on after a failure."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from support.rolling import DAY_NS, KEEP_NS, Rolling, read
from support.shipping import numbered, ship

from nilometer.testing import SteppedClock, eventually
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.rollups import worker
from nilometer_collector.rollups.worker import RollUpWorker
from nilometer_collector.store import LEVELS, ROLLED_UP, Level, RollUp, Store
from nilometer_collector.store.protocol import RollUps
from nilometer_collector.testing import START_NS, a_row, feature_sample, running


@pytest.fixture(autouse=True)
def _without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.01)


def test_a_collector_rolls_up_what_it_stores_and_shows_it(database: Path) -> None:
    clock = SteppedClock(wall_ns=START_NS)
    with running(database, clock, retention_shipped_days=1) as it:
        it.sender().send([a_row(1, feature_sample([1.0, 2.0]))])

        def holds(rows: list[int]) -> bool:
            return [level["rows"] for level in it.get("storage")["levels"]] == rows

        def has_rolled_up(rows: list[int]) -> bool:
            return [level["rows"] for level in it.get("storage")["levels"]][1:] == rows

        assert holds([1, 0, 0, 0])
        for seconds, expected in (
            (7_200.0, [1, 0, 0]),
            (60.0, [1, 1, 0]),
            (86_460.0, [1, 1, 1]),  # the sample as shipped is retired at once or with the next step
        ):
            clock.step(seconds)
            eventually(partial(has_rolled_up, expected))
        clock.step(3 * 86_400.0)
        held_from = (clock.wall_ns // DAY_NS - 1) * 86_400
        eventually(lambda: it.get("storage")["levels"][0]["held_from"] == held_from)
        clock.step(60.0)  # space is freed by the next look
        eventually(partial(holds, [0, 1, 1, 1]))
        eventually(lambda: it.collector.counters.read()[Counter.ROWS_RETIRED] == 1)
        assert it.collector.counters.read()[Counter.PARTS_ROLLED_UP] == 3
        _, *others = it.get("storage")["levels"]
        assert [level["level"] for level in others] == ["5m", "1h", "1d"]
        (sample,) = it.get("samples", entity="fraud-scorer", summary="input.amount")["samples"]
        assert sample["coverage"]["seen"] == 2


def test_the_worker_goes_on_when_the_store_is_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ship(store, [numbered(1)])
    clock = SteppedClock(wall_ns=START_NS + DAY_NS)
    failures = [StoreUnavailable("database: away"), ValueError("a bug")]
    take = type(store.rollups).take

    def failing(*arguments: object) -> object:
        if failures:
            raise failures.pop(0)
        return take(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(store.rollups), "take", failing)
    caplog.set_level(logging.WARNING)
    started = RollUpWorker(store, KEEP_NS, clock, Counters())
    started.thread.start()
    eventually(lambda: [one.stale for one in store.rollups.levels()][1] == 0)
    started.thread.stop(60.0)
    started.thread.stop(60.0)
    assert "store unavailable, roll-ups will be made later" in caplog.text
    assert "internal error in a roll-up" in caplog.text


def test_roll_ups_are_stored_before_all_of_a_step_are_merged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(store, [numbered(number, entity=f"e{number}") for number in range(1, 6)])
    put = type(store.rollups).put
    sizes: list[int] = []

    def counting(self: RollUps, rolled: Sequence[RollUp], now_ns: int) -> int:
        sizes.append(len(rolled))
        return put(self, rolled, now_ns)

    monkeypatch.setattr(type(store.rollups), "put", counting)
    monkeypatch.setattr(worker, "MOST_BYTES", 1)
    rolling = Rolling(store)
    assert rolling.roll_up_all(START_NS + 2 * DAY_NS) == 5 * len(ROLLED_UP)
    assert set(sizes) == {1}
    assert len(sizes) == 5 * len(ROLLED_UP)


def test_a_step_is_bounded_and_finer_levels_come_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_PARTS", 2)
    rows = [numbered(number, entity=f"e{number}") for number in range(1, 6)]
    ship(store, rows)
    rolling = Rolling(store)
    done = []
    for _ in range(12):
        rolling.clock.step(86_400.0)
        done.append(rolling.worker.roll_up())
    assert sum(done) == 15
    assert max(done) <= 6
    assert done[:2] == [2, 2]
    assert {one.level for one in read(store, Level.DAY)} == {Level.DAY}
    assert [one.rows for one in store.rollups.levels()] == [5] * len(LEVELS)
