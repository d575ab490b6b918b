"""A window that ends every agent that closes it is closed without its profiles, and no other is."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.engine_rig import Rig, batch

from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import merged_sample_from_bytes, sample_from_bytes
from nilometer_agent.engine import close, merge
from nilometer_agent.engine.in_work import FILE, InWork, closing_of
from nilometer_agent.engine.judge import judge
from nilometer_agent.outbox.rows import WindowKey

MINUTE_NS = 60 * 10**9
WINDOW = Window.containing(1_700_000_000 * 10**9, MINUTE_NS)
KEY = WindowKey("tested", Labels(), WINDOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE


def agents_end(path: Path, ends: int) -> None:
    """So many agents end while they close the window, and nothing else is in work."""
    for _ in range(ends):
        one = InWork(path, {})
        suspect = one.suspect(*closing_of(KEY))
        if suspect is None:
            one.begin(*closing_of(KEY))
        else:
            one.begin_alone(suspect, *closing_of(KEY))
        one.close()


@pytest.fixture
def rig_after(tmp_path: Path, path: Path) -> Iterator[Callable[[int], Rig]]:
    """An agent that starts after so many ends, with two batches of the window and one of another."""
    made: list[Rig] = []

    def rig(ends: int) -> Rig:
        agents_end(path, ends)
        made.append(Rig(tmp_path, in_work=InWork(path, {})))
        for sequence in (1, 2):
            made[0].give(batch(sequence))
        other = batch(3)
        other.entity = "other"
        made[0].give(other)
        made[0].commit()
        return made[0]

    yield rig
    for one in made:
        one.buffer.close()


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Merging one summary ends a child; this process only notes that it would have ended."""
    here: list[int] = []
    parent = os.getpid()

    def merge_or_end(packed: list[bytes], *more: Any) -> Any:
        first = sample_from_bytes(packed[0])
        if (first.entity, first.summary) == ("tested", "input.amount"):
            if os.getpid() != parent:
                os.abort()
            here.append(parent)
        return merged_sample_from_bytes(packed, *more)

    monkeypatch.setattr(merge, "merged_sample_from_bytes", merge_or_end)
    return here


def coverages(rig: Rig) -> dict[str, dict[str, int]]:
    """What was dropped of each entity."""
    services = [one for one in rig.samples() if one.summary == "service"]
    return {one.entity: dict(one.coverage.dropped) for one in services}


def test_a_window_that_ends_every_process_is_closed_without_its_profiles(
    rig_after: Callable[[int], Rig], ending: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    rig = rig_after(2)
    rig.engine._close_all()
    assert not rig.open
    assert not ending
    assert coverages(rig) == {"tested": {"poison": 2}, "other": {}}
    assert rig.counters.snapshot()["windows_lost"] == 1
    assert "its observations are dropped as poison" in caplog.text
    assert rig.buffer.gauges()["observations_in_partials"] == 0


def test_a_window_that_ends_no_child_keeps_its_profiles(rig_after: Callable[[int], Rig]) -> None:
    rig = rig_after(5)
    rig.engine._close_all()
    assert not rig.open
    assert coverages(rig) == {"tested": {}, "other": {}}
    (amount,) = [
        one for one in rig.samples() if (one.entity, one.summary) == ("tested", "input.amount")
    ]
    assert amount.content.cells == 2


def test_before_an_end_a_window_is_not_tried(
    rig_after: Callable[[int], Rig], ending: list[int]
) -> None:
    rig = rig_after(0)
    rig.engine._close_all()
    assert ending


def test_a_window_that_was_closed_is_no_suspect(
    rig_after: Callable[[int], Rig], path: Path
) -> None:
    rig = rig_after(2)
    rig.engine._close_all()
    assert InWork(path, {}).suspect(*closing_of(KEY)) is None


@pytest.mark.parametrize("ends", [0, 1])
def test_the_file_names_a_window_while_it_is_closed(
    rig_after: Callable[[int], Rig],
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: int,
) -> None:
    """A successor would find the window if this agent ended now."""
    rig = rig_after(ends)
    found: list[bool] = []

    def look(window: Any, plan: Any) -> Any:
        copy = tmp_path / "copy"
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
        found.append(InWork(copy, {}).suspect(*closing_of(window.key)) is not None)
        return judge(window, plan)

    monkeypatch.setattr(close, "judge", look)
    rig.engine._close_all()
    assert found == [True, True]
    assert not rig.open


def test_a_disk_without_room_for_the_copy_loses_nothing(
    rig_after: Callable[[int], Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    rig = rig_after(2)
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    rig.engine._close_all()
    assert coverages(rig) == {"tested": {}, "other": {}}
