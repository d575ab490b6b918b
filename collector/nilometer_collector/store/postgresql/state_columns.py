"""The newest evaluation of each state, which episodes show beside their worst one."""

from nilometer_collector.store.postgresql.session import Session


def add_newest_evaluation(session: Session) -> None:
    """Add the newest evaluation to each state, and the time of the worst value to episodes."""
    session.execute("ALTER TABLE episodes ADD COLUMN worst_ns bigint")
    session.execute("""
        ALTER TABLE alert_states
            ADD COLUMN reason text NOT NULL DEFAULT '',
            ADD COLUMN sentence text NOT NULL DEFAULT '',
            ADD COLUMN value double precision NOT NULL DEFAULT 0,
            ADD COLUMN value_end_ns bigint NOT NULL DEFAULT 0""")
    session.execute("""
        UPDATE alert_states SET reason = CASE status WHEN 'OK' THEN 'within_limit'
            WHEN 'ALERTING' THEN 'breach' WHEN 'NO_DATA' THEN 'no_window' ELSE 'no_window_yet' END""")
