"""Metrics of few rows, of extreme numbers and of tied scores, and merges of many classes."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sklearn

from nilometer.profile.performance import (
    Classification,
    Estimate,
    Performance,
    Ranking,
    Regression,
    RowMetrics,
    Rows,
    ValueMatrix,
    binary,
    classes_only,
    multiclass,
    rates,
    row_metric,
)
from nilometer.profile.performance.classification import MAX_CLASSES
from nilometer.profile.performance.estimate import share
from nilometer.profile.performance.regression import POWERS
from nilometer.sketch.exact import Floats
from nilometer.values.labels import OVERFLOW_KEY


@row_metric()
def error(rows: Rows) -> Floats:
    return np.asarray(rows.predicted - rows.truth, dtype=np.float64)


def metrics_of(count: int) -> RowMetrics:
    return RowMetrics.of(Rows(predicted=np.ones(count), truth=np.zeros(count)), [error])


FEW: dict[str, Callable[[int], Performance]] = {
    "binary": lambda count: binary([0.9, 0.2][:count], ["1", "0"][:count]),
    "one class": lambda count: binary([0.9, 0.8][:count], ["1", "1"][:count]),
    "multiclass": lambda count: multiclass(
        np.array([[0.9, 0.1], [0.3, 0.7]])[:count], ["a", "b"], ["a", "b"][:count]
    ),
    "classes only": lambda count: classes_only(["a", "b"][:count], ["a", "a"][:count]),
    "regression": lambda count: Regression.of([1.0, 2.0][:count], [1.5, 2.0][:count]),
    "exact regression": lambda count: Regression.of([1.0, 2.0][:count], [1.0, 2.0][:count]),
    "ranking": lambda count: Ranking.of([[0, 1, 0], [1, 0, 2]][:count]),
    "perfect ranking": lambda count: Ranking.of([[1, 0], [2, 0]][:count]),
    "row metrics": metrics_of,
}


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("kind", FEW)
def test_few_rows_have_metrics_inside_their_intervals(kind: str, count: int) -> None:
    for name, found in FEW[kind](count).estimates().items():
        assert found.low <= found.value <= found.high, name
        assert found.rows >= 1, name


def test_one_list_does_not_tell_how_much_lists_differ() -> None:
    found = Ranking.of([[0, 1, 0]]).estimates()["mrr"]
    assert (found.value, found.rows) == (0.5, 1)
    assert found.high - found.low > 0.8


def test_numbers_at_the_limits_have_metrics() -> None:
    found = Regression.of([1e59, 2e59, 0.0], [1e-50, 2e-50, 3e-50]).estimates()
    assert found["r_squared"].value == pytest.approx(-2.5e218)
    assert (found["r_squared"].low, found["r_squared"].high) == (-math.inf, 1.0)
    assert found["rmse"].value == pytest.approx(1e59 * math.sqrt(5 / 3))
    assert not any(math.isnan(end) for one in found.values() for end in (one.low, one.high))


def test_a_ratio_beyond_float64_is_infinite_with_its_sign() -> None:
    rows = Regression.of([1e59, -1e59], [1.0, -1.0])
    smallest = tuple(1 if power == (0, 2) else 0 for power in POWERS)
    sums = tuple(
        of if power == (2, 0) else least
        for power, of, least in zip(POWERS, rows.sums, smallest, strict=True)
    )
    found = replace(rows, sums=sums).estimates()["r_squared"]
    assert (found.value, found.low, found.high) == (-math.inf, -math.inf, 1.0)


# Merges


def names(letter: str, count: int) -> list[str]:
    return [f"{letter}{at:02}" for at in range(count)]


def of_classes(letter: str, count: int) -> Classification:
    return classes_only(names(letter, count), names(letter, count))


def read(content: Classification) -> object:
    """Everything that a content holds."""
    cells = {
        name: (one.counts.tobytes(), one.sums.tobytes()) for name, one in content.scores.items()
    }
    means = content.log_loss, content.brier
    return content.thresholds, content.confusion, content.correct, cells, means


MANY = {
    "a threshold of a class that falls out": [
        of_classes("c", 40),
        of_classes("d", 40),
        binary([0.7, 0.2], ["zz", "0"], positive="zz", threshold=0.3),
        binary([0.4, 0.6], ["1", "0"], threshold=0.123),
    ],
    "one of two scored classes falls out": [
        multiclass([[0.9, 0.1], [0.2, 0.8]], ["a00", "zz"], ["a00", "zz"]),
        of_classes("m", 63),
        binary([0.7], ["a00"], positive="a00", threshold=0.3),
        of_classes("b", 30),
    ],
    "scores of no rows": [
        binary([], [], threshold=0.3),
        binary([0.4], ["1"], threshold=0.123),
        binary([math.nan], ["1"], threshold=0.7),
        of_classes("c", 70),
    ],
}


@pytest.mark.parametrize("name", MANY)
def test_no_grouping_of_many_classes_changes_a_merge(name: str) -> None:
    merge = Classification.merge_all
    whole = read(merge(MANY[name]))
    for one, two, three, four in itertools.permutations(MANY[name]):
        assert read(merge([merge([one, two]), merge([three, four])])) == whole
        assert read(merge([merge([merge([one, two]), three]), four])) == whole


def test_a_content_without_scored_rows_has_no_say_in_the_thresholds() -> None:
    rows = binary([0.4, 0.2], ["1", "0"], threshold=0.3)
    for other in (binary([], []), binary([math.nan], ["1"], threshold=0.7)):
        for parts in ([rows, other], [other, rows]):
            assert Classification.merge_all(parts).thresholds == (0.3,)


def test_a_classifier_that_loses_a_scored_class_does_not_become_binary() -> None:
    several = multiclass([[0.9, 0.1], [0.2, 0.8]], ["a00", "zz"], ["a00", "zz"])
    merged = Classification.merge_all([several, of_classes("m", MAX_CLASSES)])
    assert merged.scores.keys() == {"a00", OVERFLOW_KEY}
    assert merged.positive is None
    assert merged.estimates()["roc_auc"].value == 1.0


# Data on which metrics are easily wrong


def test_scores_of_0_and_1_have_the_loss_of_scikit_learn() -> None:
    scores, truth = [0.0, 1.0, 1.0, 0.0, 0.5], [1, 1, 0, 0, 1]
    found = binary(scores, truth).estimates()["log_loss_nats"]
    assert found.value == pytest.approx(sklearn.log_loss(truth, scores), rel=1e-9)


def test_items_of_equal_scores_share_their_relevance() -> None:
    random = np.random.default_rng(3)
    relevance = random.integers(0, 4, (40, 12)).astype(float) + np.eye(40, 12)
    scores = np.round(random.random((40, 12)), 1)
    found = Ranking.of(relevance, scores, cutoffs=[1, 3, 10]).estimates()
    for rank in (1, 3, 10):
        expected = sklearn.ndcg_score(relevance, scores, k=rank)
        assert found[f"ndcg_at_{rank}"].value == pytest.approx(expected, rel=1e-9)
    constant = Ranking.of([[3, 2, 1, 0]], [[0.5] * 4], cutoffs=[3]).estimates()["ndcg_at_3"]
    assert constant.value < 0.7


def test_a_scored_class_without_rows_is_not_in_the_means() -> None:
    shares = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]]
    found = multiclass(shares, ["a", "b", "c"], ["a", "b", "b"]).estimates()
    for name, of in (("f1", sklearn.f1_score), ("recall_ratio", sklearn.recall_score)):
        expected = of(["a", "b", "b"], ["a", "b", "a"], average="macro")
        assert found[name].value == pytest.approx(expected)


# Intervals of few rows and of skewed numbers


def covered(
    draw: Callable[[np.random.Generator], Performance], truth: dict[str, float], windows: int
) -> dict[str, float]:
    """The share of windows whose interval contains the truth, by metric."""
    random = np.random.default_rng(7)
    inside = dict.fromkeys(truth, 0)
    for _ in range(windows):
        found = draw(random).estimates()
        for metric, expected in truth.items():
            inside[metric] += found[metric].low <= expected <= found[metric].high
    return {metric: count / windows for metric, count in inside.items()}


def rare(random: np.random.Generator, positives: int, negatives: int) -> Classification:
    """Rows of a calibrated model at a base rate of 2 %."""
    truth = np.repeat([1, 0], [positives, negatives])
    logit = 2.0 * (random.normal(size=truth.size) + 2.0 * truth - 1.0) + math.log(0.02 / 0.98)
    return binary(1.0 / (1.0 + np.exp(-logit)), truth.tolist())


@pytest.mark.parametrize("positives", [1, 2, 4, 8, 20])
def test_intervals_of_few_positive_rows_contain_the_truth(positives: int) -> None:
    """Areas depend on the rows of each class, so their numbers can be fixed."""
    many = rare(np.random.default_rng(1), 4000, 196_000).estimates()
    metrics = ("roc_auc", "log_loss_nats", "brier", "average_precision")
    truth = {metric: many[metric].value for metric in metrics}
    shares = covered(lambda random: rare(random, positives, 49 * positives), truth, 60)
    assert min(shares.values()) >= 0.9, shares
    area = rare(np.random.default_rng(2), positives, 49 * positives).estimates()["roc_auc"]
    assert ((area.low, area.high) == (0.0, 1.0)) == (positives == 1)


def test_an_area_of_1_is_not_certain() -> None:
    found = binary([0.9] * 6 + [0.1] * 200, [1] * 6 + [0] * 200).estimates()["roc_auc"]
    assert 0.4 < found.low < 0.95
    assert found.high == found.value == 1.0


@pytest.mark.parametrize("rows", [0.1, 0.5, 0.9, 1.5])
def test_parts_of_rows_have_an_area(rows: float) -> None:
    """Expected rows are fractions."""
    cells = np.zeros((2, 2, 3))
    cells[0, 0], cells[0, 1] = [rows, 0.0, 0.0], [0.0, 0.0, rows]
    found = rates.roc_auc(cells)
    assert found is not None
    assert found.as_share(cells) == Estimate(1.0, 0.0, 1.0, rows)


def test_an_expected_area_has_the_freedom_of_its_rows() -> None:
    cells = np.zeros((2, 2, 4))
    cells[0, 0], cells[0, 1] = [30.0, 20.0, 5.0, 2.0], [0.5, 1.0, 1.0, 0.5]
    found = rates.roc_auc(cells)
    assert found is not None
    certain = share(found.value, found.variance(cells), found.rows)
    one = found.as_share(cells)
    assert one.high - one.low > 1.2 * (certain.high - certain.low)


def test_a_loss_needs_rows_of_both_classes() -> None:
    scores, truth = [0.02] * 300 + [0.6] * 4, [0] * 300 + [1] * 4
    few = binary(scores, truth).estimates()["log_loss_nats"]
    enough = binary([*scores, 0.7], [*truth, 1]).estimates()["log_loss_nats"]
    assert (few.low, few.high) == (0.0, math.inf)
    assert 0.0 < enough.low < enough.value < enough.high < 1.0


def skewed(random: np.random.Generator, rows: int) -> Regression:
    truth = random.normal(size=rows)
    return Regression.of(truth + random.lognormal(0.0, 1.0, rows), truth)


def test_intervals_of_skewed_errors_contain_the_truth() -> None:
    """Of lognormal errors the mean square is that of a few rows: E[e^4] is 55 times E[e^2]^2."""
    truth = {"mae": math.exp(0.5), "rmse": math.e, "r_squared": 1.0 - math.exp(2.0)}
    shares = covered(lambda random: skewed(random, 200), truth, 100)
    assert shares["mae"] >= 0.9
    assert min(shares.values()) >= 0.75, shares


def test_a_mean_of_one_large_number_has_no_upper_end() -> None:
    found = Regression.of([0.0] * 99 + [100.0], [0.0] * 100).estimates()
    for metric in ("mae", "rmse"):
        assert (found[metric].low, found[metric].high) == (0.0, math.inf)


def test_values_of_few_rows_have_the_freedom_of_few_rows() -> None:
    prices = ValueMatrix(values={("1", "1"): 1000.0})
    found = prices.per_row(classes_only(["1"] * 3 + ["0"] * 997, ["1"] * 3 + ["0"] * 997))
    assert found is not None
    assert found.high > 3.0 + 3.0 * math.sqrt(3.0)
    assert found.rows == 1000


def test_a_mean_gain_is_never_surer_than_hits() -> None:
    """One list with a lower gain among many perfect ones tells little about the others."""
    found = Ranking.of([[1, 0]] * 50 + [[0, 1]]).estimates()
    assert found["mrr"].high - found["mrr"].low > 0.05
