"""Logged predictions have an outbox of their own, which never takes the place of summaries."""

import base64
import sqlite3
import sys
from pathlib import Path

import pytest

from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.outlets import PredictionOutlet
from nilometer_agent.outbox.rows import Closing, Delta, LoggedRows, NewRow, WindowKey
from nilometer_agent.outbox.sealing import NoSeal, Seal, seal_of

KEY = WindowKey("tested", Labels.of(), Window(0, 60))


def log(buffer: Buffer, *payloads: bytes, most_bytes: int = 1 << 20) -> None:
    rows = [NewRow("predictions", payload, 2) for payload in payloads]
    buffer.commit_deltas([Delta(KEY, b"delta", 1)], {}, LoggedRows(rows, most_bytes))


def payloads(buffer: Buffer) -> list[bytes]:
    rows, _ = PredictionOutlet(buffer, Counters()).oldest(1000, 1 << 30)
    return [row.payload for row in rows]


def queue(buffer: Buffer, count: int, size: int) -> None:
    rows = [NewRow("sample", bytes(size), 1) for _ in range(count)]
    buffer.close_windows([Closing(KEY, [], rows)], buffer.generation)
    buffer.settle()


def test_predictions_stay_until_they_are_acknowledged(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    log(buffer, b"one", b"two")
    log(buffer, b"three")
    buffer.close()
    buffer = Buffer(tmp_path / "agent.db")
    outlet = PredictionOutlet(buffer, Counters())
    rows, _ = outlet.oldest(2, 1 << 20)
    assert [row.payload for row in rows] == [b"one", b"two"]
    assert outlet.acknowledge(rows, {}) == set()
    assert payloads(buffer) == [b"three"]
    assert buffer.gauges()["predictions_in_outbox"] == 2


def test_beyond_its_limit_the_oldest_predictions_are_dropped_and_counted(tmp_path: Path) -> None:
    counters = Counters()
    buffer = Buffer(tmp_path / "agent.db", counters=counters)
    queue(buffer, 3, 100)
    for number in range(10):
        log(buffer, bytes([number]) * 100, most_bytes=350)
    assert payloads(buffer) == [bytes([number]) * 100 for number in (7, 8, 9)]
    assert buffer.queued() == 3
    counts = counters.snapshot()
    assert (counts["predictions_logged"], counts["predictions_dropped"]) == (20, 14)
    assert counts["rows_dropped_for_space"] == 0
    assert buffer.gauges()["predictions_in_outbox"] == 6


def test_in_a_full_file_predictions_go_before_summaries(tmp_path: Path) -> None:
    counters = Counters()
    buffer = Buffer(tmp_path / "agent.db", counters=counters, max_bytes=2 << 20)
    for _ in range(10):
        log(buffer, bytes(60_000))
    for _ in range(20):
        queue(buffer, 1, 60_000)
        buffer.make_room()
    assert counters.snapshot()["predictions_dropped"] > 0
    assert counters.snapshot()["rows_dropped_for_space"] == 0
    assert buffer.queued() == 20


def test_a_row_that_was_dropped_while_it_was_sent_counts_once(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    log(buffer, b"old" * 100)
    outlet = PredictionOutlet(buffer, Counters())
    rows, _ = outlet.oldest(10, 1 << 20)
    log(buffer, b"new" * 100, most_bytes=300)
    assert outlet.acknowledge(rows, {}) == {rows[0].id}
    assert payloads(buffer) == [b"new" * 100]


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "key"
    path.write_bytes(base64.b64encode(bytes(range(32))) + b"\n")
    return str(path)


def test_with_a_key_the_disk_holds_no_prediction(tmp_path: Path, key_file: str) -> None:
    pytest.importorskip("cryptography", reason="the extra `encryption` is not installed")
    buffer = Buffer(tmp_path / "agent.db", seal=seal_of(key_file))
    log(buffer, b"a secret score of 0.75")
    assert payloads(buffer) == [b"a secret score of 0.75"]
    buffer.close()
    for file in tmp_path.glob("agent*"):
        assert b"secret" not in file.read_bytes()


def test_without_their_key_predictions_are_dropped_and_counted(
    tmp_path: Path, key_file: str
) -> None:
    pytest.importorskip("cryptography", reason="the extra `encryption` is not installed")
    buffer = Buffer(tmp_path / "agent.db", seal=seal_of(key_file))
    log(buffer, b"sealed")
    buffer.close()
    other = tmp_path / "other"
    other.write_bytes(bytes(32))
    seals: list[Seal] = [NoSeal(), seal_of(str(other))]
    for seal in seals:
        with pytest.raises(Exception, match="encrypted"):
            seal.open(seal_of(key_file).seal(b"sealed"))
    counters = Counters()
    buffer = Buffer(tmp_path / "agent.db", counters=counters)
    log(buffer, b"plain")
    outlet = PredictionOutlet(buffer, counters)
    assert [row.payload for row in outlet.oldest(10, 1 << 20)[0]] == [b"plain"]
    assert counters.snapshot()[Counter.PREDICTIONS_DROPPED.value] == 2
    assert buffer.gauges()["predictions_in_outbox"] == 2


@pytest.mark.parametrize("content", [b"", b"short", b"not base64 !!!", bytes(33)])
def test_a_wrong_key_file_is_a_plain_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="32 random bytes"):
        seal_of(str(path))
    with pytest.raises(ConfigError, match="No such file"):
        seal_of(str(tmp_path / "missing"))


def test_a_missing_package_is_a_plain_error(
    tmp_path: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ConfigError, match="nilometer\\[encryption\\]"):
        seal_of(key_file)


def test_a_file_of_the_earlier_schema_is_opened(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "agent.db")
    queue(buffer, 2, 10)
    buffer.close()
    with sqlite3.connect(tmp_path / "agent.db") as earlier:
        earlier.execute("DROP TABLE predictions")
        earlier.execute("DELETE FROM _sqlite_migrations WHERE name = 'create_predictions'")
    earlier.close()
    buffer = Buffer(tmp_path / "agent.db")
    log(buffer, b"one")
    assert (payloads(buffer), buffer.queued()) == ([b"one"], 2)
