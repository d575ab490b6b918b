"""One interpreter to fork from, for all tests of faults."""

from collections.abc import Iterator

import pytest
from faults.zygote import Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("z")) as one:
        yield one
