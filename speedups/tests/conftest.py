"""The tests of this directory need the extension: `make speedups` builds it and runs them."""

import pytest

from nilometer.capture import nesting
from nilometer.capture.values import current
from nilometer.handoff.plain import lane


def pytest_configure() -> None:
    if lane is None:
        raise pytest.UsageError("nilometer-speedups is not installed: use `make speedups`")


@pytest.fixture(autouse=True)
def nothing_of_another_test() -> None:
    nesting._workers.clear()
    current.set(None)
