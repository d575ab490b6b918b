"""The t-digest as others read it: DataSketches in Python and in Java."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from nilometer.sketch import TDigest
from nilometer.sketch.interchange import from_datasketches, to_datasketches

datasketches = pytest.importorskip(
    "datasketches", reason="the DataSketches wheel has none for this Python"
)

JARS = Path(__file__).resolve().parent.parent.parent / ".e2e" / "jars"
ARTIFACTS = (
    "datasketches-java:6.2.0",
    "datasketches-memory:3.0.2",
)
VALUES = np.random.default_rng(3).lognormal(size=20_000)


def test_the_wheel_reads_what_we_write() -> None:
    ours = TDigest.of(VALUES)
    theirs = datasketches.tdigest_double.deserialize(to_datasketches(ours))
    assert theirs.get_total_weight() == 20_000
    assert (theirs.get_min_value(), theirs.get_max_value()) == (ours.min, ours.max)
    for q in (0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999):
        # Ranks are held against ranks: the wheel's quantiles interpolate with swapped weights.
        assert theirs.get_rank(float(np.quantile(VALUES, q))) == pytest.approx(q, abs=0.004)


@pytest.mark.parametrize("values", [[], [1.5], [1.0, 2.0, 3.0]])
def test_the_wheel_reads_small_ones(values: list[float]) -> None:
    theirs = datasketches.tdigest_double.deserialize(to_datasketches(TDigest.of(values)))
    assert theirs.get_total_weight() == len(values)
    assert theirs.is_empty() == (not values)


@pytest.mark.parametrize("count", [0, 1, 5, 20_000])
def test_we_read_what_the_wheel_writes(count: int) -> None:
    theirs = datasketches.tdigest_double(200)
    theirs.update(VALUES[:count].copy())
    ours = from_datasketches(theirs.serialize())
    assert ours.count == count
    if count:
        assert (ours.min, ours.max) == (VALUES[:count].min(), VALUES[:count].max())
    if count > 1000:
        ordered = np.sort(VALUES)
        for q in (0.01, 0.25, 0.5, 0.75, 0.99):
            rank = np.searchsorted(ordered, float(ours.quantile(q))) / count
            assert rank == pytest.approx(q, abs=0.006)


@pytest.fixture(scope="module")
def jars() -> Path:
    """DataSketches for Java; `scripts/install_ci.sh` fetches what is named here."""
    names = (artifact.replace(":", "-") + ".jar" for artifact in ARTIFACTS)
    if not all((JARS / name).is_file() for name in names):
        pytest.skip("the jars of DataSketches are not there (scripts/install_ci.sh fetches them)")
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler is installed (Debian: default-jdk-headless)")
    return JARS


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [1, 3, 20_000])
def test_java_reads_what_we_write_and_we_read_it_back(
    count: int, jars: Path, tmp_path: Path
) -> None:
    ours = TDigest.of(VALUES[:count])
    given, taken = tmp_path / "given", tmp_path / "taken"
    given.write_bytes(to_datasketches(ours))
    median = str(float(np.median(VALUES[:count])))
    source = Path(__file__).with_name("ReadDigest.java")
    finished = subprocess.run(
        ["java", "-cp", f"{jars}/*", source, given, taken, median],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    head, rank = finished.stdout.splitlines()
    weight, low, high = head.split()
    assert (int(weight), float(low), float(high)) == (count, ours.min, ours.max)
    assert float(rank) == pytest.approx(0.5, abs=0.005)
    back = from_datasketches(taken.read_bytes())
    assert (back.count, back.min, back.max) == (count, ours.min, ours.max)
