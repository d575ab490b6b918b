"""A collector for tests of the tools that read from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nilometer.testing import SteppedClock
from nilometer_collector.testing import Running, running


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "collector.db", SteppedClock()) as served:
        yield served
