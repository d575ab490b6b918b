"""A database of an earlier schema keeps its samples, alerters, episodes and history."""

import re
import sqlite3
from pathlib import Path

from sqlite_utils import Database
from support.rolling import DAY_NS, Rolling, exact, merged, read
from support.shipping import a_sample_row, numbered, ship
from support.stores import PostgresqlPlace, SqlitePlace

from nilometer.profile import SummarySample
from nilometer.testing import SteppedClock
from nilometer.wire.alerts import alerter_to_bytes
from nilometer_collector.demo.postgresql import Server
from nilometer_collector.store import LEVELS, Store, open_store
from nilometer_collector.store.checksum import checksum
from nilometer_collector.store.sqlite.schema import migrations
from nilometer_collector.testing import ENTITY, START_NS, an_alerter, feature_sample, minute


def before(path: Path, migration: str) -> sqlite3.Connection:
    """Create the database as it was before *migration*."""
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path)
    migrations.apply(Database(connection), stop_before=migration)
    return connection


def test_an_open_episode_of_the_earlier_schema_is_read_and_closed(tmp_path: Path) -> None:
    path, payload = tmp_path / "state" / "collector.db", alerter_to_bytes(an_alerter())
    earlier = before(path, "name_alerter_payloads")
    with earlier:
        earlier.execute(
            "INSERT INTO alerters (entity, name, origin, deleted, updated_ns, payload) "
            "VALUES (?, 'drift', 'api', 0, 1, ?)",
            (ENTITY, payload),
        )
        earlier.execute(
            "INSERT INTO episodes (id, entity, alerter, summary, labels, opened_ns, since_ns, "
            "worst, rule, reference_digest, evidence) "
            "VALUES (1, ?, 'drift', 'input.amount', '{}', 120, 60, 0.5, ?, 'd', 'PSI is 0.5')",
            (ENTITY, payload),
        )
        earlier.execute(
            "INSERT INTO transitions (episode, status, at_ns, window_start_ns, recorded_ns, value, "
            "evidence, rule, reference_digest) "
            "VALUES (1, 'ALERTING', 120, 60, 121, 0.5, 'PSI is 0.5', ?, 'd')",
            (payload,),
        )
    earlier.close()
    store = open_store(path, "")
    try:
        (episode,) = store.alerts.episodes(is_open=True)
        assert (episode.alerter, episode.worst) == (an_alerter(), 0.5)
        assert [opened.alerter for opened in episode.history] == [an_alerter()]
        assert store.alerts.delete(ENTITY, "drift", SteppedClock().now_ns())
        (episode,) = store.alerts.episodes(is_open=False)
        assert [at.status for at in episode.history] == ["ALERTING", "PAUSED"]
        assert {at.alerter for at in episode.history} == {an_alerter()}
    finally:
        store.close()


EARLIER = [feature_sample([1.0, 2.0], window=minute(at)) for at in (0, 1, 70)]


def columns(number: int, sample: SummarySample) -> tuple[object, ...]:
    """Return what the earlier schemas stored of a sample: one a day arrived."""
    payload = a_sample_row(sample).payload
    window = sample.window
    received_ns = START_NS + number * DAY_NS
    return (
        1,
        window.start_ns,
        window.end_ns,
        1,
        number,
        2,
        received_ns,
        payload,
        checksum(payload),
    )


def check_samples(store: Store) -> None:
    """Check that the samples of the earlier schema are rolled up, retired and counted once."""
    assert [level.rows for level in store.rollups.levels()] == [3, 0, 0, 0]
    expected = exact(read(store, LEVELS[0]))
    assert merged(read(store, LEVELS[0])).coverage.profiled == 6
    rolling = Rolling(store)
    rolling.roll_up_all(START_NS + 4 * DAY_NS)
    for level in LEVELS:
        assert exact(read(store, level)) == expected
    assert rolling.retire(START_NS + 4 * DAY_NS) == 2
    assert rolling.retire(START_NS + 9 * DAY_NS) == 1
    for level in LEVELS:
        assert exact(read(store, level)) == expected
    assert ship(store, [numbered(9)], now_ns=START_NS + 9 * DAY_NS).stored == 1
    assert [level.rows for level in store.rollups.levels()] == [1, 3, 3, 3]


def test_samples_of_the_earlier_sqlite_schema_are_rolled_up(tmp_path: Path) -> None:
    path = tmp_path / "state" / "collector.db"
    earlier = before(path, "create_rollups")
    with earlier:
        earlier.execute(
            "INSERT INTO series (id, entity, summary, labels, seen, numbers, categories, samples, "
            "first_start_ns, last_end_ns, longest_window_ns, last_window_ns, last_received_ns) "
            "VALUES (1, ?, 'input.amount', '{}', 6, 6, 0, 3, ?, ?, 60000000000, 60000000000, 1)",
            (ENTITY, minute(0).start_ns, minute(70).end_ns),
        )
        earlier.executemany(
            "INSERT INTO samples (series, window_start_ns, window_end_ns, stream, sequence, "
            "observations, received_ns, payload, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [columns(number, sample) for number, sample in enumerate(EARLIER)],
        )
    earlier.close()
    place = SqlitePlace(path)
    check_samples(place.open())
    place.close()


STATEMENT = re.compile(r'"""(.*?)"""|"((?:SELECT|INSERT|UPDATE|DELETE|COPY) [^"]*)"', re.DOTALL)
TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|COPY)\s+([a-z_]+)\b(?!\s*\()")
QUERY_NAME = re.compile(r"\b(\w+) AS \(")


def tables_of(source: str) -> set[str]:
    """Return what the SQL in *source* reads or changes: tables, and queries with a name."""
    found = set()
    for statement in map("".join, STATEMENT.findall(source)):
        if re.search(r"\b(SELECT|INSERT|UPDATE|DELETE|COPY)\s", statement):
            found |= {*TABLE.findall(statement)}
    return found


def test_statements_name_tables_of_the_newest_postgresql_schema(postgresql: Server) -> None:
    from nilometer_collector.store.postgresql import schema

    place = PostgresqlPlace(postgresql, postgresql.create_database())
    place.open()
    known = {name for (name,) in place.change(postgresql="SELECT relname FROM pg_class")}
    place.close()
    sources = {
        path.name: path.read_text()
        for path in Path(schema.__file__).parent.glob("*.py")
        if not path.name.endswith("_tables.py")  # migrations may name tables of their time
    }
    # A statement may be put together from strings, of several modules too.
    queries = {name for source in sources.values() for name in QUERY_NAME.findall(source)}
    named = {name: tables_of(source) - queries for name, source in sources.items()}
    assert {name: tables - known for name, tables in named.items() if tables - known} == {}
    assert "additions" in named["collecting.py"]


def test_samples_of_the_earlier_postgresql_schema_are_rolled_up(postgresql: Server) -> None:
    import psycopg

    from nilometer_collector.store.postgresql import schema
    from nilometer_collector.store.postgresql.migrations import Migrations, migrate
    from nilometer_collector.store.postgresql.session import Session

    place = PostgresqlPlace(postgresql, postgresql.create_database())
    names = list(schema.MIGRATIONS)
    earlier = Migrations(
        {name: schema.MIGRATIONS[name] for name in names[: names.index("create_rollups")]}
    )
    with psycopg.connect(place.url, autocommit=True) as connection:
        migrate(Session(connection), earlier, "store")
        connection.execute(
            "INSERT INTO series (entity, summary, labels, labels_text, labels_digest, seen, numbers, "
            "categories, samples, first_start_ns, last_end_ns, longest_window_ns, last_window_ns, "
            "last_received_ns) VALUES (%s, 'input.amount', '{}', '{}', sha256('{}'), 6, 6, 0, 3, "
            "%s, %s, 60000000000, 60000000000, 1)",
            (ENTITY, minute(0).start_ns, minute(70).end_ns),
        )
        for number, sample in enumerate(EARLIER):
            day = (START_NS // DAY_NS + number) * DAY_NS
            connection.execute(
                f"CREATE TABLE samples_2023111{4 + number} PARTITION OF samples "
                f"FOR VALUES FROM ({day}) TO ({day + DAY_NS})"
            )
            connection.execute(
                "INSERT INTO samples (entity, series, window_start_ns, window_end_ns, stream, "
                "sequence, observations, received_ns, payload, crc) "
                f"VALUES ('{ENTITY}', %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                columns(number, sample),
            )
    check_samples(place.open())
    place.close()


def test_states_of_the_earlier_schema_have_the_reason_of_their_status(tmp_path: Path) -> None:
    path = tmp_path / "state" / "collector.db"
    statuses = {"OK": "within_limit", "LEARNING": "no_window_yet", "NO_DATA": "no_window"}
    earlier = before(path, "add_newest_evaluations")
    with earlier:
        for number, status in enumerate(statuses):
            earlier.execute(
                "INSERT INTO alert_states (entity, alerter, summary, labels, agent, status, breaches, "
                "fines, since_ns, last_end_ns, received_ns) VALUES (?, 'drift', ?, '{}', 'pod', ?, 0, "
                "0, 0, ?, 1)",
                (ENTITY, status, status, number + 1),
            )
    earlier.close()
    store = open_store(path, "")
    try:
        found = {one.summary: one for one in store.alerts.statuses()}
        assert {summary: one.reason.value for summary, one in found.items()} == statuses
        assert {one.value for one in found.values()} == {None}
    finally:
        store.close()
