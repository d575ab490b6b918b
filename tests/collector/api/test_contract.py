"""A running collector accepts what its OpenAPI document allows and refuses what it does not.

schemathesis makes both from the served document. It also finds answers above 499, statuses, media
types and bodies that are not declared, and methods that are not refused.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nilometer_collector.api.resources.registered import OPERATIONS
from nilometer_collector.testing import Running

SEED = 20131110
# `make e2e` tries every bound of every field, and more examples an operation.
IS_WHOLE = bool(os.environ.get("NILOMETER_E2E"))
EXAMPLES = 300 if os.environ.get("NILOMETER_LONG") else 10 if IS_WHOLE else 2  # an operation
PHASES = "coverage,fuzzing" if IS_WHOLE else "fuzzing"
TESTS = Path(__file__).resolve().parents[2]
CLI = Path(sys.executable).with_name("schemathesis")


@pytest.mark.timeout(1200)
def test_schemathesis_finds_nothing(filled: Running, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(CLI, "run", f"{filled.collector.http_url}/openapi.json", "--no-color"),
            *("--seed", str(SEED), "--max-examples", str(EXAMPLES)),
            *("--phases", PHASES, "--continue-on-failure"),
            *("--header", "Connection: close"),  # an answer on a kept connection may take 40 ms
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "SCHEMATHESIS_HOOKS": "support.ordered_ranges",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"seed {SEED}, {EXAMPLES} examples an operation\n{run.stdout}\n{run.stderr}")
    assert run.returncode == 0
    total = len(OPERATIONS)
    assert f"{total} selected / {total} total" in run.stdout
    assert f"Tested: {total}" in run.stdout
