import sqlite3
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nilometer.labels import Labels
from nilometer.window import Window
from nilometer_agent.buffer import Buffer, WindowKey

KEY = WindowKey("flight-delay", Labels.of(region="eu"), Window(0, 60))


@pytest.fixture
def buffer(tmp_path: Path) -> Buffer:
    return Buffer(tmp_path / "agent.db")


def test_the_file_is_durable_before_anything_is_acknowledged(buffer: Buffer) -> None:
    (mode,) = buffer._connection.execute("PRAGMA journal_mode").fetchone()
    (level,) = buffer._connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, level) == ("wal", 2)  # FULL


def test_deltas_and_the_batches_in_them_are_stored_together(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    buffer.commit_deltas([(KEY, b"one"), (KEY, b"two")], {b"w": 7}, now_ns=1)
    buffer.close()
    again = Buffer(tmp_path / "agent.db")
    assert again.open_windows() == [KEY]
    assert [payload for _, payload in again.partials(KEY)[0]] == [b"one", b"two"]
    assert again.worker_sequences() == {b"w": 7}


def test_an_older_batch_never_lowers_a_workers_mark(buffer: Buffer) -> None:
    buffer.commit_deltas([], {b"w": 7}, now_ns=1)
    buffer.commit_deltas([], {b"w": 3}, now_ns=2)
    assert buffer.worker_sequences() == {b"w": 7}


def test_closing_a_window_keeps_what_came_meanwhile(buffer: Buffer) -> None:
    buffer.commit_deltas([(KEY, b"one")], {}, now_ns=1)
    (partials, _) = buffer.partials(KEY)
    buffer.commit_deltas([(KEY, b"late")], {}, now_ns=2)
    buffer.close_window(KEY, partials[-1][0], [("sample", b"merged")])
    assert [payload for _, payload in buffer.partials(KEY)[0]] == [b"late"]
    assert [row.payload for row in buffer.oldest(10, 1 << 20)[0]] == [b"merged"]
    assert buffer.closed_until("flight-delay", Labels.of(region="eu")) == 60


def test_a_sequence_never_starts_again_after_the_outbox_ran_empty(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    buffer.close_window(KEY, 0, [("sample", b"a"), ("sample", b"b")])
    buffer.acknowledge([1, 2], {})
    buffer.close()
    again = Buffer(tmp_path / "agent.db")
    again.close_window(KEY, 0, [("sample", b"c")])
    assert [row.sequence for row in again.oldest(10, 1 << 20)[0]] == [3]


def test_the_epoch_names_the_file(tmp_path: Path) -> None:
    first = Buffer(tmp_path / "a.db").epoch
    assert len(first) == 16
    assert Buffer(tmp_path / "a.db").epoch == first
    assert Buffer(tmp_path / "b.db").epoch != first


def test_a_flipped_bit_is_reported_and_never_sent(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    buffer.close_window(KEY, 0, [("sample", b"good"), ("sample", b"spoilt"), ("sample", b"fine")])
    buffer.commit_deltas([(KEY, b"partial")], {}, now_ns=1)
    buffer.close()
    with sqlite3.connect(tmp_path / "agent.db") as raw:
        raw.execute("UPDATE outbox SET payload = X'00' WHERE sequence = 2")
        raw.execute("UPDATE partials SET payload = 'Partial'")
    raw.close()
    again = Buffer(tmp_path / "agent.db")
    rows, corrupt = again.oldest(10, 1 << 20)
    assert ([row.payload for row in rows], corrupt) == ([b"good", b"fine"], [2])
    assert again.partials(KEY) == ([], 1)


def test_a_rejected_row_goes_to_quarantine_and_lets_the_rest_pass(buffer: Buffer) -> None:
    buffer.close_window(KEY, 0, [("sample", b"a"), ("sample", b"b")])
    buffer.acknowledge([1, 2], {1: "no content"})
    kept = buffer._connection.execute("SELECT sequence, reason, payload FROM quarantine").fetchall()
    assert kept == [(1, "no content", b"a")]
    assert buffer.queued() == 0


def test_a_batch_is_bounded_by_bytes_but_never_empty(buffer: Buffer) -> None:
    buffer.close_window(KEY, 0, [("sample", b"x" * 100)] * 5)
    assert len(buffer.oldest(10, 250)[0]) == 2
    assert len(buffer.oldest(10, 1)[0]) == 1


def test_a_failed_transaction_stores_nothing(buffer: Buffer) -> None:
    with pytest.raises(sqlite3.Error):
        buffer.close_window(KEY, 0, [("sample", b"a"), (None, b"b")])  # type: ignore[list-item]
    assert buffer.queued() == 0
    assert buffer.closed_until("flight-delay", KEY.labels) == 0


class PutCrashAcknowledge(RuleBasedStateMachine):
    """Whatever the order of puts, crashes and acknowledgements: no row is lost or invented."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self._directory = tempfile.TemporaryDirectory()
        self._path = Path(self._directory.name) / "agent.db"
        self._buffer = Buffer(self._path)
        self._model: dict[int, bytes] = {}
        self._next = 1

    @rule(payloads=st.lists(st.binary(min_size=1, max_size=8), max_size=4))
    def put(self, payloads: list[bytes]) -> None:
        self._buffer.close_window(KEY, 0, [("sample", payload) for payload in payloads])
        for payload in payloads:
            self._model[self._next] = payload
            self._next += 1

    @rule(count=st.integers(0, 5))
    def acknowledge(self, count: int) -> None:
        sequences = [row.sequence for row in self._buffer.oldest(count, 1 << 20)[0]]
        self._buffer.acknowledge(sequences, {})
        for sequence in sequences:
            del self._model[sequence]

    @rule()
    def crash(self) -> None:
        self._buffer.close()
        self._buffer = Buffer(self._path)

    @invariant()
    def holds_exactly_the_model(self) -> None:
        rows, corrupt = self._buffer.oldest(10_000, 1 << 30)
        assert {row.sequence: row.payload for row in rows} == self._model
        assert corrupt == []

    def teardown(self) -> None:
        self._buffer.close()
        self._directory.cleanup()


PutCrashAcknowledge.TestCase.settings = PutCrashAcknowledge.TestCase.settings.__class__(
    max_examples=20, stateful_step_count=20, deadline=None
)
TestPutCrashAcknowledge = PutCrashAcknowledge.TestCase
