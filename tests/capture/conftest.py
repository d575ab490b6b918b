"""Each test of this room begins with no other middleware and no request in the process."""

import pytest

from nilometer.capture import nesting
from nilometer.capture.values import current


@pytest.fixture(autouse=True)
def nothing_of_another_test() -> None:
    nesting._workers.clear()
    current.set(None)
