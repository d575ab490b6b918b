"""Each kind of cause, from figures that are known."""

from dataclasses import replace

import numpy as np
import pytest

from nilometer.causes import (
    Answer,
    CauseKind,
    Event,
    FeatureSides,
    Scene,
    Segment,
    SegmentRate,
    Stage,
    causes_of,
)
from nilometer.causes.breaks import largest_break
from nilometer.causes.intervals import interval
from nilometer.causes.shares import Counted, percent
from nilometer.causes.shift import importances, split
from nilometer.causes.times import duration, relative
from nilometer.profile import FeatureProfile, ReferenceColumn
from nilometer.profile.bin_sums import BinSums, SumKey
from nilometer.profile.feature_bins import FeatureBins
from nilometer.values.labels import Labels

MINUTE_NS = 60 * 10**9
WINDOW_NS = 5 * MINUTE_NS
ONSET_NS = 1000 * WINDOW_NS
SCENE = Scene(entity="model", onset_ns=ONSET_NS, window_ns=WINDOW_NS)


def told(answer: Answer, kind: CauseKind) -> list[str]:
    """Return the sentences of one kind, of causes and of what cannot be told."""
    causes = [one.sentence for one in answer.causes if one.kind is kind]
    return causes + [one.sentence for one in answer.untold if one.kind is kind]


def stage(entity: str, *sources: str, onset: int | None = None) -> Stage:
    """Return a stage that drifts from *onset* on, in windows from the onset of the episode."""
    at = None if onset is None else ONSET_NS + onset * WINDOW_NS
    return Stage(entity=entity, reads_from=sources, onset_ns=at, score=1.0, evidence="x moved")


def stages_told(*stages: Stage) -> list[str]:
    """Return what is told of the stages before ``model``."""
    scene = replace(SCENE, stages=[stage("model", "b", onset=0), *stages])
    return told(causes_of(scene), CauseKind.STAGE)


def test_the_first_mover_is_the_stage_without_a_moved_stage_before_it() -> None:
    chain = [stage("b", "a", onset=1), stage("a", "source", onset=-1), stage("source")]
    assert stages_told(*chain) == [
        "a, from which model reads, moved first, 5 minutes before the onset: x moved."
    ]


def test_a_stage_behind_an_unmoved_one_still_moved_first() -> None:
    """The fault of *a* does not show in *b*, so both *a* and the model are linked through it."""
    assert stages_told(stage("b", "a"), stage("a", onset=0)) == [
        "a, from which model reads, moved first, at the onset: x moved."
    ]


def test_stages_that_moved_later_or_long_before_are_no_causes() -> None:
    for onset in (13, -300):
        assert stages_told(stage("b", onset=onset)) == [
            (
                "model moved first: the entity before it did not begin to drift in the day before, "
                "as far as is known."
            )
        ]
    silent = stages_told(stage("b", "a"), stage("a"))
    assert silent[0].startswith(
        "model moved first: none of the 2 entities before it began to drift"
    )


def test_a_stage_whose_drift_was_seen_a_little_later_still_moved_first() -> None:
    assert stages_told(stage("b", onset=4)) == [
        (
            "b, from which model reads, moved first, although its drift was only seen 20 minutes "
            "after the onset: x moved."
        )
    ]


def test_in_a_cycle_of_stages_the_earliest_onset_decides() -> None:
    (told_of_a,) = stages_told(stage("b", "a", onset=-1), stage("a", "b", "model", onset=-2))
    assert told_of_a.startswith("a, from which model reads, moved first, 10 minutes before")


def test_two_first_movers_are_both_named_and_which_one_is_not_told() -> None:
    scene = replace(
        SCENE,
        stages=[stage("model", "a", "b", onset=0), stage("a", onset=-1), stage("b", onset=-1)],
    )
    sentences = told(causes_of(scene), CauseKind.STAGE)
    assert len(sentences) == 3
    assert sentences[-1] == (
        "Cannot tell which stage moved first: a, b drift, and none of them reads from another."
    )


def test_without_declared_edges_the_stage_cannot_be_told() -> None:
    sentences = told(causes_of(replace(SCENE, stages=[stage("model", onset=0)])), CauseKind.STAGE)
    assert sentences == [
        (
            "Cannot tell which stage moved first: nobody has declared what model reads from, "
            "or you may not see it."
        )
    ]


def segment(value: str, before: int, now: int, rows: int = 400) -> Segment:
    """Return a region with counts of *rows* rows on each side."""
    return Segment(
        key="region", value=value, before=before, before_rows=rows, now=now, now_rows=rows
    )


def segments_told(*segments: Segment) -> list[str]:
    """Return what is told of the failures of these segments."""
    rate = SegmentRate(what="of the requests fail", summary="service", segments=segments)
    return told(causes_of(replace(SCENE, rates=[rate])), CauseKind.SEGMENT)


def test_the_segment_that_has_the_change_is_named() -> None:
    calm = [segment(f"r{at}", 20, 20 + at % 3) for at in range(5)]
    assert segments_told(*calm, segment("eu", 20, 80)) == [
        (
            "In region=eu, 20 % of the requests fail; before it was 5 %. In all other segments it is 5.2 %, "
            "and was 5 % (6 segments tried)."
        )
    ]


def test_no_segment_is_named_if_all_of_them_changed_or_none_did() -> None:
    everywhere = [segment(f"r{at}", 20, 80) for at in range(6)]
    nowhere = [segment(f"r{at}", 20, 20 + at) for at in range(6)]
    for segments in (everywhere, nowhere):
        (sentence,) = segments_told(*segments)
        assert sentence.startswith("No segment stands out: none of the 6 ")


def test_segments_with_few_rows_tell_nothing() -> None:
    (sentence,) = segments_told(segment("a", 1, 9, 20), segment("b", 1, 1, 20))
    assert sentence.startswith("Cannot tell which segment changed: no segment has enough rows")


def test_drifts_of_one_segment_only_point_to_it() -> None:
    eu = Labels.of(region="eu")
    scene = replace(SCENE, drifts=[("input.a", eu), ("input.b", eu)])
    assert told(causes_of(scene), CauseKind.SEGMENT) == ["All 2 drifts are in region=eu only."]


def test_changes_rank_by_their_distance_from_the_onset() -> None:
    far = Event(words="the schema changes", at_ns=ONSET_NS - 24 * WINDOW_NS, strength=1.0)
    near = Event(words="version=v8 appears", at_ns=ONSET_NS - WINDOW_NS, strength=1.0)
    after = Event(words="failures rise", at_ns=ONSET_NS + 4 * WINDOW_NS, strength=1.0)
    assert told(causes_of(replace(SCENE, events=[far, near, after])), CauseKind.CHANGE) == [
        "Version=v8 appears, 5 minutes before the onset.",
        "The schema changes, 2 hours before the onset.",
        "Failures rise, 20 minutes after the onset.",
    ]


def sums(rows: tuple[int, int], means: tuple[float, float]) -> BinSums:
    """Return sums over two bins, with a variance of .04 within each."""
    bins = FeatureBins.of((0.0,), None)
    totals = [count * mean for count, mean in zip(rows, means, strict=True)]
    squares = sum(n * (0.04 + mean**2) for n, mean in zip(rows, means, strict=True))
    return BinSums(
        bins,
        bits=20,
        counts=(*rows, 0, 0, 0),
        sums=(*(round(total * 2**20) for total in totals), 0, 0, 0),
        squares=round(squares * 2**40),
    )


BEFORE = sums((5000, 5000), (0.0, 1.0))


def summed(now: BinSums) -> FeatureSides:
    """Return a feature that did not move, with sums of a prediction."""
    key = SumKey("output.y", BEFORE.bins)
    cells = FeatureProfile(types={"number": 100}, missing=0)
    return FeatureSides(
        summary="input.x",
        column=ReferenceColumn(feature=cells),
        before=[replace(cells, sums={key: BEFORE})],
        now=replace(cells, sums={key: now}),
    )


def test_the_change_of_a_mean_splits_into_mix_and_within() -> None:
    mixed = split("input.x", BEFORE, sums((1000, 3000), (0.0, 1.0)))
    bent = split("input.x", BEFORE, sums((2000, 2000), (0.2, 1.2)))
    assert mixed is not None
    assert bent is not None
    assert (mixed.mix, mixed.within) == pytest.approx((0.25, 0.0), abs=1e-6)
    assert (bent.mix, bent.within) == pytest.approx((0.0, 0.2), abs=1e-6)
    assert mixed.bent == 0.0
    assert bent.bent > 0.15
    assert mixed.capacity > 0.25
    effect = 0.25 / (0.25 + 0.04)
    assert importances([summed(BEFORE)]) == pytest.approx({"input.x": effect**0.5}, rel=1e-3)


def test_behaviour_is_told_and_noise_is_not() -> None:
    def told_of(now: BinSums) -> list[str]:
        return told(causes_of(replace(SCENE, features=[summed(now)])), CauseKind.SHIFT)

    bent = told_of(sums((2000, 2000), (0.2, 1.2)))
    assert bent[0].startswith("output.y moved with the same inputs: ")
    assert told_of(sums((2000, 2000), (0.0, 1.0)))[0].endswith("which is within its noise.")


def test_a_break_is_found_where_the_share_changes_and_noise_has_no_strength() -> None:
    rng = np.random.default_rng(5)
    steady = rng.binomial(200, 0.02, 30)
    quiet = largest_break(steady.tolist(), [200.0] * 30)
    assert quiet is not None
    assert quiet.strength == 0.0
    broken = np.concatenate([steady[:20], rng.binomial(200, 0.2, 10)])
    found = largest_break(broken.tolist(), [200.0] * 30)
    assert found is not None
    assert found.at == 20
    assert found.strength > 0.5
    assert largest_break([1.0], [2.0]) is None


def test_a_share_has_no_strength_within_its_noise() -> None:
    assert Counted(50, 1000, 60, 1000).strength() == 0.0
    assert Counted(50, 1000, 120, 1000).strength() > 0.0
    assert Counted(50, 1000, 120, 1000).strength(usual=0.05) == 0.0
    assert Counted(0, 0, 5, 10).strength() == 0.0


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("below 3", "below 3", "below 3"),
        ("below 3", "exactly 4", "4 or less"),
        ("exactly 0", "exactly 0", "exactly 0"),
        ("exactly 0", "[2, 3)", "in [0, 3)"),
        ("(0, 2)", "exactly 2", "in (0, 2]"),
        ("[1, 2)", "5 and above", "1 or more"),
        ("above 5", "above 5", "above 5"),
        ("all", "all", "numbers"),
        ("below 1", "1 and above", "numbers"),
    ],
)
def test_runs_of_bins_in_words(first: str, last: str, words: str) -> None:
    assert interval(first, last) == words


def test_times_and_shares_in_words() -> None:
    assert relative(ONSET_NS + MINUTE_NS, ONSET_NS, WINDOW_NS) == "at the onset"
    assert duration(3 * 24 * 60 * MINUTE_NS) == "3 days"
    assert [percent(one) for one in (0.0, 0.0004, 0.0996, 0.12, 1.0)] == [
        "0 %", "0.04 %", "10 %", "12 %", "100 %",
    ]  # fmt: skip
