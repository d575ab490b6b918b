"""Every store, each in a database of its own."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from support.stores import NewPlace, Place, PostgresqlPlace, SqlitePlace

from nilometer_collector.demo.postgresql import Server
from nilometer_collector.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewPlace]:
    """Makes an empty database."""
    server: Server | None = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
    numbers = count()
    with ExitStack() as places:

        def make() -> Place:
            place: Place
            if server is None:
                place = SqlitePlace(tmp_path / f"state-{next(numbers)}" / "collector.db")
            else:
                place = PostgresqlPlace(server, server.create_database())
            places.callback(place.close)
            return place

        yield make


@pytest.fixture
def place(new_place: NewPlace) -> Place:
    """An empty database."""
    return new_place()


@pytest.fixture
def store(place: Place) -> Store:
    """A store in an empty database."""
    return place.open()
