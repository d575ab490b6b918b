"""Every store, each in a database of its own."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from support.stores import NewPlace, Place, PostgresqlPlace, SqlitePlace, copy_sqlite

from nilometer_collector.demo.postgresql import Server
from nilometer_collector.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewPlace]:
    """Makes a database with the current schema and no data. All have the same random keys."""
    numbers = count()
    with ExitStack() as places:

        def make() -> Place:
            place: Place
            if request.param == "sqlite":
                path = tmp_path / f"state-{next(numbers)}" / "collector.db"
                copy_sqlite(request.getfixturevalue("prepared_sqlite"), path)
                place = SqlitePlace(path)
            else:
                server: Server = request.getfixturevalue("postgresql")
                prepared: str = request.getfixturevalue("prepared_postgresql")
                place = PostgresqlPlace(server, server.create_database(copy_of=prepared))
            places.callback(place.close)
            return place

        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def two_empty_places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Place]]:
    """Two databases without a schema."""
    places: list[Place] = []
    for name in ("first", "second"):
        if request.param == "sqlite":
            places.append(SqlitePlace(tmp_path / name / "collector.db"))
        else:
            server: Server = request.getfixturevalue("postgresql")
            places.append(PostgresqlPlace(server, server.create_database()))
    yield places
    for place in places:
        place.close()


@pytest.fixture
def place(new_place: NewPlace) -> Place:
    """A database with the current schema and no data."""
    return new_place()


@pytest.fixture
def store(place: Place) -> Store:
    """A store without data."""
    return place.open()
