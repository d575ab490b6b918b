"""The table of NannyML's car loans: which features drift, and in which window each is found.

    PYTHONPATH=tests python -m quality.car_loan [--source FILE]

The reference is the first half. The second half is judged in its order, in windows of a fixed number of
rows; five features change at its middle.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from support.judged_windows import BASE_NS, START_NS

from nilometer.alert.calibrated.baseline import learn
from nilometer.alert.calibrated.columns import Column
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import Subject
from nilometer.alert.calibrated.judge import EntityState, Judge
from nilometer.alert.calibrated.model import Judged
from nilometer.alert.calibrated.parts import PartChange
from nilometer.alert.calibrated.slots import BASE_SECONDS, Calendar
from nilometer.batch import profile_of, reference_of
from nilometer.profile import FeatureSpec

SOURCE = Path(__file__).resolve().parents[3] / "shared" / "data" / "synthetic_car_loan.parquet"
COLUMNS = (
    "car_value", "salary_range", "debt_to_income_ratio", "loan_length", "repaid_loan_on_prev_car",
    "size_of_downpayment", "driver_tenure", "y_pred_proba",
)  # fmt: skip
DRIFTING = {
    "input.car_value", "input.salary_range", "input.loan_length", "input.repaid_loan_on_prev_car",
    "input.y_pred_proba",
}  # fmt: skip
HALF = 50_000


def found_in(source: Path, rows: int) -> dict[str, int]:
    """Return the window of *rows* rows in which each feature was first found, counted from 0."""
    table = pq.read_table(source).select(COLUMNS)
    reference = reference_of(
        table.slice(0, HALF), entity="m", name="training", source="test", created_ns=0
    )

    def spec_of(summary: str) -> FeatureSpec:
        return reference.spec(summary) or FeatureSpec()

    profiles = [
        profile_of(table.slice(start, rows), spec_of) for start in range(0, table.num_rows, rows)
    ]
    learned = HALF // rows
    starts = START_NS + np.arange(learned, dtype=np.int64) * BASE_NS
    slots = Calendar(window_seconds=BASE_SECONDS).slots(starts)
    subjects, later = [], {}
    for summary, frozen in reference.columns.items():
        column = Column.of(summary, frozen)
        vectors = np.array([column.vector(one[summary], requests=rows) for one in profiles])
        baseline = learn(column, vectors[:learned], slots, np.ones(learned, bool))
        key = PartKey(summary)
        judged = Judged(column=column, baseline=baseline)
        subjects.append(Subject(key=key, judged=judged, length=1, share=1 / len(reference.columns)))
        later[key] = vectors[learned:]
    found: dict[str, int] = {}
    first_ns = START_NS + learned * BASE_NS
    for window, (_, verdict) in enumerate(Judge(subjects).replay(EntityState(), later, first_ns)):
        for event in verdict.parts:
            if event.change is PartChange.OPENED:
                found.setdefault(event.key.summary, window)
    return found


def main() -> None:
    """Print the windows in which features were found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", type=Path, default=SOURCE, help="Parquet file of the loans")
    source = parser.parse_args().source
    if not source.exists():
        print(f"not measured: {source} does not exist, give --source")
        return
    for rows, most in ((500, 53), (100, 255)):
        found = found_in(source, rows)
        print(
            f"\ncar loans in windows of {rows} rows; the change is in window {HALF // 2 // rows}:"
        )
        for summary, window in sorted(found.items(), key=lambda one: one[1]):
            must = f"by window {most}" if summary in DRIFTING else "never"
            print(f"{summary:<32}{window:>6}   must: {must}")
        for summary in sorted(DRIFTING - found.keys()):
            print(f"{summary:<32} never   must: by window {most}")


if __name__ == "__main__":
    main()
