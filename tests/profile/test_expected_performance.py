"""Estimates without ground truth: NannyML's published table, intervals, and what cannot be seen."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from support.judged_scores import judged, unjudged

from nilometer.profile import ScoreProfile
from nilometer.profile.performance import (
    Classification,
    ExpectedPerformance,
    ValueMatrix,
    binary,
    classes_only,
)
from nilometer.profile.performance.calibration import Calibration
from nilometer.profile.performance.classification import METRICS
from nilometer.profile.performance.expected import METRICS as EXPECTED_METRICS
from nilometer.sketch.exact import Floats

CAR_LOAN = np.load(Path(__file__).with_name("car_loan_scores.npz"))

# Estimates of ten chunks of 5,000 rows: docs/tutorials of NannyML, standard metrics by CBPE.
PUBLISHED_ROC_AUC = [
    *(0.970744, 0.971011, 0.971407, 0.971091, 0.971123),
    *(0.961090, 0.961825, 0.961073, 0.962533, 0.961316),
]
PUBLISHED_F1 = [
    *(0.943030, 0.941324, 0.943574, 0.943159, 0.944204),
    *(0.911753, 0.911766, 0.911661, 0.913763, 0.914751),
]


def test_the_table_that_nannyml_published() -> None:
    """All ten chunks, to the last published digit; `car_loan_scores.npz` has counts in 162 bins.

    The data set is NannyML's (Apache-2.0, synthetic). From the sixth chunk on its inputs drift.
    """
    reference = judged(CAR_LOAN["reference"])
    found = [ExpectedPerformance.of(reference, unjudged(c)).estimates() for c in CAR_LOAN["chunks"]]
    assert [f["roc_auc"].value for f in found] == pytest.approx(PUBLISHED_ROC_AUC, abs=2e-6)
    assert [f["f1"].value for f in found] == pytest.approx(PUBLISHED_F1, abs=2e-6)


def test_intervals_contain_what_the_labels_later_show() -> None:
    """Of each metric in the five chunks before the drift, and of areas in all ten."""
    reference = judged(CAR_LOAN["reference"])
    for at, chunk in enumerate(CAR_LOAN["chunks"]):
        expected = ExpectedPerformance.of(reference, unjudged(chunk)).estimates()
        realised = judged(chunk).estimates()
        for metric in EXPECTED_METRICS if at < 5 else ("roc_auc", "average_precision"):
            one = expected[metric]
            assert one.low <= realised[metric].value <= one.high, (at, metric)


def test_an_expected_metric_has_the_name_of_the_realised_one() -> None:
    assert EXPECTED_METRICS.keys() <= METRICS.keys()


def test_concept_drift_is_not_seen() -> None:
    """The same scores with other outcomes: the estimate stays, the realised area falls."""
    rng = np.random.default_rng(31)
    scores = rng.random(20_000)
    before = binary(scores, (rng.random(20_000) < scores).astype(int).tolist())
    after = binary(scores, (rng.random(20_000) < 0.5 + (scores - 0.5) / 4).astype(int).tolist())
    profile = ScoreProfile()
    profile.observe(scores)
    expected = ExpectedPerformance.of(before, profile).estimates()["roc_auc"]
    realised = before.estimates()["roc_auc"].value
    assert expected.value == pytest.approx(realised, abs=0.005)
    assert after.estimates()["roc_auc"].high < expected.low


def test_a_small_reference_widens_the_interval() -> None:
    rng = np.random.default_rng(37)
    profile = ScoreProfile()
    profile.observe(rng.random(50_000))
    widths = []
    for rows in (300, 30_000):
        scores = rng.random(rows)
        reference = binary(scores, (rng.random(rows) < scores).astype(int).tolist())
        one = ExpectedPerformance.of(reference, profile).estimates()["accuracy_ratio"]
        widths.append(one.high - one.low)
    assert widths[0] > 4 * widths[1]


def test_the_expected_value_of_a_row_follows_from_the_expected_rows() -> None:
    chunk = CAR_LOAN["chunks"][0]
    expected = ExpectedPerformance.of(judged(CAR_LOAN["reference"]), unjudged(chunk))
    prices = ValueMatrix(values={("1", "1"): 100.0, ("1", "0"): -900.0}, unit="EUR")
    found, realised = expected.value_per_row(prices), prices.per_row(judged(chunk))
    assert realised is not None
    assert found.low < realised.value < found.high


def test_thresholds_that_the_reference_lacks_are_no_edges() -> None:
    rng = np.random.default_rng(41)
    scores = rng.random(2000)
    reference = binary(scores, (rng.random(2000) < scores).astype(int).tolist(), threshold=0.123)
    profile = ScoreProfile((0.777,))
    profile.observe(scores)
    found = ExpectedPerformance.of(reference, profile)
    assert found.cells.shape == (2, 2, 162)
    assert found.cells.sum() == pytest.approx(2000)
    assert found.cells[1].sum() == pytest.approx(np.count_nonzero(scores >= 0.777))


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30).filter(
        lambda bins: any(sum(counts) for counts in bins)
    )
)
def test_the_calibration_is_the_isotonic_regression_of_scikit_learn(
    bins: list[tuple[int, int]],
) -> None:
    positives, negatives = np.array(bins, dtype=float).T
    rows, middles = positives + negatives, np.linspace(0, 1, len(bins) + 2)[1:-1]
    found = Calibration.of(positives, rows, middles)
    filled = rows > 0
    oracle = IsotonicRegression(out_of_bounds="clip")
    oracle.fit(middles[filled], positives[filled] / rows[filled], sample_weight=rows[filled])
    expected: Floats = oracle.predict(middles)
    assert found.shares == pytest.approx(expected, abs=1e-9)
    assert (np.diff(found.shares) >= -1e-12).all()
    assert found.variances.size == found.blocks[-1] + 1


def scored(*scores: float) -> ScoreProfile:
    profile = ScoreProfile()
    profile.observe(np.array(scores))
    return profile


def of_rows(*rows: list[float], thresholds: tuple[float, ...] = ()) -> ScoreProfile:
    profile = ScoreProfile(thresholds)
    profile.observe_matrix(np.array(rows))
    return profile


def test_rows_of_two_probabilities_are_estimated_like_their_column() -> None:
    rng = np.random.default_rng(47)
    scores = rng.random(5000)
    truth = (rng.random(5000) < scores).astype(int).tolist()
    reference = binary(scores, truth, (scores >= 0.5).astype(int).tolist(), threshold=0.123)
    window = rng.beta(2, 3, 5000)
    column = ExpectedPerformance.of(reference, scored(*window)).estimates()
    pairs = np.stack([1.0 - window, window], axis=1).tolist()
    rows = of_rows(*pairs, thresholds=(0.123,))
    found = ExpectedPerformance.of(reference, rows).estimates()
    for metric, one in column.items():
        assert found[metric].value == pytest.approx(one.value, abs=1e-9), metric


@pytest.mark.parametrize(
    ("reference", "profile", "reason"),
    [
        (classes_only(["1"], ["1"]), scored(0.5), "reference has no scores"),
        (binary([], []), scored(0.5), "reference has no scores"),
        (binary([0.5], ["1"]), scored(), "window has no scores"),
        (binary([0.5, 0.1], ["1", "0"]), of_rows([0.2, 0.7, 0.1]), "over two classes"),
        (binary([0.5, 0.1], ["1", "0"]), of_rows([0.2, 0.3, 0.5]), "predict '2'"),
        (binary([0.5], ["fraud"], positive="fraud"), scored(0.5), "predict '1', which"),
    ],
)
def test_an_estimate_that_would_mean_nothing_is_an_error(
    reference: Classification, profile: ScoreProfile, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        ExpectedPerformance.of(reference, profile)
