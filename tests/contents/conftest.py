"""A collector's store, and a collector that serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nilometer.testing import SteppedClock
from nilometer_collector.store import Store, open_store
from nilometer_collector.testing import Running, running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "collector.db", "slack")
    yield store
    store.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "collector.db", SteppedClock()) as served:
        yield served
