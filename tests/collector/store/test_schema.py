"""A database of an earlier schema keeps its alerters, episodes and history."""

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from nilometer.testing import SteppedClock
from nilometer.wire.alerts import alerter_to_bytes
from nilometer_collector.store import open_store
from nilometer_collector.store.sqlite.schema import migrations
from nilometer_collector.testing import ENTITY, an_alerter


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
