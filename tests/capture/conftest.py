"""Each test of this room begins with no other middleware in the process."""

import pytest

from nilometer.capture import nesting


@pytest.fixture(autouse=True)
def no_other_middleware() -> None:
    nesting._workers.clear()
