"""The rules of the outbox, one by one: whose file it is, how large, how it is written."""

import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlite_utils.migrations import Migrations

from nilometer import ConfigError
from nilometer.profiling.observation import pack
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.frames import Batch
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox import disk_space
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.database import PAGE_BYTES, wal_pages
from nilometer_agent.outbox.disk_space import Ballast, allowed_bytes, is_scarce
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.rows import PAYLOAD_VERSION, Closing, Delta, NewRow, WindowKey
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

KEY = WindowKey("flight-delay", Labels.of(), Window(0, 60))
FRAME_BYTES = PAGE_BYTES + 24  # of the log: a page and its header


# Whose it is


def test_a_second_agent_on_the_socket_refuses_and_leaves_the_first_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    mine, yours = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    first = Agent(AgentSettings(directory=str(mine), collector=""))
    first.start()
    path = mine / "agent.sock"
    before = path.stat().st_ino
    try:
        with pytest.raises(ConfigError, match="another server is listening on it"):
            Agent(AgentSettings(directory=str(yours), socket=str(path), collector=""))
        assert path.stat().st_ino == before
    finally:
        first.stop()
    # What was refused let its directory go.
    Agent(AgentSettings(directory=str(yours), collector="")).stop()


def test_a_socket_that_a_killed_agent_left_is_taken_over(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import socket

    home = tmp_path_factory.mktemp("a")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "agent.sock"))
    agent = Agent(AgentSettings(directory=str(home), collector=""))
    agent.start()
    agent.stop()


def test_nobody_else_reads_or_writes_the_file_meanwhile(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    with sqlite3.connect(tmp_path / "agent.db", timeout=0) as other:
        for statement in ("SELECT count(*) FROM outbox", "DELETE FROM outbox"):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute(statement)
    other.close()
    assert not (tmp_path / "agent.db-shm").exists()  # which a full disk would refuse
    buffer.close()


def test_files_and_directory_are_the_owners_whatever_the_umask(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("a") / "made"
    before = os.umask(0o000)
    try:
        agent = Agent(AgentSettings(directory=str(home), collector=""))
        agent.start()
        try:
            found = {file.name: file.stat().st_mode & 0o777 for file in home.iterdir()}
        finally:
            agent.stop()
    finally:
        os.umask(before)
    assert home.stat().st_mode & 0o777 == 0o700
    assert found == dict.fromkeys(
        (
            "agent.lock",
            "agent.sock",
            "agent.sock.frames",
            "agent.db",
            "agent.db-wal",
            "agent.ballast",
            "in-work",
        ),
        0o600,
    )


def test_a_file_of_a_newer_nilometer_is_refused_and_not_touched(tmp_path: Path) -> None:
    import sqlite_utils

    path = tmp_path / "agent.db"
    buffer = Buffer(path)
    buffer.commit_deltas([Delta(KEY, b"delta", 1)], {})
    buffer.close()
    later = Migrations("nilometer_agent")

    @later()
    def add_what_is_not_known_yet(database: sqlite_utils.Database) -> None:
        database.execute("CREATE TABLE later (id INTEGER PRIMARY KEY)")

    database = sqlite_utils.Database(path)
    later.apply(database)
    database.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="written by a newer nilometer"):
        Buffer(path)
    assert path.read_bytes() == before


def test_every_row_says_what_version_its_payload_has(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    assert buffer.close_windows([Closing(KEY, [], [NewRow("sample", b"row")])], 0)
    buffer.settle()
    (row,), _ = buffer.oldest(1, 1 << 20)
    assert row.version == PAYLOAD_VERSION
    assert len(row.epoch) == 16
    assert buffer.epoch == row.epoch
    buffer.close()


def test_a_place_is_never_used_twice_even_when_all_has_drained(tmp_path: Path) -> None:
    places = []
    for _ in range(3):
        buffer = Buffer(tmp_path / "agent.db")
        buffer.commit_deltas([Delta(KEY, b"delta")], {})
        ids = [partial.id for partial in buffer.partials(KEY)]
        closing = Closing(KEY, ids, [NewRow("sample", b"row")])
        assert buffer.close_windows([closing], buffer.generation)
        buffer.settle()
        rows, _ = buffer.oldest(1, 1 << 20)
        places.append((ids[0], rows[0].id))
        buffer.acknowledge(rows, {})
        buffer.close()
    assert places == [(1, 1), (2, 2), (3, 3)]


# How it is written


def test_what_many_workers_send_is_one_transaction(tmp_path: Path) -> None:
    clock, counters = SteppedClock(), Counters()
    buffer = Buffer(tmp_path / "agent.db", clock, counters)
    plans = PlanKeeper(buffer, None)
    engine = Engine(AgentSettings(collector=""), buffer, plans, counters, clock)
    row = (
        *(1_700_000_000_000_000_000, 0.01, 200, "ok", "POST", "/predict", 13, 2),
        *("application/json", "", "application/json", "", b'{"amount": 1}', b"{}", ""),
    )
    acknowledged: list[int] = []
    before = buffer._ledger.database.commits
    for number in range(200):
        one = Batch(
            worker=number.to_bytes(16, "big"),
            sequence=1,
            entity="tested",
            observations=pack([row]),
            count=1,
        )
        # A step commits when half a second has passed, and not before.
        engine._item = Arrival(one, acknowledged.append)
        engine._step()
    assert (acknowledged, buffer._ledger.database.commits) == ([], before)
    clock.step(0.6)
    engine._step()
    assert len(acknowledged) == 200
    assert buffer._ledger.database.commits == before + 1
    buffer.close()


def test_the_log_has_its_full_size_from_the_start_and_keeps_it(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db", max_bytes=8 << 20)
    log = tmp_path / "agent.db-wal"
    pages = wal_pages(8 << 20)
    sizes = {log.stat().st_size}
    for number in range(60):
        key = WindowKey("flight-delay", Labels.of(), Window(number, number + 60))
        buffer.commit_deltas([Delta(key, os.urandom(8000), 1)], {b"w": number})
        ids = [partial.id for partial in buffer.partials(key)]
        rows = [NewRow("sample", os.urandom(8000))] * 3
        assert buffer.close_windows([Closing(key, ids, rows)], buffer.generation)
        buffer.settle()
        sizes.add(log.stat().st_size)
    assert len(sizes) == 1
    assert pages * PAGE_BYTES <= sizes.pop() <= (pages + 16) * FRAME_BYTES
    buffer.close()


def test_the_file_is_never_larger_than_its_cap(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "agent.db", 1 << 20)
    many = [Delta(KEY, os.urandom(3000))] * 1000
    with pytest.raises(sqlite3.OperationalError, match="full"):
        ledger.commit_deltas(many, {})
    ledger.commit_deltas(many[:200], {})
    ledger.settle()
    assert (tmp_path / "agent.db").stat().st_size <= 1 << 20
    ledger.close()


# How much of a disk it takes


def a_disk(monkeypatch: pytest.MonkeyPatch, *, total: int, free: int) -> None:
    found = SimpleNamespace(f_frsize=4096, f_blocks=total // 4096, f_bavail=free // 4096)
    monkeypatch.setattr("nilometer_agent.outbox.disk_space.os.statvfs", lambda _: found)


def test_the_cap_is_half_of_what_is_free_where_that_is_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent.db"
    a_disk(monkeypatch, total=10 << 30, free=1 << 30)
    assert allowed_bytes(path, 256 << 20) == 256 << 20
    a_disk(monkeypatch, total=10 << 30, free=100 << 20)
    assert allowed_bytes(path, 256 << 20) == 50 << 20
    path.write_bytes(bytes(20 << 20))  # its own bytes count as free: they may be used again
    assert allowed_bytes(path, 256 << 20) == 60 << 20
    a_disk(monkeypatch, total=10 << 30, free=0)
    path.unlink()
    assert allowed_bytes(path, 256 << 20) == disk_space.LEAST_BYTES


def test_a_disk_that_others_fill_is_left_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_disk(monkeypatch, total=1 << 30, free=200 << 20)
    assert not is_scarce(tmp_path, 300 << 20)  # a fifth is free
    a_disk(monkeypatch, total=1 << 30, free=40 << 20)
    assert is_scarce(tmp_path, 300 << 20)  # under a twentieth, and the outbox would take it
    assert not is_scarce(tmp_path, 10 << 20)


def test_a_scarce_disk_holds_the_outbox_at_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = Counters()
    buffer = Buffer(tmp_path / "agent.db", SteppedClock(), counters, max_bytes=64 << 20)
    a_disk(monkeypatch, total=1 << 30, free=40 << 20)
    buffer.maintain()
    size = (tmp_path / "agent.db").stat().st_size
    for number in range(200):
        row = NewRow("sample", number.to_bytes(2, "big") + bytes(2000), 1)
        assert buffer.close_windows([Closing(KEY, [], [row] * 5)], buffer.generation)
        buffer.settle()
    assert (tmp_path / "agent.db").stat().st_size <= size + 16 * PAGE_BYTES
    dropped = counters.snapshot()["rows_dropped_for_space"]
    assert dropped > 0
    assert dropped + buffer.queued() == 1000
    buffer.close()


def test_the_ballast_is_two_logs_thrown_off_and_taken_again(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db", max_bytes=16 << 20)
    file = tmp_path / "agent.ballast"
    assert file.stat().st_size == 2 * wal_pages(16 << 20) * PAGE_BYTES
    assert file.stat().st_blocks * 512 >= file.stat().st_size  # it really takes the room
    ballast = Ballast(file, file.stat().st_size)
    assert ballast.is_there
    assert ballast.release()
    assert not ballast.release()
    buffer.maintain()
    assert ballast.is_there
    buffer.close()


def test_no_ballast_is_taken_from_a_disk_that_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ballast = Ballast(tmp_path / "agent.ballast", 1 << 20)
    a_disk(monkeypatch, total=1 << 30, free=(2 << 20) - 4096)
    ballast.restore()
    assert not ballast.is_there
    a_disk(monkeypatch, total=1 << 30, free=2 << 20)
    ballast.restore()
    assert ballast.is_there
