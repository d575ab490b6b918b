"""The SQLite file: for its owner, durable, for one collector, of this version or an older one."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.shipping import Agents

from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.window import Window
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.store import Store, open_store
from nilometer_collector.store.sqlite import SqliteStore, alerts
from nilometer_collector.testing import ENTITY, START_NS


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    store = open_store(database, "")
    yield store
    store.close()


def test_the_file_and_its_folder_are_for_their_owner_only(store: Store, database: Path) -> None:
    assert (database.stat().st_mode & 0o777, database.parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )


def test_the_store_is_durable_by_its_settings(store: Store) -> None:
    assert isinstance(store, SqliteStore)
    pragmas = [store._database.row(f"PRAGMA {name}") for name in ("journal_mode", "synchronous")]
    assert pragmas == [("wal",), (2,)]


def test_a_file_in_use_is_refused(store: Store, database: Path) -> None:
    with pytest.raises(ConfigError, match="is in use by another collector"):
        SqliteStore(database)


def test_a_database_of_a_newer_version_is_refused(database: Path) -> None:
    SqliteStore(database).close()
    with sqlite3.connect(database) as writer:
        writer.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('nilometer_collector', 'from_the_future', '')"
        )
    writer.close()
    with pytest.raises(ConfigError, match=r"newer nilometer.*from_the_future"):
        SqliteStore(database)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but dear to someone" * 100)
    with pytest.raises(ConfigError, match="file is not a database"):
        SqliteStore(file)
    assert file.read_text().startswith("not a database")


def test_an_episode_that_a_person_closes_meanwhile_does_not_expire(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = Agents(store)
    agents.say("pod-1", 0.5, 1)
    (episode,) = store.alerts.episodes()
    normal = Decision(
        kind=DecisionKind.NEW_NORMAL, author="alice", reason="a sale", made_ns=START_NS
    )

    def window(start_ns: int, end_ns: int) -> Window:
        store.decisions.make(ENTITY, episode.id, normal)
        return Window(start_ns, end_ns)

    monkeypatch.setattr(alerts, "Window", window)
    store.alerts.expire(START_NS + 86_400 * NANOSECONDS, 0)
    assert agents.statuses == [["ALERTING", "PAUSED"]]
