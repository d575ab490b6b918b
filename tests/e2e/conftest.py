"""`make e2e` only: a minute of replay is too long for every run of the tests."""

import os
import sys
from collections.abc import Iterator

import pytest

if not os.environ.get("NILOMETER_E2E"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines that are printed at the end of the module."""
    lines: list[str] = []
    yield lines
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
