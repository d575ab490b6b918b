"""A full disk: a small file system, and a limit of the file's size for those who are not root."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults import oracle, outcomes
from faults.zygote import Zygote

from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Closing, Delta, NewRow, WindowKey

DISK_BYTES = 8 << 20


@contextmanager
def small_disk(at: Path, size: int = DISK_BYTES) -> Iterator[Path]:
    """A file system of *size* bytes."""
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs root and mounts: {mounted.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill(buffer: Buffer, first: int, rows: int) -> int:
    """Commit, close and settle *rows* numbered rows; the number after the last."""
    for number in range(first, first + rows, 20):
        numbers = range(number, min(number + 20, first + rows))
        key = WindowKey("faults", Labels.of(), Window(number * 60, number * 60 + 60))
        buffer.commit_deltas([Delta(key, oracle.payload(n), 1) for n in numbers], {b"w": number})
        for window in buffer.open_windows():
            found = list(buffer.partials(window))
            payloads = [partial.payload for partial in found if partial.payload is not None]
            rows_of = [NewRow("sample", payload, 1) for payload in payloads]
            closing = Closing(window, [partial.id for partial in found], rows_of)
            assert buffer.close_windows([closing], buffer.generation)
        buffer.settle()
        buffer.make_room()
    return first + rows


def drained(buffer: Buffer) -> list[int]:
    """Ship everything; the numbers of what was shipped."""
    shipped = []
    while buffer.queued():
        rows, corrupt = buffer.oldest(100, 1 << 20)
        assert not corrupt
        shipped += [oracle.number_of(row.payload) or 0 for row in rows]
        buffer.acknowledge(rows, {})
    return shipped


def neighbour_fills_it(directory: Path) -> int:
    """Another process takes all that is free, and leaves again; rows that were dropped."""
    with small_disk(directory / "neighbour") as disk:
        clock, counters = SteppedClock(), Counters()
        buffer = Buffer(disk / "agent.db", clock, counters, max_bytes=64 << 20)
        assert (disk / "agent.ballast").exists()
        number = fill(buffer, 0, 600)
        neighbour = disk / "neighbour"
        with neighbour.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        number = fill(buffer, number, 400)
        counted = counters.snapshot()
        assert counted["disk_faults"] > 0
        assert not (disk / "agent.ballast").exists()
        shipped = drained(buffer)  # deletes work on a full disk
        dropped = counted["rows_dropped_for_space"]
        # What memory could not bring back waits there until there is room.
        assert len(set(shipped)) + dropped + buffer.queued() == 1000 or not buffer.durable
        neighbour.unlink()
        clock.step(10.0)
        buffer.maintain()
        assert buffer.durable
        shipped += drained(buffer)
        assert buffer.queued() == 0
        assert len(set(shipped)) + counters.snapshot()["rows_dropped_for_space"] == 1000
        assert (disk / "agent.ballast").exists()
        buffer.close()
    return counters.snapshot()["rows_dropped_for_space"]


def own_data_stop_before(directory: Path) -> int:
    """Far more rows than the disk has room for; rows that were dropped."""
    with small_disk(directory / "own") as disk:
        counters = Counters()
        buffer = Buffer(disk / "agent.db", SteppedClock(), counters, max_bytes=64 << 20)
        fill(buffer, 0, 6000)
        used = sum(file.stat().st_size for file in disk.iterdir())
        assert used < DISK_BYTES * 0.8
        assert buffer.durable
        dropped = counters.snapshot()["rows_dropped_for_space"]
        assert dropped > 0
        shipped = drained(buffer)
        assert shipped == list(range(dropped, 6000))  # the oldest went
        buffer.close()
    return dropped


def read_only(directory: Path) -> int:
    """An agent starts on a disk that is mounted read-only; rows that were shipped from there."""
    with small_disk(directory / "readonly") as disk:
        buffer = Buffer(disk / "agent.db", SteppedClock(), max_bytes=4 << 20)
        number = fill(buffer, 0, 100)
        buffer.close()
        remount(disk, "ro")
        clock, counters = SteppedClock(), Counters()
        buffer = Buffer(disk / "agent.db", clock, counters, max_bytes=4 << 20)
        assert not buffer.durable
        shipped = drained(buffer)  # what can be read goes on its way
        assert shipped == list(range(number))
        number = fill(buffer, number, 100)
        remount(disk, "rw")
        clock.step(10.0)
        buffer.maintain()
        assert buffer.durable
        shipped += drained(buffer)  # the collector knows the first hundred
        assert set(shipped) == set(range(number))
        counted = counters.snapshot()
        assert (counted["returns_to_disk"], counted["rows_dropped_for_space"]) == (1, 0)
        buffer.close()
    return len(shipped)


def remount(disk: Path, how: str) -> None:
    """Mount it again, ``ro`` or ``rw``."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def limited(zygote: Zygote, directory: Path, *, seed: int) -> int:
    """A file may not grow: what a full disk is for those who may not mount one; rows dropped."""
    home, notes = directory / "d", directory / "n"
    home.mkdir(mode=0o700)
    ended = zygote.run(
        "outboxes.outbox",
        directory=str(home),
        acknowledged=str(notes),
        seed=seed,
        rounds=240,
        limit_bytes=400_000,
        ship_ratio=0.05,
        drain=True,
    )
    assert ended == 0, zygote.log()[-2000:]
    counted = json.loads(Path(f"{notes}.counts").read_text())
    assert counted["disk_faults"] > 0
    assert counted["buffer_durable"]
    assert counted["memory_spells"] == 0  # the cap is known: the oldest go, the newest are durable
    dropped = int(counted["rows_dropped_for_space"])
    assert dropped > 0
    known = outcomes.notes(notes.read_text().split("\n"))
    outcome = outcomes.opened(home, known, max_bytes=4 << 20)
    assert not outcome.doubled
    assert not outcome.invented
    assert not outcome.held  # the limit stands, and all the same everything went on its way
    assert len(outcome.lost) == dropped
    return dropped


def full_disks(zygote: Zygote, directory: Path, *, seed: int) -> str:
    """All of them; a line for the table."""
    found = {"a file of limited size": limited(zygote, directory, seed=seed)}
    if os.geteuid() == 0:
        found["our own data"] = own_data_stop_before(directory)
        found["a neighbour"] = neighbour_fills_it(directory)
        read_only(directory)
    skipped = "" if len(found) == 3 else "; small disks skipped: they need root and mounts"
    told = ", ".join(f"{name} {count}" for name, count in found.items())
    return f"rows dropped, all of them counted: {told}; the others drained{skipped}"


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="a small disk needs root; its twin limits a file"
)


@needs_root
def test_a_neighbour_fills_the_disk(tmp_path: Path) -> None:
    neighbour_fills_it(tmp_path)


@needs_root
def test_our_own_data_never_fill_the_disk(tmp_path: Path) -> None:
    assert own_data_stop_before(tmp_path) > 0


@needs_root
def test_an_agent_on_a_read_only_disk_ships_what_is_there_and_loses_nothing(tmp_path: Path) -> None:
    assert read_only(tmp_path) > 0


def test_a_limit_of_the_files_size_is_a_full_disk_too(zygote: Zygote, tmp_path: Path) -> None:
    limited(zygote, tmp_path, seed=5)
