import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.alert import (
    STATISTICS,
    AgainstReference,
    Alerter,
    Condition,
    Evaluation,
    Fixed,
    Range,
    ThresholdSide,
    Verdict,
    evaluate,
)
from nilometer.compare import COMPARATORS, Comparator, Counted, exact_reference_column
from nilometer.profile import (
    Coverage,
    FeatureProfile,
    FeatureSpec,
    Reference,
    ServiceProfile,
    SummarySample,
)
from nilometer.values.labels import Labels
from nilometer.values.window import Window

WINDOW = Window(0, 60_000_000_000)
LABELS = Labels.of(version="7")


def sample(
    content: FeatureProfile | ServiceProfile, summary: str = "input.amount"
) -> SummarySample:
    return SummarySample(
        entity="fraud-scorer",
        summary=summary,
        labels=LABELS,
        window=WINDOW,
        coverage=Coverage(),
        content=content,
    )


def feature(*cells: Any) -> SummarySample:
    return sample(strategies.feature_of(list(cells)))


def service(*outcomes: str, latency: float = 0.25) -> SummarySample:
    requests = [(outcome, "200", latency, 1, 1) for outcome in outcomes]
    return sample(strategies.service_of(requests), "service")


def fixed(
    statistic: str, threshold: float, side: ThresholdSide = ThresholdSide.ABOVE, **more: Any
) -> Alerter:
    return alerter_with(Fixed(statistic=statistic, threshold=threshold, side=side), **more)


def alerter_with(condition: Condition, **settings: Any) -> Alerter:
    common = {"entity": "fraud-scorer", "name": "alerter", "summary": "*", "minimum_count": 1}
    return Alerter(**{**common, **settings}, condition=condition)


def judged(alerter: Alerter, of: SummarySample, **references: Reference) -> Evaluation:
    return evaluate(alerter, of, references)


def training(values: list[Any], summary: str = "input.amount") -> Reference:
    profile = strategies.feature_of(values, FeatureSpec(readable=True))
    numbers = np.array([value for value in values if isinstance(value, float)])
    column = exact_reference_column(profile, numbers, 32)
    return Reference(
        entity="fraud-scorer",
        name="training",
        rows=len(values),
        created_ns=1,
        source="train.parquet",
        columns={summary: column},
        digest="00ff",
    )


@pytest.mark.parametrize(
    ("alerter", "of", "value", "verdict"),
    [
        (fixed("mean", 2.0), feature(1.0, 3.0), 2.0, Verdict.FINE),
        (fixed("mean", 1.9), feature(1.0, 3.0), 2.0, Verdict.BREACH),
        (fixed("mean", 2.0, ThresholdSide.AT_LEAST), feature(1.0, 3.0), 2.0, Verdict.BREACH),
        (fixed("min", 0.0, ThresholdSide.BELOW), feature(-1.0, 3.0), -1.0, Verdict.BREACH),
        (fixed("max", 3.0, ThresholdSide.AT_MOST), feature(-1.0, 3.0), 3.0, Verdict.BREACH),
        (fixed("p50", 5.0), feature(*[7.0] * 9), 7.0, Verdict.BREACH),
        (fixed("missing_ratio", 0.3), feature(1.0, None), 0.5, Verdict.BREACH),
        (fixed("missing_ratio", 0.5), feature(1.0, None), 0.5, Verdict.FINE),
        (fixed("non_finite_ratio", 0.1), feature(1.0, math.nan), 0.5, Verdict.BREACH),
        (fixed("error_ratio", 0.2), service("ok", "ok", "exception"), 1 / 3, Verdict.BREACH),
        (fixed("error_ratio", 0.2), service("ok", "client_error"), 0.0, Verdict.FINE),
        (fixed("count", 10.0, ThresholdSide.BELOW), service("ok"), 1.0, Verdict.BREACH),
        # A quarter of a second stands on the upper bound of its bucket, whose middle is shown.
        (fixed("latency_p99_seconds", 0.2), service("ok"), 0.25 * 2 ** (-1 / 64), Verdict.BREACH),
    ],
)
def test_a_statistic_is_held_against_its_threshold(
    alerter: Alerter, of: SummarySample, value: float, verdict: Verdict
) -> None:
    evaluation = judged(alerter, of)
    assert evaluation.verdict is verdict
    assert evaluation.value == pytest.approx(value, rel=1e-3)
    assert f"{alerter.condition.measure} is" in evaluation.evidence
    assert (evaluation.window, evaluation.labels, evaluation.summary) == (
        WINDOW,
        LABELS,
        of.summary,
    )
    assert evaluation.alerter is alerter


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.0, 4.0, Verdict.FINE),
        (2.0, 2.0, Verdict.FINE),
        (2.1, 4.0, Verdict.BREACH),
        (0.0, 1.9, Verdict.BREACH),
        (-math.inf, 2.0, Verdict.FINE),
        (2.1, math.inf, Verdict.BREACH),
    ],
)
def test_a_range_holds_both_its_ends(low: float, high: float, verdict: Verdict) -> None:
    alerter = alerter_with(Range(statistic="mean", low=low, high=high))
    assert judged(alerter, feature(1.0, 3.0)).verdict is verdict


@pytest.mark.parametrize(
    "comparator",
    [
        one
        for one in COMPARATORS.values()
        if one.counted is not Counted.VECTORS
        and (one.name == "p50_change" or not one.name.endswith("_change"))
    ],
    ids=lambda one: one.name,
)
def test_a_drift_from_the_reference_is_a_breach_and_none_is_fine(comparator: Comparator) -> None:
    threshold = 0.1 if comparator.name == "l_infinity_robust" else 0.12
    alerter = alerter_with(
        AgainstReference(reference="training", comparator=comparator, threshold=threshold)
    )
    past = [float(value) for value in range(1000)]
    reference = training(past)
    fine = judged(alerter, feature(*past), training=reference)
    drifted = judged(alerter, feature(*(value + 500 for value in past)), training=reference)
    assert (fine.verdict, drifted.verdict) == (Verdict.FINE, Verdict.BREACH)
    assert fine.value < 0.05
    assert drifted.value > threshold
    assert drifted.reference_digest == "00ff"
    assert "training" in drifted.evidence
    assert drifted.evidence.startswith(f"{comparator.title} from training is ")
    assert f"(threshold {threshold:g}) over 1000 values" in drifted.evidence
    assert (" nats" in drifted.evidence) == (comparator.name == "psi")


PSI = alerter_with(AgainstReference(reference="training", threshold=0.2))
KS = alerter_with(
    AgainstReference(reference="training", threshold=0.2, comparator=COMPARATORS["ks"])
)


@pytest.mark.parametrize(
    ("alerter", "of", "references", "why"),
    [
        (
            fixed("mean", 1.0, minimum_count=3),
            feature(1.0, 2.0),
            {},
            "2 observations are fewer than the 3 asked for",
        ),
        (PSI, feature(), {}, "0 observations are fewer than the 1 asked for"),
        (PSI, feature(1.0), {}, "there is no reference 'training'"),
        (
            PSI,
            feature(1.0),
            {"training": training([1.0], "input.other")},
            "reference 'training' has no input.amount",
        ),
        (PSI, service("ok"), {"training": training([1.0])}, "has no service"),
        (KS, feature("a"), {"training": training(["a"])}, "ks does not exist for this column"),
        (
            KS,
            feature(*[1.0] * 29),
            {"training": training([1.0] * 99)},
            "ks needs 30 values: the window has 29",
        ),
        (
            PSI,
            feature(*[1.0] * 200),
            {"training": training([1.0] * 49)},
            "psi needs 100 values: the reference has 49",
        ),
        (PSI, feature(1.0), {"training": training([None])}, "psi does not exist for this column"),
        (fixed("mean", 1.0), feature("a"), {}, "mean does not exist for this summary"),
        (fixed("mean", 1.0), service("ok"), {}, "mean does not exist for this summary"),
        (fixed("error_ratio", 1.0), feature(1.0), {}, "error_ratio does not exist"),
        (fixed("latency_p50_seconds", 1.0), feature(1.0), {}, "does not exist for this summary"),
        (fixed("missing_ratio", 1.0), service("ok"), {}, "does not exist for this summary"),
    ],
)
def test_what_cannot_be_judged_says_why(
    alerter: Alerter, of: SummarySample, references: dict[str, Reference], why: str
) -> None:
    evaluation = judged(alerter, of, **references)
    assert (evaluation.verdict, evaluation.value) == (Verdict.NOT_JUDGED, 0.0)
    assert why in evaluation.evidence


@pytest.mark.parametrize(
    ("statistic", "bad"), [("missing_ratio", None), ("non_finite_ratio", math.nan)]
)
@pytest.mark.parametrize("good", [0, 1, 50])
def test_a_column_that_goes_bad_is_judged_by_its_cells(
    statistic: str, bad: float | None, good: int
) -> None:
    """It has hardly a value left, which is what the alerter is there to find."""
    alerter = fixed(statistic, 0.5, minimum_count=100)
    evaluation = judged(alerter, feature(*[bad] * 950, *[1.0] * good))
    assert evaluation.verdict is Verdict.BREACH
    assert evaluation.value == pytest.approx(950 / (950 + good))
    assert evaluation.count == 950 + good


def test_a_count_is_judged_however_small() -> None:
    alerter = fixed("count", 10, ThresholdSide.BELOW, minimum_count=100)
    assert judged(alerter, feature()).verdict is Verdict.BREACH


def test_a_distance_needs_its_minimum() -> None:
    alerter = alerter_with(AgainstReference(reference="training", threshold=0.2), minimum_count=100)
    evaluation = judged(alerter, feature(9.0, 9.0), training=training([1.0, 2.0]))
    assert evaluation.verdict is Verdict.NOT_JUDGED


@given(st.sampled_from(sorted(STATISTICS)), strategies.columns)
def test_every_statistic_of_any_column_exists_or_does_not(
    statistic: str, column: list[Any]
) -> None:
    for of in (feature(*column), service(*["ok"] * len(column))):
        value = STATISTICS[statistic](of.content)
        assert value is None or isinstance(value, float)


@given(strategies.columns, strategies.columns)
def test_any_column_can_be_judged_against_any_other(past: list[Any], now: list[Any]) -> None:
    reference = training(
        [
            float(cell) if type(cell) is int and abs(cell) < 2**60 else cell
            for cell in past
            if not isinstance(cell, float)
        ]
    )
    for alerter in (PSI, KS):
        evaluation = judged(alerter, feature(*now), training=reference)
        assert evaluation.verdict in Verdict
        assert not math.isnan(evaluation.value)
