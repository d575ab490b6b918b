"""Kill -9 in every step of a migration, from databases of the two schemas before."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from faults.zygote import Zygote
from sqlite_utils import Database

from nilometer_collector.access.secret import Secret
from nilometer_collector.demo.postgresql import Server
from nilometer_collector.store import open_store
from nilometer_collector.store.checksum import checksum
from nilometer_collector.store.sqlite.schema import migrations as sqlite_migrations
from nilometer_collector.testing import ENTITY, START_NS

SCHEMAS_BEFORE = 2
KILLED = -9
PAYLOAD = b"a sample"
# Rows of tables that both stores have, with columns that they have had since they were created.
ROWS: dict[str, dict[str, object]] = {
    "streams": {"agent": "pod-1", "epoch": b"e" * 16, "high_water": 7, "received_ns": 1},
    "stream_ahead": {"stream": 1, "sequence": 9},
    "alerters": {
        "entity": ENTITY,
        "name": "drift",
        "origin": "api",
        "updated_ns": 1,
        "payload": b"rule",
    },
    "deliveries": {
        "transition": 1,
        "channel": "slack",
        "key": "k",
        "created_ns": 1,
        "attempts": 3,
        "last_failure": "HTTP 500",
    },
}
SQLITE_ROWS = {
    **ROWS,
    "alerters": {**ROWS["alerters"], "deleted": 0},
    "samples": {
        "series": 1,
        "window_start_ns": 0,
        "window_end_ns": 60,
        "stream": 1,
        "sequence": 1,
        "observations": 2,
        "received_ns": START_NS,
        "payload": PAYLOAD,
        "crc": checksum(PAYLOAD),
    },
}


def sqlite_before(path: Path, schemas: int) -> None:
    """Create a database with rows, as it was *schemas* migrations ago."""
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        names = [one.name for one in sqlite_migrations.pending(Database(memory=True))]
        sqlite_migrations.apply(Database(connection), stop_before=names[-schemas])
        for table, row in SQLITE_ROWS.items():
            places = ", ".join("?" * len(row))
            connection.execute(
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values())
            )
        connection.commit()


def postgresql_before(url: str, schemas: int) -> None:
    """Create the tables with rows, as they were *schemas* migrations ago."""
    import psycopg

    from nilometer_collector.store.postgresql.migrations import Migrations, migrate
    from nilometer_collector.store.postgresql.schema import MIGRATIONS
    from nilometer_collector.store.postgresql.session import Session

    with psycopg.connect(url, autocommit=True) as connection:
        earlier = Migrations(dict(list(MIGRATIONS.items())[:-schemas]))
        migrate(Session(connection), earlier, "store")
        connection.execute("SET session_replication_role = replica")  # no foreign keys
        for table, row in ROWS.items():
            values = {**row, "deleted": False} if table == "alerters" else row
            if table == "deliveries":
                values = {**values, "entity": ENTITY}
            places = ", ".join(["%s"] * len(values))
            connection.execute(
                f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})".encode(),
                tuple(values.values()),
            )


def sqlite_dump(path: Path) -> object:
    """Return the schema and all rows, but for the times of migrations."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        found: dict[str, Any] = {}
        for name, statement in tables:
            found[name] = [statement]
            if statement and statement.startswith("CREATE TABLE"):
                columns = "migration_set, name" if name == "_sqlite_migrations" else "*"
                found[name] += sorted(
                    connection.execute(f"SELECT {columns} FROM {name}").fetchall(), key=repr
                )
        return found


def postgresql_dump(url: str) -> object:
    """Return the columns, the indexes and all rows, but for the times of migrations."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:

        def rows(statement: str) -> list[Any]:
            return sorted(connection.execute(statement.encode()).fetchall(), key=repr)

        columns = rows(
            "SELECT table_name, column_name, data_type, is_nullable, column_default "
            "FROM information_schema.columns WHERE table_schema = 'public'"
        )
        found: dict[str, Any] = {
            "columns": columns,
            "indexes": rows("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"),
        }
        for name in {column[0] for column in columns}:
            wanted = "name" if name == "nilometer_migrations" else "*"
            found[name] = rows(f"SELECT {wanted} FROM {name}")
        return found


def sqlite_copies(directory: Path, earlier: Path) -> Iterator[Path]:
    """Yield copies of a database, each in a directory of its own."""
    for number in count():
        place = directory / f"copy-{number}"
        place.mkdir(mode=0o700)
        path = place / "collector.db"
        shutil.copyfile(earlier, path)
        path.chmod(0o600)
        yield path
        shutil.rmtree(place)


def postgresql_copies(server: Server, earlier: str) -> Iterator[str]:
    """Yield the URLs of copies of a database."""
    name = earlier.partition("@/")[2].partition("?")[0]
    for number in count():
        copied = f"{name}_{number}"
        server.run(f"CREATE DATABASE {copied} TEMPLATE {name}")
        url = server.url(copied)
        yield url
        server.drop_database(url)


def opened_and_closed(place: Path | str) -> None:
    """Open the store, as a collector does, which migrates it."""
    open_store(place if isinstance(place, Path) else Secret(place), "").close()


def killed_everywhere(
    zygote: Zygote,
    copies: Iterator[Any],
    dump: Callable[[Any], object],
    stride: int,
    first: int,
) -> int:
    """Kill a migration at each *stride*-th statement from *first* on; return how often."""
    untouched = next(copies)
    opened_and_closed(untouched)
    expected = dump(untouched)
    for kills, step in enumerate(count(first, stride)):
        place = next(copies)
        code = zygote.run("migration", store=str(place), step=step)
        opened_and_closed(place)  # as the collector that is started next
        assert dump(place) == expected, f"killed at step {step}"
        if code == 0:
            return kills
        assert code == KILLED, zygote.log()[-3000:]
    raise AssertionError


def sqlite_kills(zygote: Zygote, directory: Path, *, stride: int = 1, first: int = 1) -> int:
    """Kill migrations of SQLite; return how often."""
    kills = 0
    for schemas in range(1, SCHEMAS_BEFORE + 1):
        folder = directory / f"sqlite-{schemas}"
        folder.mkdir(parents=True)
        earlier = folder / "earlier" / "collector.db"
        sqlite_before(earlier, schemas)
        kills += killed_everywhere(
            zygote, sqlite_copies(folder, earlier), sqlite_dump, stride, first
        )
    return kills


def postgresql_kills(zygote: Zygote, server: Server, *, stride: int = 1, first: int = 1) -> int:
    """Kill migrations of PostgreSQL; return how often."""
    kills = 0
    for schemas in range(1, SCHEMAS_BEFORE + 1):
        earlier = server.create_database()
        postgresql_before(earlier, schemas)
        kills += killed_everywhere(
            zygote, postgresql_copies(server, earlier), postgresql_dump, stride, first
        )
        server.drop_database(earlier)
    return kills


def test_a_killed_migration_of_sqlite_is_done_by_the_next_start(
    zygote: Zygote, tmp_path: Path
) -> None:
    assert sqlite_kills(zygote, tmp_path, stride=50, first=30) >= SCHEMAS_BEFORE


def test_a_killed_migration_of_postgresql_is_done_by_the_next_start(
    zygote: Zygote, postgresql: Server
) -> None:
    assert postgresql_kills(zygote, postgresql, stride=90, first=30) >= SCHEMAS_BEFORE
