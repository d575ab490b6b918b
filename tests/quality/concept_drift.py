"""Tables of concept drift: how many rows the default alerter needs to find a worse model.

    PYTHONPATH=tests python -m quality.concept_drift [--seeds 4]

The stream is SEA (Street and Kim, 2001): a row is positive if two of its three numbers, from 0 to
10, add up to at most theta, and one label of ten is wrong. Theta changes from 8 to 9 at row 25,000.
A linear model of the first rows has an error rate of about 10 %, and of 16 % after the change. Rows
arrive in windows through the store and the real watch, at a tolerance of one and of three percentage
points. A row says how far after the change the first alarm came, over several seeds.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from support.labelled_traffic import QUALITY, LabelledTraffic
from support.watched_traffic import DAY, MONDAY_NS

from nilometer.profile.performance import classes_only
from nilometer.values.window import Window
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.store import open_store
from nilometer_collector.watch.memory import DAY_NS

ROWS = 50_000
CHANGE = 25_000  # row at which theta changes
LAST = 30_000  # rows that are sent: later alarms are not of interest
TRAIN = 2_000  # rows from which the model is learned
NOISE = 0.1


def stream(seed: int) -> tuple[list[int], list[int]]:
    """Return the predicted and the true classes of the rows."""
    rng = np.random.default_rng(seed)
    numbers = rng.uniform(0, 10, (ROWS, 3))
    theta = np.where(np.arange(ROWS) < CHANGE, 8.0, 9.0)
    truth = (numbers[:, 0] + numbers[:, 1] <= theta) ^ (rng.random(ROWS) < NOISE)
    terms = np.column_stack([np.ones(ROWS), numbers])
    weights, *_ = np.linalg.lstsq(terms[:TRAIN], truth[:TRAIN], rcond=None)
    scores = terms @ weights
    cuts = np.sort(scores[:TRAIN])
    errors = [np.count_nonzero((scores[:TRAIN] > cut) != truth[:TRAIN]) for cut in cuts]
    predicted = scores > cuts[int(np.argmin(errors))]
    return predicted.astype(int).tolist(), truth.astype(int).tolist()


def alarms(seed: int, rows: int, tolerance: float) -> list[int]:
    """Return the row at which each alarm came, for windows of *rows* rows, one a day."""
    predicted, truth = stream(seed)
    rule = WatchRule(share_tolerances={QUALITY: tolerance})
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(Path(directory) / "state" / "collector.db", "slack")
        try:
            traffic = LabelledTraffic(store, rules=(rule,))
            for first in range(0, LAST, rows):
                start_ns = traffic.window().start_ns
                window = Window(start_ns, start_ns + DAY_NS)
                part = slice(first, first + rows)
                traffic.predict(window, rows)
                traffic.log(window, classes_only(predicted[part], truth[part]))
                traffic.wait(DAY)
            opened = sorted(one.opened_ns for one in store.alerts.episodes())
        finally:
            store.close()
    begun_ns = MONDAY_NS
    return [(at_ns - begun_ns) // DAY_NS * rows for at_ns in opened]


def _rows(seeds: int) -> Iterator[str]:
    yield f"{'rows a window':>14}{'tolerance':>11}{'before':>8}{'found':>7}{'rows until the alarm':>26}"
    for tolerance in (0.01, 0.03):
        for rows in (500, 250, 1000):
            found = [alarms(seed, rows, tolerance) for seed in range(seeds)]
            before = sum(at <= CHANGE for each in found for at in each)
            after = [
                min(at for at in each if at > CHANGE) - CHANGE
                for each in found
                if any(at > CHANGE for at in each)
            ]
            text = f"{np.median(after):.0f} (most {max(after)})" if after else "none"
            yield f"{rows:>14}{tolerance:>11.0%}{before:>8}{len(after):>4}/{seeds}{text:>26}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=4, help="streams of each row")
    chosen = parser.parse_args()
    started = time.process_time()
    for line in _rows(chosen.seeds):
        print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
