"""Traffic in a store whose default alerter has learned, made once for all tests."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from support.made_once import made_once
from support.watched_traffic import DAY, NewTraffic, Traffic

from nilometer_collector.store import open_store

LEARNED_DAYS = 9  # days of traffic in the prepared store; the first one is a Monday


@pytest.fixture(scope="session")
def learned_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store after nine days of healthy traffic."""

    def make(directory: Path) -> None:
        with closing(open_store(directory / "collector.db", "slack")) as store:
            Traffic(store).run(LEARNED_DAYS * DAY, every=36)

    return made_once(tmp_path_factory, "learned", make) / "collector.db"


@pytest.fixture
def new_traffic(learned_store: Path, tmp_path: Path) -> Iterator[NewTraffic]:
    """Makes traffic that goes on after nine days, each in a copy of the prepared store."""
    numbers = iter(range(100))
    with ExitStack() as opened:

        def make() -> Traffic:
            directory = tmp_path / f"state-{next(numbers)}"
            shutil.copytree(learned_store.parent, directory)
            store = open_store(directory / learned_store.name, "slack")
            opened.callback(store.close)
            traffic = Traffic(store)
            traffic.start_at(LEARNED_DAYS * DAY)
            return traffic

        yield make


@pytest.fixture
def traffic(new_traffic: NewTraffic) -> Traffic:
    """Traffic that goes on after nine days."""
    return new_traffic()
