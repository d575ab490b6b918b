"""A backup has all that was acknowledged before it; a restored one is a store like any other."""

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from support.shipping import numbered, ship

from nilometer.values.errors import ConfigError
from nilometer_collector.access.secret import Secret
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import (
    SampleRow,
    Store,
    back_up_store,
    open_store,
    restore_store,
)
from nilometer_collector.store.sqlite import backup

WAIT_SECONDS = 60.0


class Load:
    """Ships numbered rows from a thread, one in each call, until it is stopped."""

    def __init__(self, store: Store) -> None:
        self.acknowledged = 0  # all rows up to this number
        self._store = store
        self._moved = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._ship)
        self._thread.start()

    def wait(self) -> None:
        """Wait until one more row is acknowledged."""
        with self._moved:
            before = self.acknowledged
            assert self._moved.wait_for(lambda: self.acknowledged > before, WAIT_SECONDS)

    def stop(self) -> None:
        self._ended = True
        self._thread.join()

    def _ship(self) -> None:
        for number in count(1):
            if self._ended:
                return
            ship(self._store, [numbered(number)])
            with self._moved:
                self.acknowledged = number
                self._moved.notify_all()


@pytest.fixture
def live(database: Path) -> Iterator[Store]:
    store = open_store(database, "")
    yield store
    store.close()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def no_pause() -> None:
    """Copy without a pause."""


def rows_of(path: Path, most: int) -> list[int]:
    """Open a store, and return the numbers of its rows, which are at most *most*."""
    with closing(open_store(path, "")) as store:
        return numbers(store, most)


def numbers(store: Store, most: int) -> list[int]:
    known = {}
    for number in range(1, most + 1):
        content = numbered(number).content
        assert isinstance(content, SampleRow)
        known[content.payload] = number
    found = store.samples.read(store.samples.series(), 0, 1 << 62, 1 << 30)
    return sorted(known[payload] for stretch in found for payload in stretch.payloads)


def test_a_backup_under_load_has_every_acknowledged_row(
    live: Store, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row arrives during every step of three copies. A copy is the rows up to some number."""
    monkeypatch.setattr(backup, "PAGES_AT_ONCE", 8)
    load = Load(live)
    before = []
    try:
        for name in "abc":
            load.wait()
            before.append(load.acknowledged)
            back_up_store(database, tmp_path / name, load.wait)
    finally:
        load.stop()
    most = load.acknowledged
    for name, rows in zip("abc", before, strict=True):
        restored = tmp_path / f"restored-{name}" / "collector.db"
        assert restore_store(tmp_path / name, restored, no_pause, replace=False) > 0
        held = len(rows_of(restored, most))
        assert rows <= held < most
        with closing(open_store(restored, "")) as store:
            assert numbers(store, most) == list(range(1, held + 1))
            again = ship(store, [numbered(number) for number in range(1, most + 1)])
            assert (again.repeated, again.stored) == (held, most - held)
            assert numbers(store, most) == list(range(1, most + 1))
            assert store.names_key == live.names_key


def test_a_backup_is_one_private_file(live: Store, database: Path, tmp_path: Path) -> None:
    ship(live, [numbered(1)])
    target = tmp_path / "new" / "backup.db"
    size = back_up_store(database, target, no_pause)
    assert (target.stat().st_size, target.stat().st_mode & 0o777) == (size, 0o600)
    assert names_in(target.parent) == ["backup.db"]
    assert rows_of(target, 1) == [1]


def test_a_closed_store_can_be_backed_up(database: Path, tmp_path: Path) -> None:
    with closing(open_store(database, "")) as store:
        ship(store, [numbered(1)])
    back_up_store(database, tmp_path / "backup", no_pause)
    assert rows_of(tmp_path / "backup", 1) == [1]


def test_a_store_in_use_is_not_replaced(live: Store, database: Path, tmp_path: Path) -> None:
    ship(live, [numbered(1)])
    back_up_store(database, tmp_path / "backup", no_pause)
    with pytest.raises(ConfigError, match="is in use by another collector: stop it"):
        restore_store(tmp_path / "backup", database, no_pause, replace=True)
    ship(live, [numbered(2)])
    assert numbers(live, 2) == [1, 2]


def test_a_store_is_replaced_only_on_request(database: Path, tmp_path: Path) -> None:
    """Also if its log was not written into its file, because its collector was killed."""
    with closing(open_store(database, "")) as store:
        ship(store, [numbered(1)])
        back_up_store(database, tmp_path / "backup", no_pause)
        ship(store, [numbered(2)])
        logs = {suffix: Path(f"{database}{suffix}").read_bytes() for suffix in ("", "-wal")}
    for suffix, content in logs.items():
        Path(f"{database}{suffix}").write_bytes(content)
    with pytest.raises(ConfigError, match="exists: pass --replace"):
        restore_store(tmp_path / "backup", database, no_pause, replace=False)
    assert rows_of(database, 2) == [1, 2]
    for suffix, content in logs.items():
        Path(f"{database}{suffix}").write_bytes(content)
    restore_store(tmp_path / "backup", database, no_pause, replace=True)
    assert rows_of(database, 2) == [1]


def test_an_interrupted_copy_leaves_nothing_and_does_not_block_the_next(
    live: Store, database: Path, tmp_path: Path
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    target = tmp_path / "to" / "backup"
    with pytest.raises(KeyboardInterrupt):
        back_up_store(database, target, interrupt)
    assert names_in(target.parent) == []
    target.with_name("backup.part").write_bytes(b"half of a copy, by a process that was killed")
    back_up_store(database, target, no_pause)
    assert names_in(target.parent) == ["backup"]


@pytest.mark.parametrize("is_of_sqlite", [True, False])
def test_a_full_disk_is_a_mistake_like_that_of_an_export(
    live: Store, database: Path, tmp_path: Path, *, is_of_sqlite: bool
) -> None:
    def fill() -> None:
        if is_of_sqlite:
            with closing(sqlite3.connect(":memory:")) as small:
                small.execute("PRAGMA max_page_count = 1")
                small.execute("CREATE TABLE t (a)")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "to" / "backup"
    with pytest.raises(ConfigError, match=r"to/backup: No space left on device$"):
        back_up_store(database, target, fill)
    assert names_in(target.parent) == []


def test_two_copies_to_one_file_are_refused(live: Store, database: Path, tmp_path: Path) -> None:
    refused: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(ConfigError, match="another process is writing it") as second:
            back_up_store(database, tmp_path / "backup", no_pause)
        refused.append(str(second.value))

    back_up_store(database, tmp_path / "backup", meanwhile)
    assert refused
    with pytest.raises(ConfigError, match="exists: choose another name"):
        back_up_store(database, tmp_path / "backup", no_pause)


def test_a_file_that_is_no_store_is_refused_and_kept(
    live: Store, database: Path, tmp_path: Path
) -> None:
    text, other, empty = tmp_path / "text", tmp_path / "other", tmp_path / "empty"
    text.write_text("not a database" * 100)
    empty.write_bytes(b"")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE mine (a)")
    other.chmod(0o600)
    to = tmp_path / "to" / "collector.db"
    for path in (text, other, empty):
        with pytest.raises(ConfigError, match=f"{path.name}: is not a store of nilometer"):
            restore_store(path, to, no_pause, replace=False)
        with pytest.raises(ConfigError, match=f"{path.name}: is not a store of nilometer"):
            back_up_store(path, to, no_pause)
    with pytest.raises(ConfigError, match="there is no such file"):
        restore_store(tmp_path / "nothing", to, no_pause, replace=False)
    assert not to.exists()
    assert text.read_text().startswith("not a database")


def test_a_backup_of_a_newer_version_is_refused(
    live: Store, database: Path, tmp_path: Path
) -> None:
    back_up_store(database, tmp_path / "backup", no_pause)
    with closing(sqlite3.connect(tmp_path / "backup")) as writer, writer:
        writer.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('nilometer_collector', 'from_the_future', '')"
        )
    with pytest.raises(ConfigError, match=r"newer nilometer.*from_the_future"):
        restore_store(tmp_path / "backup", tmp_path / "to" / "a.db", no_pause, replace=False)


def test_a_damaged_backup_is_refused_and_the_store_kept(database: Path, tmp_path: Path) -> None:
    with closing(open_store(database, "")) as store:
        ship(store, [numbered(number) for number in range(1, 200)])
    target = tmp_path / "backup"
    back_up_store(database, target, no_pause)
    with closing(sqlite3.connect(target)) as reader:
        ((page,),) = reader.execute("SELECT rootpage FROM sqlite_master WHERE name = 'samples'")
        ((size,),) = reader.execute("PRAGMA page_size")
    with target.open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(bytes(size))
    with pytest.raises(StoreUnavailable, match=r"collector\.db: the copy is damaged"):
        restore_store(target, database, no_pause, replace=True)
    assert len(rows_of(database, 199)) == 199


def test_another_database_is_backed_up_with_its_own_tools(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"use pg_dump.*docs/backup\.md"):
        back_up_store(Secret("postgresql://u:secret@host/name"), tmp_path / "b", no_pause)
