"""CPU time to merge 10,000 windows of one feature from SQLite, compared with whylogs on a part."""

import json
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.peers import python_of
from nilometer.profile import Coverage, FeatureRecorder, SummarySample
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.numbers import numbers_from_bytes
from nilometer.wire.samples import merged_sample_from_bytes, sample_to_bytes

WINDOWS = 10_000
ROWS = 2_000
ROLLED_UP = 66  # windows of a rolled-up month: 30 of a day, 24 of an hour, 12 of 5 minutes
ROUNDS = 3
ROUNDS_OF_FEW = 31  # the first ones take longer, and each takes only milliseconds
WINDOW = Window(0, 60 * 10**9)
MOST_MILLISECONDS, MOST_ROLLED_UP = 75.0, 1.5
LEAST_RATIO = 70.0
PEER_WINDOWS = 500
WHYLOGS = """
import json, time
import numpy as np, pandas as pd, whylogs as why
rng = np.random.default_rng(8)
views = [
    why.log(pd.DataFrame({"x": rng.lognormal(size=2000)})).view().serialize() for _ in range(WINDOWS)
]
from whylogs.core import DatasetProfileView
start = time.process_time()
merged = DatasetProfileView.deserialize(views[0])
for packed in views[1:]:
    merged = merged.merge(DatasetProfileView.deserialize(packed))
print(json.dumps(time.process_time() - start))
""".replace("WINDOWS", str(PEER_WINDOWS))


def store(path: Path) -> None:
    rng = np.random.default_rng(8)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE samples (window INTEGER PRIMARY KEY, payload BLOB) STRICT")
    for window in range(WINDOWS):
        recorder = FeatureRecorder()
        recorder.observe(rng.lognormal(size=ROWS))
        sample = SummarySample(
            entity="benched",
            summary="input.amount",
            labels=Labels(),
            window=WINDOW,
            coverage=Coverage(profiled=ROWS),
            content=recorder.profile(),
        )
        payload = sample_to_bytes(sample)
        connection.execute("INSERT INTO samples VALUES (?, ?)", (window, payload))
    connection.commit()
    connection.close()


def milliseconds(path: Path, windows: int, *, whole: bool) -> float:
    figures = []
    for _ in range(ROUNDS if windows == WINDOWS else ROUNDS_OF_FEW):
        connection = sqlite3.connect(path)
        start = time.process_time()
        rows = connection.execute("SELECT payload FROM samples LIMIT ?", (windows,)).fetchall()
        payloads = [payload for (payload,) in rows]
        if whole:
            merged_sample_from_bytes(payloads, WINDOW, Labels())
        else:
            numbers_from_bytes([payloads], moments=False)
        figures.append((time.process_time() - start) * 1000)
        connection.close()
    return statistics.median(figures)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.db"
        store(path)
        digests = milliseconds(path, WINDOWS, whole=False)
        whole = milliseconds(path, WINDOWS, whole=True)
        rolled_up = milliseconds(path, ROLLED_UP, whole=False)
    print(f"merge of {WINDOWS} windows of {ROWS} rows, including the read from SQLite, CPU ms")
    met = digests <= MOST_MILLISECONDS
    fine = met
    print(f"  digests: {digests:.0f}  <= {MOST_MILLISECONDS:g}: {'met' if met else 'MISSED'}")
    print(f"  whole features: {whole:.0f}  shown")
    met = rolled_up <= MOST_ROLLED_UP
    fine &= met
    print(
        f"  {ROLLED_UP} roll-ups: {rolled_up:.2f}  <= {MOST_ROLLED_UP:g}: {'met' if met else 'MISSED'}"
    )
    python = python_of("whylogs")
    if python is not None:
        printed = subprocess.run(
            [python, "-c", WHYLOGS], capture_output=True, text=True, check=True
        )
        theirs = json.loads(printed.stdout.splitlines()[-1]) * 1000 * WINDOWS / PEER_WINDOWS
        ratio = theirs / digests
        met = ratio >= LEAST_RATIO
        fine &= met
        print(
            f"  whylogs, scaled from {PEER_WINDOWS}: {theirs:.0f}; ours is 1/{ratio:.0f}, "
            f"at most 1/{LEAST_RATIO:g}: {'met' if met else 'MISSED'}"
        )
    return 0 if fine else 1
