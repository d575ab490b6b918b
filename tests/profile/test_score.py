import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.profile import ScoreProfile
from nilometer.profile.score import MAX_CLASSES, OTHER, UNION_EDGES, score_edges
from nilometer.wire.contents.scores import scores_from_wire, scores_to_wire

Floats = np.ndarray[Any, np.dtype[np.float64]]


def scored(*scores: float, thresholds: tuple[float, ...] = ()) -> ScoreProfile:
    profile = ScoreProfile(thresholds)
    profile.observe(np.array(scores, dtype=np.float64))
    return profile


def test_there_are_162_bins_of_equal_width_and_equal_logits() -> None:
    assert UNION_EDGES.size == 161
    for edge in (0.01, 0.5, 0.99):
        assert edge in UNION_EDGES
    assert UNION_EDGES[0] == pytest.approx(1 / (1 + math.exp(10)))
    assert UNION_EDGES[-1] == pytest.approx(1 / (1 + math.exp(-10)))
    assert score_edges((0.123,)).size == 162
    assert score_edges((0.5,)).size == 161


@given(st.lists(st.floats(0, 1), max_size=50), st.lists(st.floats(0.001, 0.999), max_size=2))
def test_every_score_is_in_the_bin_and_class_that_the_definition_gives(
    scores: list[float], cuts: list[float]
) -> None:
    thresholds = tuple(sorted(set(cuts)))
    profile = scored(*scores, thresholds=thresholds)
    edges = score_edges(thresholds).tolist()
    expected: dict[tuple[str, int], list[float]] = {}
    for score in scores:
        predicted = sum(score >= cut for cut in thresholds or (0.5,))
        place = sum(score >= edge for edge in edges)
        expected.setdefault((str(predicted), place), []).append(score)
    found = {
        (predicted, int(place)): (int(bins.counts[place]), float(bins.sums[place]))
        for (predicted, true), bins in profile.classes.items()
        for place in np.flatnonzero(bins.counts)
        if true == ""
    }
    assert {key: count for key, (count, _) in found.items()} == {
        key: len(values) for key, values in expected.items()
    }
    for key, values in expected.items():
        assert found[key][1] == pytest.approx(sum(values), abs=1e-12)


def test_what_is_no_probability_is_counted_beside() -> None:
    profile = scored(0.0, 1.0, -0.1, 1.1, math.nan, math.inf)
    assert (profile.count, profile.outside, profile.not_a_number) == (2, 2, 2)


def test_classes_stand_by_prediction_and_truth() -> None:
    profile = ScoreProfile((0.3,))
    profile.observe(np.array([0.2, 0.4, 0.9]), ["0", "0", "1"])
    assert {pair: bins.count for pair, bins in profile.classes.items()} == {
        ("0", "0"): 1,
        ("1", "0"): 1,
        ("1", "1"): 1,
    }
    assert profile.by_predicted() == {"0": 1, "1": 2}


def test_rows_of_probabilities_have_a_class_a_margin_and_an_entropy() -> None:
    profile = ScoreProfile()
    profile.observe_matrix(np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0], [math.nan, 0.5, 0.5]]))
    assert profile.by_predicted() == {"0": 1, "2": 1}
    assert profile.margin.mean == pytest.approx((0.5 + 1.0) / 2)
    entropy = -(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
    assert profile.entropy.mean == pytest.approx(entropy / 2)
    assert profile.not_a_number == 1


def test_rare_events_keep_their_resolution() -> None:
    """At a base rate of two in a thousand, equal widths of .01 would hold nearly all in one bin."""
    scores = np.random.default_rng(1).beta(0.02, 10, 10_000)
    profile = scored(*scores.tolist())
    counts = np.sum([bins.counts for bins in profile.classes.values()], axis=0)
    assert np.count_nonzero(counts) > 20


parts = st.lists(st.lists(st.floats(-0.5, 1.5), max_size=20), max_size=4)


def content(profile: ScoreProfile) -> Any:
    return {
        pair: (bins.counts.tolist(), bins.sums.tobytes()) for pair, bins in profile.classes.items()
    } | {"beside": (profile.outside, profile.not_a_number, profile.score)}


@given(parts, st.randoms(use_true_random=False))
def test_any_order_of_the_parts_gives_the_same_bits(scores: list[list[float]], random: Any) -> None:
    held = [scored(*part) for part in scores]
    expected = content(ScoreProfile.merge_all(held))
    random.shuffle(held)
    assert content(ScoreProfile.merge_all(held)) == expected
    whole = scored(*[score for part in scores for score in part])
    merged = ScoreProfile.merge_all(held)
    assert (merged.count, merged.outside) == (whole.count, whole.outside)


def test_thresholds_that_not_all_have_are_no_edges_after_a_merge() -> None:
    merged = scored(0.121, 0.129, thresholds=(0.125, 0.3)).merge(scored(0.2, thresholds=(0.3,)))
    assert merged.thresholds == (0.3,)
    assert merged.count == 3
    assert merged.classes["0", ""].counts[merged.edges.searchsorted(0.125, "right")] >= 1


@given(st.lists(st.floats(-0.5, 1.5) | st.just(math.nan), max_size=40))
def test_the_wire_round_trips(scores: list[float]) -> None:
    profile = scored(*scores, thresholds=(0.25,))
    back = scores_from_wire(scores_to_wire(profile))
    assert content(back) == content(profile)
    assert back.thresholds == profile.thresholds


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: m.classes[0].bins.append(0),
        lambda m: m.classes[0].bins.__setitem__(0, 4000),
        lambda m: m.classes[0].counts.__setitem__(0, 9),
        lambda m: m.classes[0].sums.__setitem__(0, math.nan),
        lambda m: m.thresholds.append(2.0),
        lambda m: m.classes.append(m.classes[0]),
    ],
)
def test_scores_that_contradict_themselves_are_refused(damage: Any) -> None:
    message = scores_to_wire(scored(0.1, 0.2))
    damage(message)
    with pytest.raises(ValueError, match="scores"):
        scores_from_wire(message)


def test_classes_past_the_cap_are_one() -> None:
    profile = ScoreProfile()
    size = 2 * MAX_CLASSES
    profile.observe_matrix(np.eye(size))
    assert len(profile.classes) == MAX_CLASSES + 1
    assert profile.count == size
    assert profile.by_predicted()[OTHER] == size - MAX_CLASSES
    assert "other" in profile.describe()
