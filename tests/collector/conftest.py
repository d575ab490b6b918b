"""What the collector's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stores import copy_sqlite

from nilometer.testing import SteppedClock
from nilometer_collector.store import Store, open_store
from nilometer_collector.testing import Running, Webhook, listening_webhook, running


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state" / "collector.db"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def store(database: Path, prepared_sqlite: Path) -> Iterator[Store]:
    copy_sqlite(prepared_sqlite, database)
    store = open_store(database, "slack")
    yield store
    store.close()


@pytest.fixture
def served(database: Path, clock: SteppedClock, prepared_sqlite: Path) -> Iterator[Running]:
    copy_sqlite(prepared_sqlite, database)
    # Tests ship windows of days and weeks at one moment.
    with running(database, clock, future_seconds=400 * 86_400.0) as served:
        yield served


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening_webhook() as webhook:
        yield webhook
