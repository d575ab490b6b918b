"""Writes `golden/*.bin`: bytes that older software wrote and that every newer one must read.

Run once for a new file: ``PYTHONPATH=middleware:tests python tests/wire/golden.py``. A file that
is there is never written again: what it pins is that these very bytes stay readable.
"""

import dataclasses
from pathlib import Path

import numpy as np
from support.strategies import feature_of

from nilometer.alert import (
    AgainstReference,
    Alerter,
    Evaluation,
    Fixed,
    Range,
    Severity,
    ThresholdSide,
    Verdict,
)
from nilometer.compare import KS, exact_reference_column
from nilometer.profile import (
    Bounds,
    Content,
    Coverage,
    Dictionary,
    FeatureRecorder,
    FeatureSpec,
    Reference,
    ServiceProfile,
    SummarySample,
)
from nilometer.profile.bin_sums import BinSums, Rounded
from nilometer.profile.callers import Callers, Trace
from nilometer.profile.cell_bins import CellBins
from nilometer.profile.feature import Cell
from nilometer.profile.logged.amounts import Aggregation, Head, Stamp
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.line import Line
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import Table
from nilometer.profile.logged.text import Text
from nilometer.profile.performance import (
    Ranking,
    Regression,
    RowMetrics,
    Rows,
    binary,
    row_metric,
)
from nilometer.sketch.exact import Floats
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire import alerts, references
from nilometer.wire.samples import sample_to_bytes, samples_to_bytes

GOLDEN = Path(__file__).parent / "golden"
EDGES = (-1.0, 0.0, 10.0)
BOUNDS = Bounds(edges=EDGES, low=-1.0, high=100.0)
WINDOW = Window(1_700_000_040_000_000_000, 1_700_000_100_000_000_000)
NUMBERS = [-2.5, 0.0, 0.0, 1.0, 2.0, 4.0, 1024.0]


def sample(summary: str, content: Content) -> SummarySample:
    return SummarySample(
        entity="fraud-scorer",
        summary=summary,
        labels=Labels.of(region="eu", version="7"),
        window=WINDOW,
        coverage=Coverage(
            profiled=7,
            sampled_out=1,
            dropped={"queue_full": 2},
            undecodable={"malformed": 3, "too_large": 4},
        ),
        content=content,
    )


def numbers() -> SummarySample:
    cells = [*NUMBERS, None, float("nan"), float("inf"), float("-inf"), 10**400]
    return sample("input.amount", feature_of(cells, FeatureSpec(bounds=BOUNDS)))


def summed() -> SummarySample:
    spec = FeatureSpec(bounds=BOUNDS, dictionary=Dictionary(("cash", "card")))
    cells: list[Cell] = [*NUMBERS, None, float("nan"), "cash", "cheque"]
    bins = CellBins(EDGES, spec.dictionary)
    recorder = FeatureRecorder(spec)
    recorder.observe(cells)
    predictions = Rounded.of(
        np.array([0.5, 0.25, 0.75, 1.0, 1.0, 0.0, 3.0, 0.5, 0.5, -1.5, np.nan]), 10
    )
    sums = BinSums.of(bins.bins, bins.places(cells), predictions, 2)
    recorder.observe_sums("output.score", sums)
    return sample("input.amount", recorder.profile())


def categories() -> SummarySample:
    spec = FeatureSpec(dictionary=Dictionary(("cash", "card")), key=b"key", expected="string")
    cells = ["cash", "cash", "card", "secret", "n/a", True, None, [1], {"a": 1}]
    return sample("input.method", feature_of(cells, spec))


def service() -> SummarySample:
    profile = ServiceProfile.of(
        outcomes={"ok": 2, "server_error": 1},
        statuses={"200": 2, "503": 1},
        latencies=[0.25, 0.5, 1.0],
        request_sizes=[0, 64, 128],
        response_sizes=[2, 4, 8],
    )
    return sample("service", profile)


def callers() -> SummarySample:
    traces = tuple(Trace(1 << at, 1_700_000_040_000_000 + at, 250_000) for at in (1, 40, 63))
    known = Callers({"gateway": 2}, others=1, traced=3, traces=traces)
    content = service().content
    assert isinstance(content, ServiceProfile)
    return sample("service", dataclasses.replace(content, callers=known))


def sides() -> SummarySample:
    coverage = Coverage(
        profiled=7,
        lost_inputs={"malformed": 1},
        lost_outputs={"too_large": 2, "partial": 3},
    )
    return dataclasses.replace(service(), coverage=coverage)


def reference() -> Reference:
    amounts = feature_of(NUMBERS, FeatureSpec(bounds=BOUNDS))
    methods = feature_of(["cash", "card", "cash"], FeatureSpec(readable=True))
    column = exact_reference_column(methods, np.empty(0), 4)
    return references.with_digest(
        Reference(
            entity="fraud-scorer",
            name="training",
            rows=7,
            created_ns=WINDOW.start_ns,
            source="train.parquet",
            columns={
                "input.amount": exact_reference_column(amounts, np.array(NUMBERS), 4),
                "input.method": column,
            },
            digest="",
        )
    )


FIXED = Alerter(
    entity="fraud-scorer",
    name="slow",
    summary="service",
    condition=Fixed(statistic="latency_p99_seconds", side=ThresholdSide.AT_LEAST, threshold=0.5),
    minimum_count=20,
    windows_to_open=2,
    windows_to_close=3,
    severity=Severity.CRITICAL,
)
RANGE = dataclasses.replace(
    FIXED, name="range", condition=Range(statistic="latency_p99_seconds", low=0.0)
)
DRIFT = Alerter(
    entity="fraud-scorer",
    name="drift",
    summary="input.*",
    condition=AgainstReference(reference="training", comparator=KS, threshold=0.25),
)
EVALUATION = Evaluation(
    alerter=DRIFT,
    summary="input.amount",
    labels=Labels.of(region="eu"),
    window=WINDOW,
    verdict=Verdict.BREACH,
    value=0.5,
    count=7,
    reference_digest="0011223344556677",
    evidence="KS from training is 0.5",
)


def logged() -> list[SummarySample]:
    """What users log, one of each type; a sum that one float64 cannot hold, and a missing number."""
    mean = Head(Aggregation.MEAN, "s", Stamp(WINDOW.end_ns, WINDOW.end_ns + 1))
    total = Head(Aggregation.SUM, "", mean.stamp)
    contents: list[Content] = [
        Number.merge_all(Number.of(value, total) for value in (1e16, 1.0, 2.0**-60)),
        Text("v7", 1, mean.stamp),
        Table.of(["k", "v"], [["a", 0.5], [None, None]], mean, 3),
        Matrix.of([[1.0, 0.5], [0.5, 1.0]], mean),
        Line.of([(0.0, 0.25), (1.0, 0.75)], mean),
        ConfusionMatrix.of(["no", "yes"], [[8, 1], [0, 2]], total),
    ]
    return [sample(f"logged.{content.kind}", content) for content in contents]


def performance() -> list[SummarySample]:
    """Predictions that were judged, one content of each type."""

    @row_metric(unit="EUR")
    def fee(rows: Rows) -> Floats:
        return np.asarray(rows.truth - rows.predicted, np.float64)

    rows = Rows(predicted=np.array([1.0, 1.5]), truth=np.array([3.0, 1.0]))
    contents: list[Content] = [
        binary([0.9, 0.2, float("nan"), 0.4], ["1", "1", "0", None], threshold=0.3),
        Regression.of([1.0, 2.5, float("nan")], [1e9, 2.0, 1.0]),
        Ranking.of([[0, 1, 2], [1, 0], [0]], cutoffs=[1, 2]),
        RowMetrics.of(rows, [fee]),
    ]
    return [sample(f"logged.{content.kind}", content) for content in contents]


def golden_bytes() -> dict[str, bytes]:
    """What is written, by file name."""
    return {
        "numbers_counted": sample_to_bytes(numbers()),
        "categories_known": sample_to_bytes(categories()),
        "service": sample_to_bytes(service()),
        "callers": sample_to_bytes(callers()),
        "sides": sample_to_bytes(sides()),
        "logged": samples_to_bytes(logged()),
        "performance": samples_to_bytes(performance()),
        "summed": sample_to_bytes(summed()),
        "samples": samples_to_bytes([numbers(), service()]),
        "reference_dictionary": references.reference_to_bytes(reference()),
        "alerter_fixed": alerts.alerter_to_bytes(FIXED),
        "alerter_range": alerts.alerter_to_bytes(RANGE),
        "alerter_reference": alerts.alerter_to_bytes(DRIFT),
        "evaluation": alerts.evaluation_to_bytes(EVALUATION),
    }


def main() -> None:
    """Write the files that are not there yet."""
    GOLDEN.mkdir(exist_ok=True)
    for name, packed in golden_bytes().items():
        path = GOLDEN / f"{name}.bin"
        if path.exists():
            print(f"{path.name} stands")
            continue
        path.write_bytes(packed)
        print(f"{path.name} written, {len(packed)} bytes")


if __name__ == "__main__":
    main()
