"""Time to profile a table of 1,000,000 rows and 20 columns on one core, compared with peers."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers import python_of, python_of_ours

ROWS = 1_000_000
FLOATS = 16
LEAST_VALUES_PER_SECOND = 20e6
LEAST_RATIO = {"whylogs": 20.0, "evidently": 30.0, "polars": 0.7}  # multiple of the peer's speed
ROUNDS = {"ours": 5, "polars": 5, "whylogs": 1, "evidently": 1}
ONE_CORE = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "ARROW_NUM_THREADS"), "1"
)


def make_table(path: Path, rows: int = ROWS) -> int:
    """Write the table and return its values: four distributions, half of the columns with NaN."""
    rng = np.random.default_rng(6)
    columns: dict[str, object] = {}
    for at in range(FLOATS):
        match at % 4:
            case 0:
                values = rng.normal(size=rows)
            case 1:
                values = rng.lognormal(size=rows)
            case 2:
                values = rng.gamma(0.3, size=rows)
            case _:
                values = rng.integers(0, 1000, rows).astype(np.float64)
        if at % 2:
            values[rng.random(rows) < 0.02] = np.nan
        columns[f"f{at}"] = values
    for name, pool, index in (
        ("low", 8, rng.integers(0, 8, rows)),
        ("middle", 500, rng.integers(0, 500, rows)),
        ("zipf", 100_000, rng.zipf(1.3, rows) % 100_000),
        ("user", 2_000_000, rng.integers(0, 2_000_000, rows)),
    ):
        columns[name] = np.array([f"{name}-{number}" for number in range(pool)])[index]
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pq.write_table(table, path)
    return rows * len(columns)


def measured(tool: str, python: Path, path: Path) -> dict[str, float]:
    """Return CPU seconds and memory of *tool*, which runs in its own process on one core."""
    child = Path(__file__).with_name("table_child.py")
    core = str(max(os.sched_getaffinity(0)))
    finished = subprocess.run(
        ["taskset", "--cpu-list", core, python, child, tool, path, str(ROUNDS[tool])],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | ONE_CORE,
    )
    found: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return found


def main() -> int:
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        values = make_table(path)
        print(f"1 core, {values / 1e6:.0f} M values: {FLOATS} float columns and 4 of strings")
        print(
            f"{'tool':<12} {'CPU s':>8} {'M values/s':>11} {'MB over table':>14} {'ours/its':>9}  goal"
        )
        ours = measured("ours", python_of_ours(), path)
        speed = values / ours["seconds"]
        met = speed >= LEAST_VALUES_PER_SECOND
        fine &= met
        print(_row("nilometer", ours, speed, "", f">= 20 M/s: {_said(met)}"))
        for peer, least in LEAST_RATIO.items():
            python = python_of(peer)
            if python is None:
                fine = False
                continue
            theirs = measured(peer, python, path)
            ratio = theirs["seconds"] / ours["seconds"]
            met = ratio >= least
            fine &= met
            goal = f">= {least:g}x: {_said(met)}"
            print(_row(peer, theirs, values / theirs["seconds"], f"{ratio:.2f}x", goal))
    return 0 if fine else 1


def _row(tool: str, found: dict[str, float], speed: float, ratio: str, goal: str) -> str:
    return (
        f"{tool:<12} {found['seconds']:>8.2f} {speed / 1e6:>11.2f} "
        f"{found['megabytes']:>14.0f} {ratio:>9}  {goal}"
    )


def _said(met: bool) -> str:  # noqa: FBT001  # a result, not a switch
    return "met" if met else "MISSED"
