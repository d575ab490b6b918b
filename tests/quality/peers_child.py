"""Judges windows of rows with one peer at its defaults; prints what it flags as JSON.

    python peers_child.py TOOL FOLDER

The folder has `learn.parquet` and `later.parquet`: the same columns, with the number of its window
in `window`. Each line of the output is a flagged window, counted from 0, and a column. The script
runs in the peer's own environment and imports nothing of nilometer.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REFERENCE_ROWS = 20_000  # drawn from all learned rows, so that a reference holds every hour
Flags = Iterator[tuple[int, str]]


def evidently(learned: Any, later: Any, numbers: list[str], texts: list[str]) -> Flags:
    """Flag what `DataDriftPreset` calls drifted; the library chooses the test of each column."""
    from evidently import DataDefinition, Dataset, Report  # type: ignore[import-not-found]
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)

    def dataset(frame: Any) -> Any:
        return Dataset.from_pandas(frame[[*numbers, *texts]], data_definition=definition)

    reference = dataset(_reference(learned))
    report = Report([DataDriftPreset()], include_tests=True)
    for window, rows in later.groupby("window"):
        found = report.run(dataset(rows), reference).dict()
        for test in found["tests"]:
            column = test["metric_config"]["params"].get("column")
            if column is not None and test["status"] == "FAIL":
                yield int(window), column


def whylogs(learned: Any, later: Any, numbers: list[str], texts: list[str]) -> Flags:
    """Flag the category DRIFT, not POSSIBLE_DRIFT, of the library's own thresholds."""
    import whylogs as why  # type: ignore[import-not-found]
    from whylogs.viz.drift.column_drift_algorithms import (  # type: ignore[import-not-found]
        calculate_drift_scores,
    )

    columns = [*numbers, *texts]
    reference = why.log(_reference(learned)[columns]).view()
    for window, rows in later.groupby("window"):
        view = why.log(rows[columns]).view()
        scores = calculate_drift_scores(view, reference, with_thresholds=True)
        for column, score in scores.items():
            if score is not None and score["drift_category"] == "DRIFT":
                yield int(window), column


def alibi(learned: Any, later: Any, numbers: list[str], texts: list[str]) -> Flags:
    """Flag the columns of `TabularDrift` under its threshold, p = .05 over all columns."""
    from alibi_detect.cd import TabularDrift  # type: ignore[import-not-found]

    columns = [*numbers, *texts]
    names = {
        text: {name: i for i, name in enumerate(sorted(learned[text].unique()))} for text in texts
    }

    def array(frame: Any) -> Any:
        coded = frame[columns].copy()
        for text, codes in names.items():
            coded[text] = frame[text].map(codes)
        return coded.to_numpy(dtype="float64")

    categories = {len(numbers) + i: len(names[text]) for i, text in enumerate(texts)}
    detector = TabularDrift(array(_reference(learned)), categories_per_feature=categories)
    for window, rows in later.groupby("window"):
        found = detector.predict(array(rows))["data"]
        for column, p_value in zip(columns, found["p_val"], strict=True):
            if p_value < found["threshold"]:
                yield int(window), column


def nannyml(learned: Any, later: Any, numbers: list[str], texts: list[str]) -> Flags:
    """Flag the alerts of `UnivariateDriftCalculator`, fitted on all windows that were learned."""
    import nannyml as nml  # type: ignore[import-not-found]
    import pandas as pd

    def timed(frame: Any, first: int) -> Any:
        start = pd.Timestamp("2025-06-23") + pd.to_timedelta(5 * first, unit="min")
        offset = pd.to_timedelta(5 * frame["window"], unit="min")
        return frame.drop(columns="window").assign(at=start + offset)

    calculator = nml.UnivariateDriftCalculator(
        column_names=[*numbers, *texts],
        treat_as_categorical=texts,
        timestamp_column_name="at",
        chunk_period="5min",
    )
    calculator.fit(timed(learned, 0))
    windows = int(learned["window"].max()) + 1
    results = calculator.calculate(timed(later, windows)).filter(period="analysis").to_df()
    for column in (*numbers, *texts):
        for window, is_alert in enumerate(results[column, "jensen_shannon", "alert"]):
            if is_alert:
                yield window, column


def _reference(learned: Any) -> Any:
    return learned.sample(REFERENCE_ROWS, random_state=5)


PEERS = {"evidently": evidently, "whylogs": whylogs, "alibi": alibi, "nannyml": nannyml}


def main() -> None:
    """Print one flag a line."""
    import pandas as pd

    warnings.simplefilter("ignore")
    tool, folder = sys.argv[1], Path(sys.argv[2])
    learned, later = (pd.read_parquet(folder / f"{name}.parquet") for name in ("learn", "later"))
    columns = [name for name in learned.columns if name != "window"]
    texts = [name for name in columns if not pd.api.types.is_numeric_dtype(learned[name])]
    numbers = [name for name in columns if name not in texts]
    print(json.dumps(list(PEERS[tool](learned, later, numbers, texts))))


if __name__ == "__main__":
    main()
