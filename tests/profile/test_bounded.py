"""What profiles cost on the worst input, in children that may not use more."""

import subprocess
import sys

import pytest

PRELUDE = """
import resource, signal, sys, random, math, tracemalloc
from decimal import Decimal
import numpy as np
from nilometer.profile import FeatureRecorder, FeatureSpec, FeatureProfile
from nilometer.wire.contents.feature import feature_to_wire, feature_from_wire
limit = 600 << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
signal.alarm(90)
"""

FUZZ = (
    PRELUDE
    + """
seed = int(sys.argv[1])
rng = random.Random(seed)
POOL = [
    math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, -5e-324, 1e308, -1e308, 1.7976931348623157e308,
    None, True, False, 1, -1, 10**400, -(10**400), 2**53 + 1, Decimal("NaN"), Decimal("sNaN"),
    Decimal("Infinity"), Decimal("1.10"), np.float32(1.5), np.int8(-3), np.uint64(2**64 - 1),
    np.float64("nan"), np.datetime64("NaT"), np.datetime64("2026-01-01"), "", "text", "1.5", "n/a",
    "x" * 5000, "\\ud800", b"raw", [], [1.0], [[1.0], []], (), {}, {"a": 1}, {1}, object(), 1j,
    np.array([]), np.array(3.0), np.array([[1.0]]), range(3), memoryview(b"x"),
]
def cell():
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(POOL)
    if kind < 0.6:
        return rng.uniform(-1, 1) * 10.0 ** rng.randint(-320, 308)
    if kind < 0.8:
        return "".join(chr(rng.randint(0, 0x2FF)) for _ in range(rng.randint(0, 80)))
    return rng.randint(-(10**30), 10**30)
for turn in range(150):
    parts = []
    for _ in range(rng.randint(0, 4)):
        recorder = FeatureRecorder(FeatureSpec(key=b"k", distinct_numbers=True))
        cells = 0
        for _ in range(rng.randint(0, 3)):
            column = [cell() for _ in range(rng.choice([0, 1, 3, 200, 9000 if turn % 50 == 0 else 20]))]
            if rng.random() < 0.3:
                column = [value for value in column if isinstance(value, float)]
            recorder.observe(column)
            cells += len(column)
        feature = recorder.profile()
        assert feature.cells == cells, (seed, turn)
        assert feature.numbers.count + feature.non_finite == feature.types.get("number", 0)
        back = feature_from_wire(feature_to_wire(feature))
        assert back.cells == cells
        parts.append(feature)
    merged = FeatureProfile.merge_all(parts)
    assert merged.cells == sum(part.cells for part in parts)
    merged.describe()
print("fine")
"""
)

DISTINCT = (
    PRELUDE
    + """
recorder = FeatureRecorder(FeatureSpec(key=b"k"))
def batch(start):
    return [f"user-{number:07d}@example.org" for number in range(start, start + 10_000)]
recorder.observe(batch(0))
tracemalloc.start()
for start in range(0, 1_000_000, 10_000):
    cells = batch(start)
    recorder.observe(cells)
    del cells
current, _ = tracemalloc.get_traced_memory()
feature = recorder.profile()
print(current, feature.distinct.estimate, feature.categories.total, len(feature.categories.frequent.counts))
"""
)


def child(code: str, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return finished.stdout


@pytest.mark.parametrize("seed", ["1", "2"])
def test_any_cells_end_in_counters_within_600_megabytes_and_90_seconds(seed: str) -> None:
    assert child(FUZZ, seed) == "fine\n"


def test_a_million_different_strings_take_less_than_a_megabyte() -> None:
    held, estimate, total, kept = child(DISTINCT).split()
    assert int(held) < 1 << 20
    assert float(estimate) == pytest.approx(1_000_000, rel=3 * 0.0325)  # three standard errors
    assert int(total) == 1_010_000
    assert int(kept) == 64
