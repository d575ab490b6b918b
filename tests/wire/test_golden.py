"""Bytes of earlier versions mean what they meant; `golden.py` tells how they were made."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest

from nilometer.alert import AgainstReference, Fixed, Range, Severity, ThresholdSide, Verdict
from nilometer.compare import KS
from nilometer.profile import Dictionary, FeatureProfile, ServiceProfile, SummarySample, pseudonym
from nilometer.profile.feature_bins import FeatureBins
from nilometer.profile.logged.amounts import Aggregation, Stamp
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.line import Line
from nilometer.profile.logged.matrix import Matrix
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import Table
from nilometer.profile.logged.text import Text
from nilometer.profile.performance import Classification, Ranking, Regression, RowMetrics
from nilometer.sketch.binned import edges_id
from nilometer.sketch.exponential import Buckets
from nilometer.v1 import alert_pb2
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire import alerts, references
from nilometer.wire.samples import parts_by_summary, sample_from_bytes

GOLDEN = Path(__file__).parent / "golden"
EDGES = (-1.0, 0.0, 10.0)
WINDOW_END_NS = 1_700_000_100_000_000_000
NUMBERS = [-2.5, 0.0, 0.0, 1.0, 2.0, 4.0, 1024.0]

# blake2b of each file: to write one anew takes a second, deliberate step here.
DIGESTS = {
    "alerter_fixed": "0a20fb1cbf046a08",
    "alerter_range": "221dd89405f65234",
    "alerter_reference": "d0ca41f5b1853ad6",
    "callers": "b852f864c6315461",
    "categories": "7f529c4730717d11",
    "categories_known": "3dfaa9c7d1e7d330",
    "evaluation": "066609ad07c46c6f",
    "logged": "e61362148abc8ab4",
    "numbers": "5704c3e8add24449",
    "numbers_counted": "d2d478959b019f0a",
    "performance": "11cc2b779ca96917",
    "reference": "706c4d8925ec4c41",
    "reference_dictionary": "d7bd6fbbcb0778a1",
    "samples": "38915b7d5ac3e29d",
    "service": "50db2a9d007c2cc0",
    "sides": "6b5f891cd7cfc6a7",
    "summed": "2aece10dcfdb2349",
}


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.bin").read_bytes()


def sample(name: str) -> SummarySample:
    return sample_from_bytes(golden(name), {edges_id(EDGES): EDGES}.get)


def test_every_golden_file_is_the_one_that_was_written() -> None:
    found = {
        path.stem: hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
        for path in sorted(GOLDEN.glob("*.bin"))
    }
    assert found == DIGESTS


@pytest.mark.parametrize("name", ["numbers", "categories", "service"])
def test_an_old_sample_tells_where_and_when_it_was_measured(name: str) -> None:
    old = sample(name)
    assert old.entity == "fraud-scorer"
    assert old.labels == Labels((("region", "eu"), ("version", "7")))
    assert old.window == Window(1_700_000_040_000_000_000, 1_700_000_100_000_000_000)
    coverage = old.coverage
    assert (coverage.seen, coverage.profiled, coverage.sampled_out) == (17, 7, 1)
    assert coverage.dropped == {"queue_full": 2}
    assert coverage.undecodable == {"malformed": 3, "too_large": 4}


def test_old_lost_sides_are_read() -> None:
    coverage = sample("sides").coverage
    assert (coverage.seen, coverage.profiled) == (7, 7)
    assert coverage.lost_inputs == {"malformed": 1}
    assert coverage.lost_outputs == {"too_large": 2, "partial": 3}


def test_old_numbers_are_read() -> None:
    feature = sample("numbers").content
    assert isinstance(feature, FeatureProfile)
    assert feature.types == {"number": 11}
    assert (feature.missing, feature.numbers.nan) == (1, 1)
    assert (feature.numbers.positive_infinity, feature.numbers.negative_infinity) == (2, 1)
    moments, exact = feature.numbers.moments, np.array(NUMBERS)
    assert moments.count == 7
    assert moments.mean == pytest.approx(float(exact.mean()))
    deviations = exact - exact.mean()
    for power, found in ((2, moments.m2), (3, moments.m3), (4, moments.m4)):
        assert found == pytest.approx(float((deviations**power).sum()))
    means, weights, atoms = feature.numbers.digest.centroids()
    assert means.tolist() == [-2.5, 0.0, 1.0, 2.0, 4.0, 1024.0]
    assert weights.tolist() == [1, 2, 1, 1, 1, 1]
    assert atoms.all()
    assert (
        feature.numbers.digest.min,
        feature.numbers.digest.max,
        feature.numbers.digest.compression,
    ) == (
        -2.5,
        1024.0,
        100.0,
    )
    histogram = feature.numbers.histogram
    assert histogram is not None
    assert (histogram.scale, histogram.zero_count, histogram.count) == (3, 2, 7)
    expected = [0] * 81
    for value in (1.0, 2.0, 4.0, 1024.0):
        expected[8 * int(math.log2(value))] = 1
    assert histogram.positive == Buckets(-1, tuple(expected))
    assert histogram.negative == Buckets(10, (1,))
    assert feature.numbers.binned is not None
    assert (feature.numbers.binned.edges, feature.numbers.binned.counts) == (EDGES, (1, 0, 5, 1))
    assert feature.distinct is not None
    assert round(feature.distinct.estimate) == 6


def test_sums_by_bin_are_read() -> None:
    feature = sample("summed").content
    assert isinstance(feature, FeatureProfile)
    ((key, sums),) = feature.sums.items()
    # Below -1, from -1, from 0, from 10; cash, card, other; missing, not usable, pooled.
    bins = FeatureBins.of(EDGES, Dictionary(("cash", "card")))
    assert (key.value, key.bins, sums.bits) == ("output.score", bins, 10)
    assert sums.counts == (1, 0, 5, 1, 1, 0, 0, 1, 1, 0)
    assert sums.sums == (512, 0, 3072, 3072, -1536, 0, 0, 512, 512, 0)
    assert (sums.squares, sums.left_out, sums.unmatched) == (15335424, 1, 2)
    assert not sums.is_public


def test_old_categories_are_read() -> None:
    feature = sample("categories").content
    assert isinstance(feature, FeatureProfile)
    assert feature.types == {"string": 4, "boolean": 1, "list": 1, "object": 1}
    assert (feature.missing, feature.cells) == (1, 8)
    assert feature.categories.frequent.counts == {
        "cash": 2,
        "card": 1,
        "true": 1,
        "~b2ac22c99ccf": 1,
    }
    assert (feature.categories.frequent.capacity, feature.categories.total) == (64, 5)
    assert feature.categories.frequent.errors == {}
    assert feature.numbers.moments.count == feature.numbers.digest.count == 0
    assert feature.distinct is not None
    assert round(feature.distinct.estimate) == 4


def test_an_old_service_tells_who_called_it() -> None:
    service = sample("callers").content
    assert isinstance(service, ServiceProfile)
    callers = service.callers
    assert (callers.named, callers.others, callers.traced) == ({"gateway": 2}, 1, 3)
    assert [trace.hash for trace in callers.traces] == [1 << 1, 1 << 40, 1 << 63]
    assert callers.traces[0] == (2, 1_700_000_040_000_001, 250_000)
    older = sample("service").content
    assert isinstance(older, ServiceProfile)
    assert not older.callers


def test_old_requests_are_read() -> None:
    service = sample("service").content
    assert isinstance(service, ServiceProfile)
    assert service.outcomes == {"ok": 2, "server_error": 1}
    assert service.statuses == {"200": 2, "503": 1}
    assert (service.count, service.failures) == (3, 1)
    assert (service.latency_sum, service.latency.count) == (1.75, 3)
    assert service.latency.quantile(0.5) == pytest.approx(0.5, rel=0.01)
    assert (service.request_bytes_sum, service.request_bytes.zero_count) == (192, 1)
    assert (service.response_bytes_sum, service.response_bytes.count) == (14, 3)


def test_old_samples_in_one_piece_are_read() -> None:
    numbers, service = (sample_from_bytes(one) for _, one in parts_by_summary(golden("samples")))
    assert (numbers.summary, service.summary) == ("input.amount", "service")
    assert (numbers.content.count, service.content.count) == (7, 3)


def test_an_old_reference_is_read() -> None:
    reference = references.reference_from_bytes(golden("reference"))
    assert (reference.entity, reference.name, reference.rows) == ("fraud-scorer", "training", 7)
    assert (reference.created_ns, reference.source) == (
        1_700_000_040_000_000_000,
        "train.parquet",
    )
    assert reference.columns.keys() == {"input.amount", "input.method"}
    amount, method = reference.columns["input.amount"], reference.columns["input.method"]
    assert amount.edges == (0.0, 1.0, 3.0)
    assert amount.feature.numbers.binned is not None
    assert amount.feature.numbers.binned.counts == (1, 2, 2, 2)
    assert method.edges == ()
    assert method.feature.categories.frequent.counts == {"cash": 2, "card": 1}
    # The digest names this version wherever it was seen: it stays what its writer found.
    assert reference.digest == "08fad957925b5c20"


def test_old_alerters_are_read() -> None:
    fixed = alerts.alerter_from_bytes(golden("alerter_fixed"))
    assert (fixed.entity, fixed.name, fixed.summary) == ("fraud-scorer", "slow", "service")
    assert fixed.condition == Fixed(
        statistic="latency_p99_seconds", side=ThresholdSide.AT_LEAST, threshold=0.5
    )
    assert (fixed.minimum_count, fixed.windows_to_open, fixed.windows_to_close) == (20, 2, 3)
    assert fixed.severity is Severity.CRITICAL
    ranged = alerts.alerter_from_bytes(golden("alerter_range"))
    assert ranged.condition == Range(statistic="latency_p99_seconds", low=0.0, high=math.inf)
    drift = alerts.alerter_from_bytes(golden("alerter_reference"))
    assert drift.condition == AgainstReference(reference="training", comparator=KS, threshold=0.25)


def test_alerters_are_written_as_before() -> None:
    """A range has no side and threshold any more; the others keep every byte."""
    for name in ("alerter_fixed", "alerter_reference"):
        assert alerts.alerter_to_bytes(alerts.alerter_from_bytes(golden(name))) == golden(name)


def test_an_old_evaluation_is_read() -> None:
    message = alert_pb2.Evaluation.FromString(golden("evaluation"))
    evaluation = alerts.evaluation_from_wire(message)
    assert (evaluation.verdict, evaluation.value, evaluation.count) == (Verdict.BREACH, 0.5, 7)
    assert (evaluation.summary, evaluation.labels) == ("input.amount", Labels.of(region="eu"))
    assert evaluation.window.seconds == 60.0
    assert evaluation.reference_digest == "0011223344556677"
    assert evaluation.evidence == "KS from training is 0.5"
    assert evaluation.alerter == alerts.alerter_from_bytes(golden("alerter_reference"))


def test_what_a_newer_agent_adds_is_passed_over() -> None:
    """Fields are only added: an unknown one must not stop an older reader."""
    unknown = b"\xf8\x07\x2a"  # field 127, varint 42
    assert sample_from_bytes(golden("service") + unknown).content.count == 3


def test_numbers_that_were_counted_on_edges_are_read() -> None:
    feature = sample("numbers_counted").content
    assert isinstance(feature, FeatureProfile)
    numbers = feature.numbers
    assert (numbers.zero, numbers.negative) == (2, 1)
    assert (numbers.below_reference, numbers.above_reference) == (1, 1)
    assert numbers.histogram is None
    assert numbers.binned is not None
    assert numbers.binned.counts == (1, 0, 5, 1)


def test_categories_on_a_dictionary_are_read() -> None:
    feature = sample("categories_known").content
    assert isinstance(feature, FeatureProfile)
    assert (feature.null_like, feature.expected) == (1, "string")
    assert feature.type_errors == {"boolean": 1, "list": 1, "object": 1}
    known = feature.categories.dictionary
    assert known is not None
    assert (known.counts, known.other, known.unseen) == ((2, 1), 0, 2)
    assert pseudonym("secret", b"key") in feature.categories.frequent.counts


def test_a_reference_with_a_dictionary_is_read() -> None:
    reference = references.reference_from_bytes(golden("reference_dictionary"))
    method = reference.columns["input.method"]
    assert method.dictionary is not None
    assert method.dictionary.names == ("cash", "card")
    assert method.feature.categories.dictionary is not None
    assert method.feature.categories.dictionary.id == method.dictionary.id


def test_what_users_logged_is_read() -> None:
    found = {
        name: sample_from_bytes(packed).content
        for name, packed in parts_by_summary(golden("logged"))
    }
    number, table = found["logged.number"], found["logged.table"]
    assert isinstance(number, Number)
    assert number.amounts.cells[()].units == (10**16 + 1 << 1074) + (1 << 1014)
    assert (number.count, number.amounts.aggregation) == (3, Aggregation.SUM)
    assert isinstance(table, Table)
    assert (table.rows, table.amounts.unit) == ([[None, None], ["a", 0.5]], "s")
    assert table.amounts.stamp == (WINDOW_END_NS, WINDOW_END_NS + 1)
    matrix, line, confusion = (
        found[f"logged.{one}"] for one in ("matrix", "line", "confusion_matrix")
    )
    assert isinstance(matrix, Matrix)
    assert matrix.values == [[1.0, 0.5], [0.5, 1.0]]
    assert isinstance(line, Line)
    assert line.points == [(0.0, 0.25), (1.0, 0.75)]
    assert isinstance(confusion, ConfusionMatrix)
    assert (confusion.labels, confusion.counts) == (("no", "yes"), [[8.0, 1.0], [0.0, 2.0]])
    assert found["logged.string"] == Text("v7", 1, Stamp(WINDOW_END_NS, WINDOW_END_NS + 1))


def test_judged_predictions_are_read() -> None:
    found = {
        name.removeprefix("logged."): sample_from_bytes(packed).content
        for name, packed in parts_by_summary(golden("performance"))
    }
    rows = found["classification"]
    assert isinstance(rows, Classification)
    assert rows.confusion == {("1", "1"): 1, ("0", "1"): 1, ("", "0"): 1}
    assert (rows.thresholds, rows.unlabelled, rows.unscored, rows.correct) == ((0.3,), 1, 1, 1)
    assert rows.estimates()["log_loss_nats"].value == -math.log(0.9 * 0.2) / 2
    assert rows.scores["1"].sums.sum() == round(0.9 * 2**30) + round(0.2 * 2**30)
    numbers = found["regression"]
    assert isinstance(numbers, Regression)
    assert (numbers.count, numbers.unlabelled, numbers.unusable) == (2, 0, 1)
    assert numbers.sums[0] == ((10**9 - 1) ** 2 << 1074) + (1 << 1072)
    lists = found["ranking"]
    assert isinstance(lists, Ranking)
    assert (lists.hits, lists.without_relevant) == ({1: 1, 2: 2}, 1)
    metrics = found["row_metrics"]
    assert isinstance(metrics, RowMetrics)
    assert metrics.estimates()["fee"].value == 0.75
    assert metrics.means.keys() == {("fee", "EUR")}
