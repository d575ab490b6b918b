"""One interpreter to fork from, for all tests of faults; and the storm, beside the others.

The storm lasts for a minute whatever the machine does, and waits for most of it: the other tests
run meanwhile, where it was asked for at all.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from faults.test_storm import a_minute_of_it
from faults.zygote import Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("z")) as one:
        yield one


@pytest.fixture(scope="session", autouse=True)
def storm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Future[str] | None"]:
    """What the storm will have found; None where no test asks for it."""
    if not any("storm" in item.name for item in request.session.items):
        yield None
        return
    directory = tmp_path_factory.mktemp("s")
    with ThreadPoolExecutor(1) as pool, Zygote(tmp_path_factory.mktemp("y")) as processes:
        yield pool.submit(a_minute_of_it, processes, directory)
