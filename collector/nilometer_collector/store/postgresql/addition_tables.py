"""The log of additions to series in PostgreSQL, for migrations. Never change a function."""

from nilometer_collector.store.postgresql.session import Session

_COLUMNS = (
    *("seen", "numbers", "categories", "samples", "start_ns", "end_ns", "received_ns", "sequence"),
)


def create_addition_tables(session: Session) -> None:
    """Let a shipment add rows instead of changing the statistics of its series.

    A row of `additions` is for one sample: the 5-minute window that it makes stale, its own window,
    and what it adds to the statistics of its series. The worker collects the rows into `stale_parts` and
    `series`. `series_now` has the collected statistics together with those that still wait. The table
    has a new name, so that an older collector cannot collect the rows without their statistics.
    """
    session.execute("ALTER TABLE marks RENAME TO additions")
    session.execute("ALTER INDEX marks_series RENAME TO additions_series")
    for column in _COLUMNS:
        session.execute(f"ALTER TABLE additions ADD COLUMN {column} bigint NOT NULL DEFAULT 0")
    # Rows without samples are marks of an older collector, which has counted their samples.
    session.execute("""
        CREATE VIEW series_now AS
        SELECT s.entity, s.id, s.summary, s.labels_text,
               LEAST(s.seen + COALESCE(a.seen, 0), 9007199254740992)::bigint AS seen,
               LEAST(s.numbers + COALESCE(a.numbers, 0), 9007199254740992)::bigint AS numbers,
               LEAST(s.categories + COALESCE(a.categories, 0), 9007199254740992)::bigint AS categories,
               (s.samples + COALESCE(a.samples, 0))::bigint AS samples,
               LEAST(s.first_start_ns, a.first_start_ns) AS first_start_ns,
               GREATEST(s.last_end_ns, a.last_end_ns) AS last_end_ns,
               GREATEST(s.longest_window_ns, a.longest_window_ns) AS longest_window_ns,
               CASE WHEN a.received_ns >= s.last_received_ns THEN a.last_window_ns
                    ELSE s.last_window_ns END AS last_window_ns,
               GREATEST(s.last_received_ns, a.received_ns) AS last_received_ns
        FROM series s CROSS JOIN LATERAL (
          SELECT sum(seen) AS seen, sum(numbers) AS numbers, sum(categories) AS categories,
                 sum(samples) AS samples, min(start_ns) AS first_start_ns,
                 max(end_ns) AS last_end_ns, max(end_ns - start_ns) AS longest_window_ns,
                 (array_agg(end_ns - start_ns ORDER BY received_ns DESC, sequence DESC))[1]
                   AS last_window_ns,
                 max(received_ns) AS received_ns
          FROM additions WHERE additions.entity = s.entity AND additions.series = s.id
            AND additions.samples > 0) a""")


def sum_additions_once(session: Session) -> None:
    """Let `series_now` read the waiting additions once, instead of once for each series.

    Collected additions are dead rows, which slow reads down until they are vacuumed. So the table is
    vacuumed after 50,000 of them, however many rows wait. Parts of series that do not exist can never
    be rolled up, so they are removed.
    """
    session.execute("""
        CREATE OR REPLACE VIEW series_now AS
        SELECT s.entity, s.id, s.summary, s.labels_text,
               LEAST(s.seen + COALESCE(a.seen, 0), 9007199254740992)::bigint AS seen,
               LEAST(s.numbers + COALESCE(a.numbers, 0), 9007199254740992)::bigint AS numbers,
               LEAST(s.categories + COALESCE(a.categories, 0), 9007199254740992)::bigint AS categories,
               (s.samples + COALESCE(a.samples, 0))::bigint AS samples,
               LEAST(s.first_start_ns, a.first_start_ns) AS first_start_ns,
               GREATEST(s.last_end_ns, a.last_end_ns) AS last_end_ns,
               GREATEST(s.longest_window_ns, a.longest_window_ns) AS longest_window_ns,
               CASE WHEN a.received_ns >= s.last_received_ns THEN a.last_window_ns
                    ELSE s.last_window_ns END AS last_window_ns,
               GREATEST(s.last_received_ns, a.received_ns) AS last_received_ns
        FROM series s LEFT JOIN (
          SELECT entity, series, sum(seen) AS seen, sum(numbers) AS numbers,
                 sum(categories) AS categories, sum(samples) AS samples,
                 min(start_ns) AS first_start_ns, max(end_ns) AS last_end_ns,
                 max(end_ns - start_ns) AS longest_window_ns,
                 (max(ARRAY[received_ns, sequence, end_ns - start_ns]))[3] AS last_window_ns,
                 max(received_ns) AS received_ns
          FROM additions WHERE samples > 0 GROUP BY entity, series) a
          ON a.entity = s.entity AND a.series = s.id""")
    session.execute("""
        ALTER TABLE additions SET (autovacuum_vacuum_scale_factor = 0,
                                   autovacuum_vacuum_threshold = 50000)""")
    session.execute("""
        DELETE FROM stale_parts p WHERE NOT EXISTS (
          SELECT FROM series WHERE series.entity = p.entity AND series.id = p.series)""")


def create_shipped_additions(session: Session) -> None:
    """Let a shipment add one row for each entity and window, instead of one for each sample.

    An element of each array belongs to one sample, in the order of the sequences. The view
    `waiting_additions` has one row for each sample, together with the rows of `additions`, which
    revisions and older collectors still write.
    """
    session.execute("""
        CREATE TABLE shipped_additions (
            entity text COLLATE "C" NOT NULL,
            window_start_ns bigint NOT NULL,
            window_end_ns bigint NOT NULL,
            arrival_day bigint NOT NULL,
            due_ns bigint NOT NULL,
            received_ns bigint NOT NULL,
            start_ns bigint NOT NULL,
            end_ns bigint NOT NULL,
            rows bigint NOT NULL,
            series bigint[] NOT NULL,
            sequences bigint[] NOT NULL,
            seen bigint[] NOT NULL,
            numbers bigint[] NOT NULL,
            categories bigint[] NOT NULL
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)""")
    session.execute("CREATE INDEX shipped_additions_entity ON shipped_additions (entity)")
    for column in ("series", "sequences", "seen", "numbers", "categories"):  # compression is slow
        session.execute(f"ALTER TABLE shipped_additions ALTER {column} SET STORAGE EXTERNAL")
    session.execute("""
        CREATE VIEW waiting_additions AS
        SELECT entity, series, window_start_ns, window_end_ns, arrival_day, due_ns, received_ns, seen,
               numbers, categories, samples, start_ns, end_ns, sequence
        FROM additions
        UNION ALL
        SELECT entity, unnest(series), window_start_ns, window_end_ns, arrival_day, due_ns, received_ns,
               unnest(seen), unnest(numbers), unnest(categories), 1, start_ns, end_ns, unnest(sequences)
        FROM shipped_additions""")
    session.execute("""
        CREATE OR REPLACE VIEW series_now AS
        SELECT s.entity, s.id, s.summary, s.labels_text,
               LEAST(s.seen + COALESCE(a.seen, 0), 9007199254740992)::bigint AS seen,
               LEAST(s.numbers + COALESCE(a.numbers, 0), 9007199254740992)::bigint AS numbers,
               LEAST(s.categories + COALESCE(a.categories, 0), 9007199254740992)::bigint AS categories,
               (s.samples + COALESCE(a.samples, 0))::bigint AS samples,
               LEAST(s.first_start_ns, a.first_start_ns) AS first_start_ns,
               GREATEST(s.last_end_ns, a.last_end_ns) AS last_end_ns,
               GREATEST(s.longest_window_ns, a.longest_window_ns) AS longest_window_ns,
               CASE WHEN a.received_ns >= s.last_received_ns THEN a.last_window_ns
                    ELSE s.last_window_ns END AS last_window_ns,
               GREATEST(s.last_received_ns, a.received_ns) AS last_received_ns
        FROM series s LEFT JOIN (
          SELECT entity, series, sum(seen) AS seen, sum(numbers) AS numbers,
                 sum(categories) AS categories, sum(samples) AS samples,
                 min(start_ns) AS first_start_ns, max(end_ns) AS last_end_ns,
                 max(end_ns - start_ns) AS longest_window_ns,
                 (max(ARRAY[received_ns, sequence, end_ns - start_ns]))[3] AS last_window_ns,
                 max(received_ns) AS received_ns
          FROM waiting_additions WHERE samples > 0 GROUP BY entity, series) a
          ON a.entity = s.entity AND a.series = s.id""")
