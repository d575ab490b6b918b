import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox import marks
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.policy import WhenFull
from nilometer_agent.outbox.queued import Queue
from nilometer_agent.outbox.rows import Closing, Delta, Lost, NewRow, WindowKey
from nilometer_agent.outbox.salvage import salvage

KEY = WindowKey("flight-delay", Labels.of(region="eu"), Window(0, 60))
LATER = WindowKey("flight-delay", Labels.of(region="eu"), Window(60, 120))


@pytest.fixture
def buffer(tmp_path: Path) -> Buffer:
    return Buffer(tmp_path / "agent.db")


def put(buffer: Buffer, *payloads: bytes, key: WindowKey = KEY) -> None:
    rows = [NewRow("sample", payload, 1) for payload in payloads]
    ids = [partial.id for partial in buffer.partials(key)]
    assert buffer.close_windows([Closing(key, ids, rows)], buffer.generation)
    buffer.settle()


def payloads(buffer: Buffer) -> list[bytes]:
    return [row.payload for row in buffer.oldest(10_000, 1 << 30)[0]]


def acknowledge(buffer: Buffer, most: int = 10_000) -> None:
    buffer.acknowledge(buffer.oldest(most, 1 << 30)[0], {})


def test_the_file_is_durable_before_anything_is_acknowledged(buffer: Buffer) -> None:
    read = buffer._ledger.database.connection.execute
    (mode,) = read("PRAGMA journal_mode").fetchone()
    (level,) = read("PRAGMA synchronous").fetchone()
    assert (mode, level) == ("wal", 2)  # FULL


def test_deltas_and_the_batches_in_them_are_stored_together(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    buffer.commit_deltas([Delta(KEY, b"one"), Delta(KEY, b"two")], {b"w": 7})
    buffer.close()
    again = Buffer(tmp_path / "agent.db")
    assert again.open_windows() == [KEY]
    assert [partial.payload for partial in again.partials(KEY)] == [b"one", b"two"]
    assert again.worker_sequences() == {b"w": 7}


def test_an_older_batch_never_lowers_a_workers_mark(buffer: Buffer) -> None:
    buffer.commit_deltas([], {b"w": 7})
    buffer.commit_deltas([], {b"w": 3})
    assert buffer.worker_sequences() == {b"w": 7}


def test_workers_that_are_silent_for_long_are_forgotten(buffer: Buffer) -> None:
    buffer.commit_deltas([], {b"old": 7})
    buffer.commit_deltas([], {b"new": 3})
    buffer.commit_deltas([], {b"old": 8})
    buffer.forget_workers(keep=1)
    assert buffer.worker_sequences() == {b"old": 8}


def test_closing_a_window_keeps_what_came_meanwhile(buffer: Buffer) -> None:
    buffer.commit_deltas([Delta(KEY, b"one")], {})
    partials = list(buffer.partials(KEY))
    buffer.commit_deltas([Delta(KEY, b"late")], {})
    closing = Closing(KEY, [partials[0][0]], [NewRow("sample", b"merged")])
    assert buffer.close_windows([closing], buffer.generation)
    buffer.settle()
    assert [partial.payload for partial in buffer.partials(KEY)] == [b"late"]
    assert payloads(buffer) == [b"merged"]
    assert buffer.closed_until("flight-delay", Labels.of(region="eu")) == 60


def test_marks_of_judged_windows_are_so_many_and_no_more(
    buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MAX_CLOSED", 20)
    for at in range(100):
        key = WindowKey(f"e{at}", Labels(), Window(60 * at, 60 * at + 60))
        buffer.commit_deltas([Delta(key, b"one")], {})
        put(buffer, b"row", key=key)
    assert len(buffer._ledger.marks.closed) <= 20
    assert buffer.closed_until("e99", Labels()) == 6000
    assert buffer.closed_until("e0", Labels()) == 0
    buffer.close()
    again = Buffer(buffer.path)
    assert again.closed_until("e99", Labels()) == 6000
    assert len(again._ledger.marks.closed) <= 20


def test_a_window_that_was_read_before_the_file_changed_is_not_closed(buffer: Buffer) -> None:
    buffer.commit_deltas([Delta(KEY, b"one")], {})
    ids = [partial.id for partial in buffer.partials(KEY)]
    closing = Closing(KEY, ids, [NewRow("sample", b"merged")])
    assert not buffer.close_windows([closing], buffer.generation - 1)
    assert buffer.queued() == 0
    assert buffer.open_windows() == [KEY]


def test_nothing_is_shipped_that_stands_in_the_log_only(tmp_path: Path) -> None:
    """A log may lose its end to damage; what it said is undone, and must not have been shipped."""
    path = tmp_path / "agent.db"
    buffer = Buffer(path)
    buffer.commit_deltas([Delta(KEY, b"delta", 1)], {})
    buffer.settle()
    ids = [partial.id for partial in buffer.partials(KEY)]
    buffer.close_windows([Closing(KEY, ids, [NewRow("sample", b"row", 1)])], buffer.generation)
    assert payloads(buffer) == []
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())  # what is left when the log is lost
    assert {table for table, _ in salvage(copy)} >= {"partials"}
    assert "outbox" not in {table for table, _ in salvage(copy)}
    buffer.settle()
    assert payloads(buffer) == [b"row"]
    copy.write_bytes(path.read_bytes())
    found = dict(salvage(copy))
    assert "partials" not in found
    assert found["outbox"][-1] == b"row"


def test_a_pair_of_epoch_and_sequence_is_never_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    buffer = Buffer(path)
    put(buffer, b"a", b"b")
    before = path.read_bytes()
    given = {(row.epoch, row.sequence) for row in buffer.oldest(10, 1 << 20)[0]}
    acknowledge(buffer)
    put(buffer, b"c")
    given |= {(row.epoch, row.sequence) for row in buffer.oldest(10, 1 << 20)[0]}
    assert len(given) == 3
    buffer.close()
    path.write_bytes(before)  # restored from an older copy
    again = Buffer(path)
    put(again, b"d", b"e")
    rows = {}
    while again.queued():
        found, _ = again.oldest(10, 1 << 20)
        rows.update({row.payload: (row.epoch, row.sequence) for row in found})
        again.acknowledge(found, {})
    assert {rows[b"a"], rows[b"b"]} < given
    assert not {rows[b"d"], rows[b"e"]} & given


def test_a_batch_is_of_one_epoch(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    put(buffer, b"a")
    buffer.close()
    again = Buffer(tmp_path / "agent.db")
    put(again, b"b")
    assert payloads(again) == [b"a"]
    acknowledge(again)
    assert payloads(again) == [b"b"]


def test_a_flipped_bit_is_reported_and_never_sent(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    buffer = Buffer(path)
    put(buffer, b"good", b"spoilt", b"fine")
    buffer.commit_deltas([Delta(KEY, b"partial")], {})
    buffer.close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE outbox SET payload = X'00' WHERE payload = X'73706f696c74'")
        raw.execute("UPDATE partials SET payload = 'Partial'")
    raw.close()
    counters = Counters()
    again = Buffer(path, counters=counters)
    rows, corrupt = again.oldest(10, 1 << 20)
    assert [row.payload for row in rows] == [b"good", b"fine"]
    assert len(corrupt) == 1
    assert again.open_windows() == []
    assert counters.snapshot()["rows_corrupt"] == 1  # the partial; the other is counted when met


@pytest.mark.parametrize("column", ["epoch", "sequence", "kind", "observations", "id"])
def test_a_row_in_another_place_is_not_the_row(tmp_path: Path, column: str) -> None:
    path = tmp_path / "agent.db"
    buffer = Buffer(path)
    put(buffer, b"row")
    buffer.close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"UPDATE outbox SET {column} = 77")
    raw.close()
    rows, corrupt = Buffer(path).oldest(10, 1 << 20)
    assert (rows, len(corrupt)) == ([], 0 if column == "id" else 1) or len(corrupt) == 1


def test_a_rejected_row_goes_to_quarantine_and_lets_the_rest_pass(buffer: Buffer) -> None:
    put(buffer, b"a", b"b")
    rows, _ = buffer.oldest(10, 1 << 20)
    buffer.acknowledge(rows, {rows[0].id: "no content"})
    kept = buffer._ledger.database.connection.execute(
        "SELECT sequence, reason, payload FROM quarantine"
    )
    assert kept.fetchall() == [(1, "no content", b"a")]
    assert buffer.queued() == 0
    assert buffer.gauges()["rows_in_quarantine"] == 1


def test_quarantine_is_bounded(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db", max_bytes=4 << 20)
    for _ in range(6):
        put(buffer, *[bytes(2000)] * 200)
        rows, _ = buffer.oldest(1000, 1 << 30)
        buffer.acknowledge(rows, {row.id: "poison" for row in rows})
    held = buffer.gauges()["rows_in_quarantine"]
    assert 0 < held * 2000 <= (4 << 20) // 8


def test_a_batch_is_bounded_by_bytes_but_never_empty(buffer: Buffer) -> None:
    put(buffer, *[b"x" * 100] * 5)
    assert len(buffer.oldest(10, 250)[0]) == 2
    assert len(buffer.oldest(10, 1)[0]) == 1


def test_a_failed_transaction_stores_nothing(buffer: Buffer) -> None:
    buffer.commit_deltas([Delta(KEY, b"one", 3)], {})
    ids = [partial.id for partial in buffer.partials(KEY)]
    rows = [NewRow("sample", b"a"), NewRow(object(), b"b")]  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        buffer.close_windows([Closing(KEY, ids, rows)], buffer.generation)
    assert buffer.queued() == 0
    assert buffer.closed_until("flight-delay", KEY.labels) == 0
    assert buffer.open_windows() == [KEY]


def test_at_the_cap_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    counters = Counters()
    buffer = Buffer(tmp_path / "agent.db", counters=counters, max_bytes=2 << 20)
    for number in range(100):
        put(buffer, *[number.to_bytes(2, "big") + bytes(1500) for _ in range(40)])
        buffer.make_room()
    dropped = counters.snapshot()["rows_dropped_for_space"]
    assert dropped > 0
    assert dropped + buffer.queued() == 4000
    assert counters.snapshot()["observations_dropped_for_space"] == dropped
    assert (tmp_path / "agent.db").stat().st_size <= 2 << 20
    assert int.from_bytes(payloads(buffer)[-1][:2], "big") == 99  # the newest is there


def test_what_is_dropped_while_it_is_on_its_way_is_in_the_accounts_once(tmp_path: Path) -> None:
    counters = Counters()
    buffer = Buffer(tmp_path / "agent.db", counters=counters, max_bytes=2 << 20)
    put(buffer, *[bytes(1500)] * 40)
    sent, _ = buffer.oldest(1000, 1 << 20)
    while not (dropped := counters.snapshot()["rows_dropped_for_space"]):
        put(buffer, *[bytes(1500)] * 40)
        buffer.make_room()
    assert dropped >= len(sent) == 40
    assert buffer.acknowledge(sent, {}) == {row.id for row in sent}
    again, _ = buffer.oldest(1000, 1 << 20)
    assert buffer.acknowledge(again, {}) == set()


def test_a_disk_that_is_full_for_an_acknowledgement_drops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = Counters()
    buffer = Buffer(tmp_path / "agent.db", counters=counters)
    put(buffer, b"sent", b"kept")
    sent = buffer.oldest(1, 1 << 20)[0]
    real, refusals = Queue.acknowledge, [True, True]

    def full(queue: Queue, ids: Iterable[int], rejected: dict[int, str]) -> Lost:
        if refusals:
            refusals.pop()
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return real(queue, ids, rejected)

    monkeypatch.setattr(Queue, "acknowledge", full)
    assert buffer.acknowledge(sent, {}) == set()
    assert not refusals
    assert payloads(buffer) == [b"kept"]
    assert counters.snapshot()["rows_dropped_for_space"] == 0


def test_a_buffer_that_refuses_keeps_what_it_has(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db", max_bytes=2 << 20, when_full=WhenFull.REFUSE)
    stored = 0
    for _ in range(100):
        try:
            put(buffer, *[bytes(1500)] * 40)
        except sqlite3.OperationalError as error:
            assert "full" in str(error)
            break
        buffer.make_room()
        stored += 40
    assert 0 < buffer.queued() == stored < 4000
    acknowledge(buffer)
    put(buffer, b"there is room again")


def test_a_file_that_is_deleted_under_us_is_made_anew_with_all_that_was_in_it(
    tmp_path: Path,
) -> None:
    counters = Counters()
    path = tmp_path / "agent.db"
    buffer = Buffer(path, counters=counters)
    put(buffer, b"before")
    epoch = buffer.epoch
    for name in ("agent.db", "agent.db-wal"):
        (tmp_path / name).unlink()
    buffer.commit_deltas([Delta(LATER, b"after")], {b"w": 3})
    assert path.exists()
    assert buffer.epoch != epoch
    assert counters.snapshot()["recoveries"] == 1
    buffer.close()
    again = Buffer(path)
    assert payloads(again) == [b"before"]
    assert again.open_windows() == [LATER]
    assert again.worker_sequences() == {b"w": 3}


@pytest.mark.parametrize("step", ["copied", "moved"])
def test_a_crash_in_the_middle_of_a_recovery_loses_nothing(tmp_path: Path, step: str) -> None:
    path = tmp_path / "agent.db"
    buffer = Buffer(path)
    put(buffer, b"row")
    buffer.close()
    new = Ledger(tmp_path / "agent.db.new", 1 << 20)
    new.take_in(salvage(path), set())
    new.close()
    if step == "moved":
        path.rename(tmp_path / "agent.db.corrupt")
    again = Buffer(path)
    assert payloads(again) == [b"row"]
    assert not (tmp_path / "agent.db.new").exists()


def test_memory_takes_over_and_gives_back(tmp_path: Path) -> None:
    counters, clock = Counters(), SteppedClock()
    directory = tmp_path / "data"
    directory.mkdir()
    buffer = Buffer(directory / "agent.db", clock, counters)
    put(buffer, b"on disk")
    buffer.commit_deltas([Delta(KEY, b"waits")], {b"w": 1})
    away = directory.rename(tmp_path / "away")
    buffer.commit_deltas([Delta(LATER, b"in memory")], {b"w": 2})
    assert not buffer.durable
    assert buffer.worker_sequences() == {b"w": 2}
    assert counters.snapshot()["memory_spells"] == 1
    away.rename(directory)
    buffer.maintain()
    assert not buffer.durable  # not yet: the next probe is due in two seconds
    clock.step(3.0)
    buffer.maintain()
    assert buffer.durable
    assert sorted(key.window for key in buffer.open_windows()) == [KEY.window, LATER.window]
    assert payloads(buffer) == [b"on disk"]
    assert counters.snapshot()["returns_to_disk"] == 1
    held = [partial.payload for key in (KEY, LATER) for partial in buffer.partials(key)]
    assert sorted(held) == [b"in memory", b"waits"]


def refuse_once_after_taking_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk fail right after the next transaction that takes rows in is stored."""
    real = Ledger.take_in

    def stored_but_refused(
        ledger: Ledger, rows: Iterable[tuple[str, tuple[Any, ...]]], without: set[int]
    ) -> int:
        if ledger.path is None:
            return real(ledger, rows, without)
        monkeypatch.setattr(Ledger, "take_in", real)
        real(ledger, rows, without)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Ledger, "take_in", stored_but_refused)


def test_what_a_failed_return_left_on_the_disk_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters, clock = Counters(), SteppedClock()
    buffer = Buffer(tmp_path / "data" / "agent.db", clock, counters)
    buffer.commit_deltas([Delta(KEY, b"in memory")], {b"w": 1})
    assert not buffer.durable
    (tmp_path / "data").mkdir()
    refuse_once_after_taking_in(monkeypatch)
    clock.step(3.0)
    buffer.maintain()
    assert not buffer.durable
    buffer.commit_deltas([Delta(LATER, b"meanwhile")], {b"w": 2})
    clock.step(3.0)
    buffer.maintain()
    assert buffer.durable
    held = [partial.payload for key in (KEY, LATER) for partial in buffer.partials(key)]
    assert held == [b"in memory", b"meanwhile"]


def test_a_new_file_that_the_disk_refused_is_not_taken_for_a_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters, clock = Counters(), SteppedClock()
    buffer = Buffer(tmp_path / "agent.db", clock, counters)
    buffer.commit_deltas([Delta(KEY, b"delta")], {b"w": 1})
    for file in tmp_path.iterdir():
        file.unlink()
    refuse_once_after_taking_in(monkeypatch)
    buffer.commit_deltas([Delta(LATER, b"later")], {b"w": 2})
    assert not buffer.durable
    clock.step(3.0)
    buffer.maintain()
    assert buffer.durable
    held = [partial.payload for key in (KEY, LATER) for partial in buffer.partials(key)]
    assert held == [b"delta", b"later"]


def test_what_was_in_a_deleted_file_goes_on_in_memory(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    counters = Counters()
    buffer = Buffer(directory / "agent.db", SteppedClock(), counters)
    put(buffer, b"row")
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()
    buffer.commit_deltas([Delta(KEY, b"delta")], {b"w": 2})
    assert not buffer.durable
    assert payloads(buffer) == [b"row"]
    assert [partial.payload for partial in buffer.partials(KEY)] == [b"delta"]


def test_memory_is_bounded_and_what_it_drops_is_counted(tmp_path: Path) -> None:
    counters = Counters()
    buffer = Buffer(
        tmp_path / "missing" / "agent.db", SteppedClock(), counters, max_memory_bytes=2 << 20
    )
    assert not buffer.durable
    for _ in range(100):
        put(buffer, *[bytes(1500)] * 40)
    dropped = counters.snapshot()["rows_dropped_for_space"]
    assert dropped > 0
    assert dropped + buffer.queued() == 4000
    assert buffer.gauges()["buffer_bytes"] <= 2 << 20


def fill(buffer: Buffer) -> None:
    """Commit profiles of one window until there is no more room."""
    delta = Delta(KEY, bytes(100_000))
    for _ in range(100):
        try:
            buffer.commit_deltas([delta], {b"w": 1})
        except sqlite3.OperationalError as error:
            assert error.sqlite_errorcode == sqlite3.SQLITE_FULL
            return
    raise AssertionError("never full")


def test_memory_without_room_leaves_the_outbox_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed ledger would fail every transaction from then on."""
    clock = SteppedClock()
    buffer = Buffer(tmp_path / "agent.db", clock, max_bytes=1 << 20)
    take_in = Ledger.take_in

    def without_room(
        ledger: Ledger, rows: Iterable[tuple[str, tuple[Any, ...]]], without: set[int]
    ) -> int:
        if ledger.path is None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return take_in(ledger, rows, without)

    monkeypatch.setattr(Ledger, "take_in", without_room)
    fill(buffer)
    assert buffer.durable
    put(buffer, b"closed")
    assert payloads(buffer) == [b"closed"]
    buffer.commit_deltas([Delta(LATER, bytes(200_000))], {b"w": 2})
    assert buffer.worker_sequences() == {b"w": 2}


def test_a_window_closes_though_its_profiles_fill_the_outbox(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db", max_bytes=1 << 20, when_full=WhenFull.REFUSE)
    fill(buffer)
    put(buffer, bytes(400_000))
    assert [len(payload) for payload in payloads(buffer)] == [400_000]


def test_long_labels_are_known_by_a_digest(tmp_path: Path) -> None:
    labels = Labels.of(**{f"l{at}": "x" * 200 for at in range(60)})
    key = WindowKey("flight-delay", labels, Window(0, 60))
    buffer = Buffer(tmp_path / "agent.db")
    put(buffer, b"row", key=key)
    put(buffer, b"row")
    assert {len(mark) for _, mark in buffer._ledger.marks.closed} == {15, marks.MAX_MARK}
    buffer.close()
    again = Buffer(tmp_path / "agent.db")
    assert again.closed_until("flight-delay", labels) == 60
    assert again.closed_until("flight-delay", KEY.labels) == 60
    assert again.closed_until("flight-delay", Labels.of(region="us")) == 0


class PutCrashAcknowledge(RuleBasedStateMachine):
    """Whatever the order of puts, crashes and acknowledgements: no row is lost or invented."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self._directory = tempfile.TemporaryDirectory()
        self._path = Path(self._directory.name) / "agent.db"
        self._buffer = Buffer(self._path)
        self._model: list[bytes] = []

    @rule(payloads=st.lists(st.binary(min_size=1, max_size=8), max_size=4))
    def put(self, payloads: list[bytes]) -> None:
        put(self._buffer, *payloads)
        self._model.extend(payloads)

    @rule(count=st.integers(0, 5))
    def acknowledge(self, count: int) -> None:
        rows = self._buffer.oldest(count, 1 << 20)[0]
        self._buffer.acknowledge(rows, {})
        del self._model[: len(rows)]

    @rule()
    def crash(self) -> None:
        self._buffer.close()
        self._buffer = Buffer(self._path)

    @invariant()
    def holds_exactly_the_model(self) -> None:
        held = [row for table, row in self._buffer._ledger.everything() if table == "outbox"]
        assert [row[-1] for row in held] == self._model
        assert len({(row[1], row[2]) for row in held}) == len(held)
        assert self._buffer.queued() == len(held)

    def teardown(self) -> None:
        self._buffer.close()
        self._directory.cleanup()


PutCrashAcknowledge.TestCase.settings = PutCrashAcknowledge.TestCase.settings.__class__(
    max_examples=20, stateful_step_count=20, deadline=None
)
TestPutCrashAcknowledge = PutCrashAcknowledge.TestCase
