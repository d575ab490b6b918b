"""The engine without sockets, with a clock under the test's control and a failing disk."""

import sqlite3
from pathlib import Path

import pytest
from support.engine_rig import Rig, batch

from nilometer.testing import SteppedClock, eventually


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_batch_is_acknowledged_when_it_is_committed_and_not_before(rig: Rig) -> None:
    rig.give(batch(1))
    assert rig.acknowledged == []
    rig.commit()
    assert rig.acknowledged == [1]


def test_a_failed_commit_acknowledges_nothing_and_loses_nothing(rig: Rig) -> None:
    rig.give(batch(1))
    rig.buffer.failures = 2
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError):
            rig.commit()
    assert rig.acknowledged == []
    rig.give(batch(2))
    rig.commit()
    assert rig.acknowledged == [1, 2]
    assert rig.stored() == 2


def test_a_batch_that_comes_again_counts_once(rig: Rig) -> None:
    rig.give(batch(1))
    rig.give(batch(1))
    rig.commit()
    rig.give(batch(1))
    assert rig.acknowledged == [1, 1, 1]
    assert rig.stored() == 1
    assert rig.counters.snapshot()["batches_repeated"] == 2


def test_a_batch_that_went_in_is_not_made_up_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def summed_up(*_: object) -> None:
        raise AssertionError("profiles are summed up for a batch that is whole")

    monkeypatch.setattr("nilometer.profiling.profiling.Profiling.make_up", summed_up)
    rig.give(batch(1))
    monkeypatch.undo()
    rig.commit()
    assert rig.acknowledged == [1]
    assert rig.stored() == 1


@pytest.mark.parametrize(("count", "profiled", "dropped"), [(3, 1, 2), (0, 0, 0)])
def test_a_batch_adds_as_many_observations_as_it_says(
    rig: Rig, count: int, profiled: int, dropped: int
) -> None:
    """Missing ones are counted as lost. One that holds more is not taken, as its sender has fewer."""
    lies = batch(1)
    lies.count = count
    rig.give(lies)
    rig.commit()
    assert rig.acknowledged == [1]
    assert rig.stored() == count
    counted = rig.counters.snapshot()
    assert (counted["profiled"], counted["dropped"]) == (profiled, dropped)
    assert (counted["observations"], counted["malformed_batches"]) == (count, 1)


def test_a_batch_that_cannot_be_unpacked_is_acknowledged_and_booked(rig: Rig) -> None:
    rig.give(batch(1, observations=b"garbage"))
    rig.give(batch(2))
    rig.commit()
    assert rig.acknowledged == [1, 2]
    assert rig.stored() == 2
    counted = rig.counters.snapshot()
    assert (counted["malformed_batches"], counted["dropped"], counted["profiled"]) == (1, 1, 1)


def test_a_window_that_cannot_be_closed_holds_up_no_other(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.give(batch(1))
    rig.commit()
    with monkeypatch.context() as patched:
        patched.setattr("nilometer_agent.engine.close.judge", lambda *_: 1 / 0)
        assert rig.engine._close_all() == 0
    assert rig.engine._closer.open  # kept for another attempt
    assert isinstance(rig.engine._clock, SteppedClock)
    rig.engine._clock.step(60.0)
    assert rig.stored() == 1


def test_late_data_is_a_further_sample_and_is_not_lost(rig: Rig) -> None:
    rig.give(batch(1))
    assert rig.stored() == 1
    rig.give(batch(2))
    assert rig.stored() == 2
    assert rig.counters.snapshot()["windows_late"] == 1


def test_a_thread_that_was_never_started_can_be_stopped(rig: Rig) -> None:
    rig.engine.stop(1.0)
    assert eventually(lambda: not rig.engine._thread.is_alive())


def test_a_profiler_that_fails_is_counted_once_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "failing_profiler.py"
    module.write_text(
        "import nilometer\n"
        "@nilometer.profiler(columns=['input.*'])\n"
        "def failing(batch):\n    raise RuntimeError('mine')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("nilometer.profile.profiler._registered", {})
    rig = Rig(tmp_path, profilers=("failing_profiler",))
    for sequence in (1, 2, 3):
        rig.give(batch(sequence))
        rig.commit()
    assert rig.counters.snapshot()["profilers_disarmed"] == 1
    assert rig.stored() == 3
