"""Rows count once, whatever the network does; nothing is half stored."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.alert import Evaluation
from nilometer.testing import SteppedClock
from nilometer.values.errors import ConfigError
from nilometer.values.labels import LabelFilter
from nilometer.wire.samples import sample_to_bytes
from nilometer_collector.api.resources.entities import entity_view
from nilometer_collector.api.resources.samples import samples_view
from nilometer_collector.query.query import Query
from nilometer_collector.query.records import SamplesQuestion
from nilometer_collector.store import Arrival, SampleRow, Shipment, Store
from nilometer_collector.store.alerts import Alerts
from nilometer_collector.testing import ENTITY, an_evaluation, feature_sample, minute

EPOCH = b"e" * 16


def arrival(sequence: int) -> Arrival:
    """The row of *sequence*: what it holds depends on that alone."""
    sample = feature_sample(
        [float(sequence), sequence / 7, None, 1e9 * sequence], window=minute(sequence % 3)
    )
    return Arrival(
        sequence=sequence, content=SampleRow(sample=sample, payload=sample_to_bytes(sample))
    )


def ship(store: Store, arrivals: Sequence[Arrival], oldest_held: int = 0) -> tuple[int, int]:
    shipment = Shipment(agent="pod-1", epoch=EPOCH, oldest_held=oldest_held, arrivals=arrivals)
    shipped = store.ship(shipment, SteppedClock().now_ns())
    return shipped.stored, shipped.repeated


def answer(store: Store) -> bytes:
    """Everything that a reader can see."""
    query = Query(store, SteppedClock())
    question = SamplesQuestion(entity=ENTITY, summary="input.amount", labels=LabelFilter())
    samples = samples_view(question, query.samples(question))
    return msgspec.json.encode([samples, [entity_view(entity) for entity in query.entities()]])


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    """A count of rows, and calls that bring each of them at least once, in any order."""
    count = draw(st.integers(1, 12))
    again = draw(st.lists(st.integers(1, count), max_size=12))
    order = draw(st.permutations([*range(1, count + 1), *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    bounds = zip([0, *cuts], [*cuts, len(order)], strict=True)
    return count, [list(order[start:end]) for start, end in bounds]


@given(deliveries())
def test_any_resend_and_reorder_of_rows_gives_the_same_answer(
    delivery: tuple[int, list[list[int]]],
) -> None:
    count, calls = delivery
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        orderly, wild = Store(Path(one) / "a.db"), Store(Path(other) / "b.db")
        try:
            ship(orderly, [arrival(number) for number in range(1, count + 1)])
            shipped = [ship(wild, [arrival(number) for number in call]) for call in calls]
            assert answer(wild) == answer(orderly)
            assert sum(stored for stored, _ in shipped) == count
            assert sum(sum(pair) for pair in shipped) == sum(map(len, calls))
        finally:
            orderly.close()
            wild.close()


def test_a_mark_that_the_agent_raised_completes_missing_sequences(store: Store) -> None:
    assert ship(store, [arrival(5)]) == (1, 0)
    assert ship(store, [arrival(9)], oldest_held=9) == (1, 0)
    assert ship(store, [arrival(number) for number in (3, 5, 8, 9)]) == (0, 4)
    assert ship(store, [arrival(10)]) == (1, 0)


def test_only_the_gaps_are_remembered_one_by_one(store: Store, database: Path) -> None:
    ship(store, [arrival(number) for number in (1, 2, 4, 6)])
    ship(store, [arrival(3)])
    with sqlite3.connect(database) as reader:
        marks = reader.execute("SELECT high_water FROM streams").fetchall()
        ahead = reader.execute("SELECT sequence FROM stream_ahead").fetchall()
    reader.close()
    assert (marks, ahead) == ([(4,)], [(6,)])


def test_equal_sequences_of_other_agents_and_epochs_are_other_rows(store: Store) -> None:
    for agent, epoch in (("pod-1", b"1" * 16), ("pod-1", b"2" * 16), ("pod-2", b"1" * 16)):
        shipment = Shipment(agent=agent, epoch=epoch, oldest_held=1, arrivals=[arrival(1)])
        assert store.ship(shipment, 1).stored == 1


def test_a_call_that_fails_half_way_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Alerts, evaluation: Evaluation, agent: str, now_ns: int) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    before = answer_or_none(store)
    judgement = Arrival(sequence=2, content=an_evaluation(0.5, 1))
    with monkeypatch.context() as patch:
        patch.setattr(Alerts, "judge", fail)
        with pytest.raises(Exception, match="disk I/O error"):
            ship(store, [arrival(1), judgement, arrival(3)])
    assert answer_or_none(store) == before == []
    assert ship(store, [arrival(1), judgement, arrival(3)]) == (3, 0)


def answer_or_none(store: Store) -> list[object]:
    return list(store.samples.series())


def test_what_was_stored_is_there_after_reopening(database: Path) -> None:
    first = Store(database)
    ship(first, [arrival(1), arrival(2)])
    before = answer(first)
    first.close()
    second = Store(database)
    assert answer(second) == before
    assert ship(second, [arrival(2)]) == (0, 1)
    second.close()


def test_a_sample_that_fails_its_checksum_is_left_out_and_logged(
    store: Store, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ship(store, [arrival(1), arrival(2)])
    with sqlite3.connect(database) as writer:
        writer.execute("UPDATE samples SET payload = zeroblob(40) WHERE sequence = 1")
    writer.close()
    query = Query(store, SteppedClock())
    samples = query.samples(SamplesQuestion(entity=ENTITY, summary="input.amount")).samples
    assert [compared.sample.coverage.seen for compared in samples] == [4]
    assert "stored row left out, its checksum does not match: check the disk" in caplog.text


def test_the_file_and_its_folder_are_for_their_owner_only(store: Store, database: Path) -> None:
    assert (database.stat().st_mode & 0o777, database.parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )


def test_the_store_is_durable_by_its_settings(store: Store) -> None:
    pragmas = [store._database.row(f"PRAGMA {name}") for name in ("journal_mode", "synchronous")]
    assert pragmas == [("wal",), (2,)]


def test_a_database_of_a_newer_version_is_refused(database: Path) -> None:
    Store(database).close()
    with sqlite3.connect(database) as writer:
        writer.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('nilometer_collector', 'from_the_future', '')"
        )
    writer.close()
    with pytest.raises(ConfigError, match=r"newer nilometer.*from_the_future"):
        Store(database)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but dear to someone" * 100)
    with pytest.raises(ConfigError, match="file is not a database"):
        Store(file)
    assert file.read_text().startswith("not a database")
