"""Metrics are those of scikit-learn, parts merge without a trace, and each interval is honest."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn
from support import laws
from support.laws import Law, Subject

from nilometer.profile import Coverage, SummarySample
from nilometer.profile.performance import (
    Classification,
    Label,
    Performance,
    Ranking,
    Regression,
    RowMetrics,
    Rows,
    ValueMatrix,
    binary,
    classes_only,
    jackknife,
    multiclass,
    rates,
    row_metric,
)
from nilometer.profile.performance.classification import MAX_CLASSES
from nilometer.profile.performance.estimate import share, student
from nilometer.profile.performance.rates import Rate
from nilometer.sketch.exact import Floats
from nilometer.values.labels import OVERFLOW_KEY, Labels
from nilometer.values.window import Window
from nilometer.wire.samples import sample_from_bytes, sample_to_bytes


def drawn(base: float, spread: float, rows: int, seed: int) -> tuple[Floats, Any]:
    """Scores of a perfectly calibrated model, and their true classes."""
    rng = np.random.default_rng(seed)
    scores = 1.0 / (1.0 + np.exp(-(base + spread * rng.normal(size=rows))))
    return scores, (rng.random(rows) < scores).astype(int)


def packed(content: Performance) -> bytes:
    """The bytes on the wire, which hold everything that can be read."""
    return sample_to_bytes(
        SummarySample(
            entity="e",
            summary="logged.x",
            labels=Labels(),
            window=Window(0, 60 * 10**9),
            coverage=Coverage(profiled=1),
            content=content,
        )
    )


def value(content: Performance, metric: str) -> float:
    return content.estimates()[metric].value


# Laws


@row_metric(unit="EUR")
def late_fee(rows: Rows) -> Floats:
    late = (rows.truth == "late") & (rows.predicted != "late")
    return np.where(late, 30.0, 0.0)


labels = st.sampled_from(["0", "1", "2", None])
scores = st.floats(0.0, 1.0) | st.sampled_from([0.5, 0.3, math.nan, -1.0])
sure_numbers = st.floats(-1e6, 1e6)


def of_classification(rows: list[Any]) -> Classification:
    return binary([score for score, _ in rows], [label for _, label in rows], threshold=0.3)


def of_three(rows: list[Any]) -> Classification:
    shares = np.array([row[0] for row in rows]).reshape(-1, 3)
    return multiclass(shares, ["0", "1", "x"], [row[1] for row in rows])


def of_regression(rows: list[Any]) -> Regression:
    return Regression.of([one for one, _ in rows], [other for _, other in rows])


def of_metrics(rows: list[Any]) -> RowMetrics:
    truth = np.array([label for label, _ in rows], dtype=object)
    predicted = np.array([label for _, label in rows], dtype=object)
    return RowMetrics.of(Rows(predicted=predicted, truth=truth), [late_fee])


def read_regression(rows: Regression) -> Any:
    """All sums; the digest of the errors depends on how the rows were divided."""
    residuals = rows.residuals.numbers
    counts = (residuals.count, residuals.histogram, residuals.zero, residuals.negative)
    return rows.absolute, rows.percentage, rows.sums, rows.unlabelled, rows.unusable, counts


def subject(
    kind: Any, of: Callable[[list[Any]], Any], rows: st.SearchStrategy[Any]
) -> Subject[Any]:
    return Subject(
        name=kind.kind,
        of=of,
        streams=st.lists(rows, max_size=12),
        merge=lambda one, other: kind.merge_all([one, other]),
        merge_all=kind.merge_all,
        count=lambda content: content.cells,
        content=packed,
        exact=read_regression if kind is Regression else packed,
        round_trip=lambda content: sample_from_bytes(packed(content)).content,
    )


SUBJECTS = [
    subject(Classification, of_classification, st.tuples(scores, labels)),
    subject(
        Classification,
        of_three,
        st.tuples(st.lists(st.floats(0, 1), min_size=3, max_size=3), labels),
    ),
    subject(
        Regression,
        of_regression,
        st.tuples(sure_numbers | st.just(math.inf), sure_numbers | st.just(math.nan)),
    ),
    subject(Ranking, Ranking.of, st.lists(st.sampled_from([0.0, 1.0, 3.0]), max_size=4)),
    subject(
        RowMetrics, of_metrics, st.tuples(st.sampled_from(["late", "on time"]), st.just("late"))
    ),
]


@pytest.mark.parametrize(("subject", "law"), [*laws.cases(SUBJECTS)], ids=laws.case_name)
@settings(max_examples=10)
@given(data=st.data())
def test_performance_obeys(subject: Subject[Any], law: Law, data: st.DataObject) -> None:
    law(subject, data)


def test_classes_over_the_limit_are_merged_and_right_predictions_stay_right() -> None:
    names = [f"class-{number:03}" for number in range(MAX_CLASSES + 3)]
    shifted = [*names[1:], names[0]]
    parts = [classes_only(names, names), classes_only(shifted, names)]
    merged = Classification.merge_all(parts)
    assert len(merged.classes) == MAX_CLASSES + 1
    assert merged.classes[-1] == OVERFLOW_KEY
    assert merged.count == 2 * len(names)
    assert value(merged, "accuracy_ratio") == 0.5
    assert packed(Classification.merge_all(parts[::-1])) == packed(merged)


def test_thresholds_that_differ_join_their_bins() -> None:
    scores, truth = drawn(0.0, 2.0, 500, 1)
    parts = [
        binary(scores[:200], truth[:200].tolist(), threshold=0.123),
        binary(scores[200:], truth[200:].tolist(), threshold=0.777),
    ]
    merged = Classification.merge_all(parts)
    assert merged.thresholds == ()
    whole = binary(scores, truth.tolist()).scores["1"].counts.sum(axis=0)
    assert (merged.scores["1"].counts.sum(axis=0) == whole).all()


# Metrics


@pytest.mark.parametrize(("base", "spread"), [(0.0, 2.0), (-4.0, 1.8), (-8.0, 2.0)])
def test_a_binary_classifier_has_the_metrics_of_scikit_learn(base: float, spread: float) -> None:
    """Rare events too: base rates of 50 %, 4 % and .2 %."""
    scores, truth = drawn(base, spread, 60_000, 7)
    found = binary(scores, truth.tolist(), threshold=0.2)
    guess = (scores >= 0.2).astype(int)
    for metric, expected in (
        ("accuracy_ratio", sklearn.accuracy_score(truth, guess)),
        ("precision_ratio", sklearn.precision_score(truth, guess)),
        ("recall_ratio", sklearn.recall_score(truth, guess)),
        ("f1", sklearn.f1_score(truth, guess)),
        ("log_loss_nats", sklearn.log_loss(truth, scores)),
        ("brier", sklearn.brier_score_loss(truth, scores)),
    ):
        assert value(found, metric) == pytest.approx(expected, rel=1e-9), metric
    assert value(found, "roc_auc") == pytest.approx(sklearn.roc_auc_score(truth, scores), abs=1e-3)
    precision = sklearn.average_precision_score(truth, scores)
    assert precision - 0.006 < value(found, "average_precision") < precision + 0.001


def test_scores_that_share_bins_only_with_equals_give_exact_areas() -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 100, 3000) / 100
    truth = (rng.random(3000) < scores).astype(int)
    found = binary(scores, truth.tolist())
    assert value(found, "roc_auc") == pytest.approx(sklearn.roc_auc_score(truth, scores))
    assert value(found, "average_precision") == pytest.approx(
        sklearn.average_precision_score(truth, scores)
    )


def test_several_classes_have_the_macro_metrics_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    shares = rng.dirichlet([1.0, 0.7, 0.4], 4000)
    truth = [str(rng.choice(3, p=row)) for row in shares]
    names = ["0", "1", "2"]
    found = multiclass(shares, names, truth)
    guess = [names[at] for at in shares.argmax(axis=1)]
    for metric, expected in (
        ("accuracy_ratio", sklearn.accuracy_score(truth, guess)),
        ("precision_ratio", sklearn.precision_score(truth, guess, average="macro")),
        ("recall_ratio", sklearn.recall_score(truth, guess, average="macro")),
        ("f1", sklearn.f1_score(truth, guess, average="macro")),
        ("log_loss_nats", sklearn.log_loss(truth, shares, labels=names)),
    ):
        assert value(found, metric) == pytest.approx(expected, rel=1e-9), metric
    area = sklearn.roc_auc_score(truth, shares, multi_class="ovr", average="macro")
    assert value(found, "roc_auc") == pytest.approx(area, abs=1e-3)
    one_hot = np.array(truth)[:, None] == names
    assert value(found, "brier") == pytest.approx(((shares - one_hot) ** 2).sum(axis=1).mean())


def test_the_calibration_error_is_that_of_ten_groups() -> None:
    scores, truth = drawn(0.0, 1.0, 5000, 9)
    scores = np.clip(scores * 0.8, 0, 1)
    groups = np.minimum((scores * 10).astype(int), 9)
    gaps = [abs(scores[groups == g].sum() - truth[groups == g].sum()) for g in range(10)]
    found = binary(scores, truth.tolist()).estimates()["calibration_error"]
    assert found.value == pytest.approx(sum(gaps) / 5000, abs=1e-8)
    assert 0 < found.low < found.value < found.high


def test_a_perfectly_calibrated_model_may_have_no_calibration_error() -> None:
    scores, truth = drawn(0.0, 1.0, 2000, 11)
    found = binary(scores, truth.tolist()).estimates()["calibration_error"]
    assert found.low == 0.0 < found.value


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_a_regression_has_its_metrics_however_large_its_values(offset: float) -> None:
    rng = np.random.default_rng(13)
    truth = offset + rng.normal(size=3000)
    predicted = truth + 0.5 * rng.normal(size=3000)
    found = Regression.of(predicted, truth)
    for metric, expected in (
        ("mae", sklearn.mean_absolute_error(truth, predicted)),
        ("rmse", sklearn.root_mean_squared_error(truth, predicted)),
        ("r_squared", sklearn.r2_score(truth, predicted)),
    ):
        assert value(found, metric) == pytest.approx(expected, rel=1e-6), metric
    if offset:
        expected = sklearn.mean_absolute_percentage_error(truth, predicted)
        assert value(found, "mape_ratio") == pytest.approx(expected)
    width = found.estimates()["r_squared"].high - found.estimates()["r_squared"].low
    assert 0.01 < width < 0.1
    assert found.residuals.numbers.digest.quantile([0.5])[0] == pytest.approx(0, abs=0.05)


def test_a_ranking_has_the_gain_of_scikit_learn() -> None:
    rng = np.random.default_rng(17)
    relevance = rng.integers(0, 4, (300, 12)).astype(float)
    relevance[:20] = 0.0
    scores = rng.normal(size=(300, 12))
    found = Ranking.of(relevance, scores, cutoffs=[1, 5, 20])
    assert (found.count, found.without_relevant) == (280, 20)
    for rank in (1, 5, 20):
        expected = sklearn.ndcg_score(relevance[20:], scores[20:], k=rank)
        assert value(found, f"ndcg_at_{rank}") == pytest.approx(expected)
    ranked = np.take_along_axis(relevance, np.argsort(-scores, axis=1), axis=1)[20:] > 0
    assert value(found, "hit_ratio_at_5") == pytest.approx(ranked[:, :5].any(axis=1).mean())
    assert value(found, "mrr") == pytest.approx((1 / (ranked.argmax(axis=1) + 1)).mean())


def test_lists_that_were_judged_to_different_ranks_keep_the_common_ones() -> None:
    parts = [
        Ranking.of([[0, 1]], cutoffs=[1, 5]),
        Ranking.of([[1, 0]], cutoffs=[5, 7]),
        Ranking.of([]),
    ]
    merged = Ranking.merge_all(parts)
    assert set(merged.gains) == set(merged.hits) == {5}
    assert value(merged, "mrr") == 0.75


def test_a_value_matrix_prices_each_pair() -> None:
    rows = classes_only(["fraud", "fraud", "ok", "ok"], ["fraud", "ok", "fraud", "ok"])
    prices = ValueMatrix(values={("fraud", "fraud"): 90.0, ("fraud", "ok"): -10.0}, unit="EUR")
    mean, total = prices.per_row(rows), prices.total(rows)
    assert mean is not None
    assert total is not None
    assert (mean.value, total.value) == (20.0, 80.0)
    assert mean.low < 20.0 < mean.high
    assert prices.per_row(classes_only([], [])) is None


def test_a_metric_of_a_user_is_three_lines() -> None:
    rows = Rows(
        predicted=np.array(["late", "on time", "on time"]),
        truth=np.array(["late", "late", "on time"]),
    )
    found = RowMetrics.of(rows, [late_fee])
    assert found.means.keys() == {("late_fee", "EUR")}
    assert value(found, "late_fee") == 10.0


def test_a_metric_of_counts_has_the_interval_of_its_rows() -> None:
    """A jackknife over cells is a jackknife over rows; of a share it is the usual interval."""
    counts = np.array([[40, 10], [7, 43]])

    def accuracy(cells: Any) -> float:
        return float(np.trace(cells) / cells.sum())

    found = jackknife(accuracy, counts)
    half = student(99) * math.sqrt(0.83 * 0.17 / 99)
    assert [found.value, found.high] == pytest.approx([0.83, 0.83 + half])
    assert jackknife(accuracy, np.array([[1, 0], [0, 0]])).low == -math.inf


RATES: dict[str, Callable[[Floats], Rate | None]] = {
    "accuracy": rates.accuracy,
    "precision": lambda counts: rates.precision(counts, 1),
    "recall": lambda counts: rates.recall(counts, 1),
    "f1": lambda counts: rates.f1(counts, 1),
    "roc_auc": rates.roc_auc,
    "average_precision": rates.average_precision,
    "value_of": lambda counts: rates.value_of(counts, np.array([[1.0, -3.0], [0.5, 2.0]])),
}


@pytest.mark.parametrize("name", RATES)
def test_a_gradient_is_the_derivative_by_each_count(name: str) -> None:
    counts = np.random.default_rng(53).uniform(1, 9, (2, 2, 5))
    found = RATES[name](counts)
    assert found is not None
    for place in np.ndindex(counts.shape):
        step = np.zeros_like(counts)
        step[place] = 1e-5
        above, below = RATES[name](counts + step), RATES[name](counts - step)
        assert above is not None
        assert below is not None
        slope = (above.value - below.value) / 2e-5
        assert found.gradient[place] == pytest.approx(slope, abs=1e-7), place


# Rows that are not as they should be


def test_labels_of_any_type_have_one_name() -> None:
    truth: list[Label] = [True, 1, 1.0, "1", np.float64(1.0), np.True_]
    assert classes_only(["1"] * 6, truth).confusion == {("1", "1"): 6}
    assert classes_only([0.5], [0.5]).classes == ("0.5",)
    assert classes_only([2**60 + 1], [np.int64(2**60 + 1)]).classes == (str(2**60 + 1),)
    assert classes_only([10**400], ["\ud800"]).classes == (str(10**400), "?")


def test_rows_that_cannot_be_judged_are_counted() -> None:
    found = binary([0.9, math.nan, 1.5, 0.2, 0.4], ["1", "0", "1", None, math.nan])
    assert (found.count, found.unlabelled, found.unscored) == (3, 2, 2)
    assert found.confusion == {("1", "1"): 2, ("", "0"): 1}
    assert value(found, "accuracy_ratio") == pytest.approx(2 / 3)
    several = multiclass(
        [[0.9, 0.1], [math.nan, math.nan], [0.2, 2.0]], ["a", "b"], ["a", "b", "new"]
    )
    assert several.unscored == 2
    assert several.confusion == {("a", "a"): 1, ("", "b"): 1, ("b", "new"): 1}
    numbers = Regression.of([1.0, math.nan, 1e300, 2.0], [1.0, 1.0, 1.0, math.nan])
    assert (numbers.count, numbers.unlabelled, numbers.unusable) == (1, 1, 2)


def test_a_class_that_the_reference_never_had_is_shown_by_its_name() -> None:
    found = binary([0.9, 0.1], ["1", "chargeback"])
    assert found.classes == ("0", "1", "chargeback")
    assert value(found, "accuracy_ratio") == 0.5


def test_what_rows_do_not_define_is_left_out() -> None:
    assert binary([], []).estimates() == {}
    only = binary([0.9, 0.8], ["1", "1"]).estimates()
    assert "roc_auc" not in only
    assert only["accuracy_ratio"].low < 1.0
    assert Regression.of([1.0], [1.0]).estimates().keys() == {"mae", "rmse", "mape_ratio"}
    assert Ranking.of([[0.0]]).estimates() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: binary([0.5], ["1", "0"]),
        lambda: binary([0.5], ["1"], threshold=1.0),
        lambda: classes_only(["1"], []),
        lambda: multiclass([[0.5, 0.5]], ["a", "a"], ["a"]),
        lambda: multiclass([[0.5, 0.5]], ["a", "b"], ["a", "b"]),
        lambda: Regression.of([1.0], [1.0, 2.0]),
        lambda: Ranking.of([[-1.0]]),
        lambda: Ranking.of([[1.7e308] * 5]),
        lambda: Ranking.of([[1.0]], [[1.0, 2.0]]),
        lambda: Ranking.of([[1.0]], cutoffs=[0]),
        lambda: RowMetrics.of(Rows(predicted=np.array([1]), truth=np.array([1])), [late_fee] * 2),
    ],
)
def test_arguments_that_contradict_each_other_are_an_error(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wrong()


# Intervals


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 30, 1000])
def test_students_quantile_is_that_of_scipy(freedom: int) -> None:
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_of_a_share_is_wilsons(hits: int, more: int) -> None:
    rows = hits + more
    found = share(hits / rows, hits / rows * (1 - hits / rows) / rows, rows)
    expected = stats.binomtest(hits, rows).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


COVERED = (
    *("accuracy_ratio", "precision_ratio", "recall_ratio", "f1", "roc_auc"),
    *("average_precision", "log_loss_nats", "brier"),
)


@pytest.mark.parametrize("base", [0.0, -3.0])
def test_intervals_of_a_classifier_contain_the_truth_as_often_as_they_say(base: float) -> None:
    """Of 120 windows of 500 rows, against the value of many rows."""
    truth = dict(binary(*_with_list(drawn(base, 1.5, 200_000, 23))).estimates())
    windows = [binary(*_with_list(drawn(base, 1.5, 500, 1000 + at))) for at in range(120)]
    for metric in COVERED:
        found = [one for one in (window.estimate(metric) for window in windows) if one]
        inside = np.mean([one.low <= truth[metric].value <= one.high for one in found])
        assert inside > 0.88, metric


def test_intervals_of_a_regression_contain_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(29)
    truth = {"mae": 0.5 * math.sqrt(2 / math.pi), "rmse": 0.5, "r_squared": 0.75}
    inside = dict.fromkeys(truth, 0)
    for _ in range(150):
        labels = rng.normal(size=300)
        found = Regression.of(labels + 0.5 * rng.normal(size=300), labels).estimates()
        for metric, expected in truth.items():
            inside[metric] += found[metric].low <= expected <= found[metric].high
    assert min(inside.values()) > 0.88 * 150, inside


def _with_list(rows: tuple[Floats, Any]) -> tuple[Floats, Sequence[Label]]:
    scores, truth = rows
    return scores, truth.tolist()
