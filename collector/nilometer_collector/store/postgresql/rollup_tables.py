"""The tables of roll-ups in PostgreSQL, for the migration `create_rollups`. Never change them."""

from nilometer_collector.store.postgresql.session import Session


def create_rollup_tables(session: Session) -> None:
    """Create the tables, and mark all existing samples as not rolled up.

    A roll-up belongs to a day of arrival, counted from 1970. So samples that arrive after the
    others were removed get a roll-up of their own. `number` distinguishes samples of one part that
    do not merge. So that shipments do not wait for each other, they only add rows to `marks`, from
    which the worker fills `stale_parts`. They count their samples in `arrivals`, in a row for their
    outbox and day.
    """
    _create_rollups(session)
    _create_levels(session)
    _create_pins(session)
    _mark_everything(session)


def _create_rollups(session: Session) -> None:
    session.execute("""
        CREATE TABLE rollups (
            entity text COLLATE "C" NOT NULL,
            series bigint NOT NULL,
            level_ns bigint NOT NULL,
            window_start_ns bigint NOT NULL,
            window_end_ns bigint NOT NULL,
            arrival_day bigint NOT NULL,
            number bigint NOT NULL,
            observations bigint NOT NULL,
            crc bigint NOT NULL,
            payload bytea NOT NULL,
            PRIMARY KEY (entity, series, level_ns, window_start_ns, window_end_ns, arrival_day, number)
        ) PARTITION BY LIST (level_ns)""")
    session.execute("CREATE INDEX rollups_arrival ON rollups (arrival_day)")
    session.execute("CREATE TABLE rollups_5m PARTITION OF rollups FOR VALUES IN (300000000000)")
    session.execute("CREATE TABLE rollups_1h PARTITION OF rollups FOR VALUES IN (3600000000000)")
    session.execute("CREATE TABLE rollups_1d PARTITION OF rollups FOR VALUES IN (86400000000000)")
    session.execute("""
        CREATE TABLE stale_parts (
            entity text COLLATE "C" NOT NULL,
            series bigint NOT NULL,
            level_ns bigint NOT NULL,
            window_start_ns bigint NOT NULL,
            window_end_ns bigint NOT NULL,
            arrival_day bigint NOT NULL,
            due_ns bigint NOT NULL,
            version bigint NOT NULL,
            PRIMARY KEY (entity, series, level_ns, window_start_ns, window_end_ns, arrival_day)
        ) WITH (fillfactor = 70)""")
    session.execute("CREATE INDEX stale_parts_due ON stale_parts (level_ns, due_ns)")
    session.execute("""
        CREATE TABLE marks (
            entity text COLLATE "C" NOT NULL,
            series bigint NOT NULL,
            window_start_ns bigint NOT NULL,
            window_end_ns bigint NOT NULL,
            arrival_day bigint NOT NULL,
            due_ns bigint NOT NULL
        )""")
    session.execute("CREATE INDEX marks_series ON marks (series)")


def _create_levels(session: Session) -> None:
    session.execute("""
        CREATE TABLE levels (
            level_ns bigint PRIMARY KEY,
            rows bigint NOT NULL,
            bytes bigint NOT NULL,
            held_from_day bigint NOT NULL
        )""")
    session.execute("""
        INSERT INTO levels (level_ns, rows, bytes, held_from_day)
        SELECT level_ns, 0, 0, 0
        FROM unnest(ARRAY[0, 300000000000, 3600000000000, 86400000000000]) AS new (level_ns)""")
    session.execute("""
        CREATE TABLE arrivals (
            stream bigint NOT NULL,
            arrival_day bigint NOT NULL,
            rows bigint NOT NULL,
            bytes bigint NOT NULL,
            PRIMARY KEY (stream, arrival_day)
        ) WITH (fillfactor = 70)""")


def _create_pins(session: Session) -> None:
    session.execute("""
        CREATE TABLE pins (
            name text COLLATE "C" NOT NULL,
            entity text COLLATE "C" NOT NULL,
            series bigint NOT NULL,
            level_ns bigint NOT NULL,
            start_ns bigint NOT NULL,
            end_ns bigint NOT NULL,
            PRIMARY KEY (name, entity, series)
        )""")
    session.execute("CREATE INDEX pins_series ON pins (series)")
    session.execute("""
        CREATE TABLE leases (
            name text PRIMARY KEY, holder text NOT NULL, held_until timestamptz NOT NULL
        )""")


def _mark_everything(session: Session) -> None:
    session.execute("""
        INSERT INTO arrivals (stream, arrival_day, rows, bytes)
        SELECT stream, received_ns / 86400000000000, count(*), sum(octet_length(payload))
        FROM samples GROUP BY 1, 2""")
    session.execute("""
        INSERT INTO stale_parts (entity, series, level_ns, window_start_ns, window_end_ns, arrival_day,
                                 due_ns, version)
        SELECT DISTINCT entity, series, 300000000000,
               CASE WHEN short THEN window_start_ns - window_start_ns % 300000000000
                    ELSE window_start_ns END,
               CASE WHEN short THEN window_start_ns - window_start_ns % 300000000000 + 300000000000
                    ELSE window_end_ns END,
               received_ns / 86400000000000, 0, 0
        FROM (SELECT *, window_end_ns - window_start_ns < 300000000000 AS short FROM samples) old""")


def rename_leases(session: Session) -> None:
    """Keep collectors of older versions from rolling up and removing rows.

    They do not know `shipped_additions`. Their statements name the old table, so they fail; they still
    take rows.
    """
    session.execute("ALTER TABLE leases RENAME TO work_leases")
