"""A table of false alarms and delays beside Evidently, whylogs, alibi-detect and NannyML.

    PYTHONPATH=tests python -m quality.peers [--rows 100 500] [--seeds 1]

All judge the same rows: 16 numbers of eight shapes and 4 categories of 5 to 100 names, in windows of
five minutes. Seven days are there to learn from. A day without drift follows, and then half a day in
which the latent of four numbers has moved. Each peer runs at its own defaults in an environment of
its own. Its reference is 20,000 rows drawn from the seven days, NannyML's is all of them.

A flag is a column in a window. The day without drift has false flags only. An alarm is a flag that the
column did not have in the window before; a lasting one is there for three windows in a row, as people
ask of tools that judge each window alone. A delay counts windows from the drift to the first alarm
after it, so a flag that was there before finds nothing. Figures are means over the seeds.

The default alerter was built for such streams, and a row has four moved columns per seed: the table
shows what a new user meets, not which statistic is better.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import ndtr
from support.judged_windows import BASE_NS, DAY, SHAPES, START_NS, Truth, World, judge_of

from benchmarks.peers import python_of
from nilometer.alert.calibrated.columns import Column
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.judge import EntityState
from nilometer.alert.calibrated.parts import PartChange
from nilometer.batch import profile_of, reference_of
from nilometer.profile import FeatureSpec

NUMBERS = 16
SIZES = (5, 12, 40, 100)
LEARN = 7 * DAY
DRIFT = DAY // 2  # windows with the drift, after a day without one
MOVED = ("n0", "n1", "n2", "n7")  # normal, log-normal, gamma, heavy tails
OURS = "nilometer"
PEERS = ("evidently", "whylogs", "alibi", "nannyml")
STREAMS: dict[str, dict[str, float]] = {
    "independent": {},
    "both": {"seasonal": 0.3, "overdispersed": 0.05},
}
Flags = set[tuple[int, str]]  # window after the learned ones, counted from 0, and column


def table_of(truth: Truth, seed: int) -> pa.Table:
    """Return the rows of all windows, with the number of their window in `window`."""
    rng = np.random.default_rng(seed)
    window = np.repeat(np.arange(len(truth.rows)), truth.rows)
    columns: dict[str, object] = {"window": window}
    shapes = list(SHAPES)
    for i in range(NUMBERS):
        latent = rng.normal(truth.mean[i][window], truth.deviation[i][window])
        columns[f"n{i}"] = SHAPES[shapes[i % len(shapes)]](np.clip(ndtr(latent), 1e-12, 1 - 1e-12))
    for i, size in enumerate(SIZES):
        shares = 1 / np.arange(1, size + 1) ** 1.1
        # As in `World`: half of the names become more frequent where the latent grows.
        sign = np.random.default_rng(99 + i).choice([-1.0, 1.0], size)
        drawn = rng.gumbel(size=(len(window), size))
        drawn += np.log(shares) + truth.mean[NUMBERS + i][window][:, None] * sign
        columns[f"c{i}"] = np.array([f"k{name}" for name in range(size)])[drawn.argmax(axis=1)]
    return pa.table(columns)


def stream(kind: str, rows: int, size: float, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return the rows to learn from, and those to judge: a day without drift, then one of *size*."""
    world = World(NUMBERS, SIZES)
    options = STREAMS[kind]
    truth = world.truth(
        LEARN + DAY + DRIFT,
        rows,
        seasonal=options.get("seasonal", 0.0),
        overdispersed=options.get("overdispersed", 0.0),
        seed=seed,
    )
    for name in MOVED:
        truth.mean[int(name[1:]), LEARN + DAY :] += size
    table = table_of(truth, seed + 1)
    split = int(truth.rows[:LEARN].sum())
    later = table.slice(split)
    window = pa.array(later.column("window").to_numpy() - LEARN)
    return table.slice(0, split), later.set_column(0, "window", window)


@dataclass(frozen=True)
class _Columns:
    columns: list[Column]


def ours(learned: pa.Table, later: pa.Table) -> Flags:
    """Return the columns that have an open part in each window, by the default alerter."""
    rng = np.random.default_rng(5)
    drawn = np.sort(rng.choice(learned.num_rows, 20_000, replace=False))
    reference = reference_of(
        learned.drop_columns("window").take(drawn),
        entity="m",
        name="training",
        source="test",
        created_ns=0,
    )

    def spec_of(summary: str) -> FeatureSpec:
        return reference.spec(summary) or FeatureSpec()

    profiles = []
    for table in (learned, later):
        window = table.column("window").to_numpy()
        cuts = [0, *(np.flatnonzero(np.diff(window)) + 1).tolist(), len(window)]
        rows = table.drop_columns("window")
        profiles += [
            (profile_of(rows.slice(first, last - first), spec_of), last - first)
            for first, last in pairwise(cuts)
        ]
    columns = [Column.of(summary, frozen) for summary, frozen in reference.columns.items()]
    counts = [
        np.array([column.vector(found[column.summary], requests=n) for found, n in profiles])
        for column in columns
    ]
    judge = judge_of(_Columns(columns), counts, LEARN)
    left = {
        PartKey(column.summary): vectors[LEARN:]
        for column, vectors in zip(columns, counts, strict=True)
    }
    flags: Flags = set()
    opened: set[str] = set()
    steps = judge.replay(EntityState(), left, START_NS + LEARN * BASE_NS)
    for window, (_, verdict) in enumerate(steps):
        for event in verdict.parts:
            is_open = event.change is PartChange.OPENED
            (opened.add if is_open else opened.discard)(event.key.summary)
        flags |= {(window, summary.removeprefix("input.")) for summary in opened}
    return flags


def theirs(peer: str, learned: pa.Table, later: pa.Table) -> Flags | None:
    """Return what *peer* flags; None if it cannot be installed, which is printed."""
    python = python_of(peer)
    if python is None:
        return None
    child = Path(__file__).with_name("peers_child.py")
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(learned, Path(folder) / "learn.parquet")
        pq.write_table(later, Path(folder) / "later.parquet")
        finished = subprocess.run(
            [python, child, peer, folder], capture_output=True, text=True, check=False
        )
    if finished.returncode:
        print(finished.stderr)
        finished.check_returncode()
    return {(window, column) for window, column in json.loads(finished.stdout.splitlines()[-1])}


def row(streams: Sequence[Flags]) -> str:
    """Return the figures of a tool: of days without drift, and then of the drift."""
    flags = windows = begun = lasting = others = 0
    delays = []
    for seen in streams:
        calm = {one for one in seen if one[0] < DAY}
        flags += len(calm)
        windows += len({window for window, _ in calm})
        starts = {(window, column) for window, column in seen if (window - 1, column) not in seen}
        begun += len(starts & calm)
        lasting += sum({(at + 1, name), (at + 2, name)} <= seen for at, name in starts & calm)
        for column in MOVED:
            after = [window - DAY + 1 for window, name in starts if name == column]
            delays.append(min((one for one in after if one > 0), default=float("inf")))
        others += len({name for window, name in starts if window >= DAY} - set(MOVED))
    median = float(np.quantile(delays, 0.5, method="higher"))
    found = int(np.isfinite(delays).sum())
    days = len(streams)
    return (
        f"{flags / days:>8g}{windows / days:>9g}{begun / days:>8g}{lasting / days:>9g}"
        f"{found:>7}/{len(delays)}{median:>8g}{others / days:>8g}"
    )


def _lines(rows: Sequence[int], seeds: int) -> Iterator[str]:
    yield f"{'':<27}  {'':<10}{'a day without drift':>34}{'the drift':>25}"
    yield (
        f"{'streams':<13}{'rows':>6}{'drift':>8}  {'tool':<10}{'flags':>8}{'windows':>9}{'alarms':>8}"
        f"{'lasting':>9}{'found':>9}{'median':>8}{'others':>8}"
    )
    for kind in STREAMS:
        for count in rows:
            for size in (0.25, 0.5):
                streams = [stream(kind, count, size, seed=7 + seed) for seed in range(seeds)]
                for tool in (OURS, *PEERS):
                    judged = [ours(*one) if tool == OURS else theirs(tool, *one) for one in streams]
                    seen = [flags for flags in judged if flags is not None]
                    if seen:
                        yield f"{kind:<13}{count:>6}{size:>5} sd  {tool:<10}{row(seen)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 500], help="of a window")
    parser.add_argument("--seeds", type=int, default=1, help="streams of each row of the table")
    chosen = parser.parse_args()
    for line in _lines(chosen.rows, chosen.seeds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
