"""Traffic in a store whose default alerter has learned, made once for all tests."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from support.made_once import made_once
from support.watched_traffic import DAY, NewTraffic, Traffic

from nilometer_collector.store import open_store

LEARNED_DAYS = 9  # days of traffic in the prepared store; the first one is a Monday
SEEN_AFTER = (0.5, 1.25, 7.25, 9)  # days after which what the default alerter shows is kept
SEEN = "seen.json"


@pytest.fixture(scope="session")
def learned_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store after nine days of healthy traffic; what was shown meanwhile is beside it."""

    def make(directory: Path) -> None:
        seen = []
        with closing(open_store(directory / "state" / "collector.db", "slack")) as store:
            traffic = Traffic(store)
            for days in SEEN_AFTER:
                traffic.run(round(days * DAY) - traffic.number, every=36)
                report = traffic.report
                shown = (report.status.name, report.reason.name, report.phase)
                seen.append([*shown, traffic.statuses, traffic.notices])
            assert traffic.number == LEARNED_DAYS * DAY
        (directory / SEEN).write_text(json.dumps(seen))

    return made_once(tmp_path_factory, "learned", make) / "state" / "collector.db"


@pytest.fixture
def seen_while_learning(learned_store: Path) -> list[list[object]]:
    """Status, reason, phase, episodes and notifications after each of `SEEN_AFTER`."""
    found: list[list[object]] = json.loads((learned_store.parents[1] / SEEN).read_text())
    return found


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
