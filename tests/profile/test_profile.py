from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.profile import (
    Coverage,
    DropReason,
    FeatureProfile,
    FeatureSpec,
    Outcome,
    Profile,
    ServiceProfile,
    SummarySample,
    UndecodableReason,
)
from nilometer.values.labels import Labels
from nilometer.values.window import Window

WINDOW = Window(0, 60_000_000_000)
LABELS = Labels.of(version="7")


def sample(
    content: FeatureProfile | ServiceProfile, coverage: Coverage | None = None
) -> SummarySample:
    return SummarySample(
        entity="fraud-scorer",
        summary="input.amount",
        labels=LABELS,
        window=WINDOW,
        coverage=coverage or Coverage(),
        content=content,
    )


@given(st.lists(strategies.coverages, max_size=5))
def test_what_was_seen_is_the_sum_of_what_became_of_it(parts: list[Coverage]) -> None:
    total = Coverage()
    for part in parts:
        lost = sum(part.dropped.values()) + sum(part.undecodable.values())
        assert part.seen == part.profiled + part.sampled_out + lost
        total = total.merge(part)
    assert total.seen == sum(part.seen for part in parts)
    for reason in DropReason:
        expected = sum(part.dropped.get(reason.value, 0) for part in parts)
        assert total.dropped.get(reason.value, 0) == expected
    for why in UndecodableReason:
        expected = sum(part.undecodable.get(why.value, 0) for part in parts)
        assert total.undecodable.get(why.value, 0) == expected


@given(st.lists(strategies.coverages, max_size=5))
def test_lost_sides_add_up_by_reason_and_are_no_further_observations(
    parts: list[Coverage],
) -> None:
    total = Coverage()
    for part in parts:
        total = total.merge(part)
    for why in UndecodableReason:
        inputs = sum(part.lost_inputs.get(why.value, 0) for part in parts)
        assert total.lost_inputs.get(why.value, 0) == inputs
        outputs = sum(part.lost_outputs.get(why.value, 0) for part in parts)
        assert total.lost_outputs.get(why.value, 0) == outputs
    assert sum(total.lost_inputs.values()) <= total.profiled
    assert sum(total.lost_outputs.values()) <= total.profiled


@given(strategies.requests)
def test_requests_are_counted_by_how_they_ended(requests: list[Any]) -> None:
    service = strategies.service_of(requests)
    failed = {"server_error", "exception", "no_response"}
    assert service.count == len(requests)
    assert service.failures == sum(outcome in failed for outcome, *_ in requests)
    assert sum(service.statuses.values()) == sum(bool(status) for _, status, *_ in requests)
    assert service.latency.count == service.request_bytes.count == len(requests)
    assert service.latency_sum == sum(latency for _, _, latency, _, _ in requests)
    assert service.request_bytes_sum == sum(size for *_, size, _ in requests)
    assert service.response_bytes_sum == sum(size for *_, size in requests)


def test_only_the_service_is_to_blame_for_a_failure() -> None:
    blamed = {outcome for outcome in Outcome if outcome.failed}
    assert blamed == {Outcome.SERVER_ERROR, Outcome.EXCEPTION, Outcome.NO_RESPONSE}


def test_samples_come_in_the_order_of_their_names_with_the_service_first() -> None:
    profile = Profile("fraud-scorer", LABELS, WINDOW)
    asked = []

    def spec_of(name: str) -> FeatureSpec:
        asked.append(name)
        return FeatureSpec()

    for name in ("output.score", "input.b", "input.a", "input.b"):
        profile.feature(name, spec_of).observe([1.0])
    profile.observe_service(strategies.service_of([("ok", "200", 0.5, 1, 1)]))
    profile.observe_service(strategies.service_of([("ok", "200", 0.5, 1, 1)]))
    profile.cover(Coverage(profiled=2))
    samples = profile.samples()
    assert [s.summary for s in samples] == ["service", "input.a", "input.b", "output.score"]
    assert asked == ["output.score", "input.b", "input.a"]
    assert {s.coverage.seen for s in samples} == {2}
    assert [s.content.count for s in samples] == [2, 1, 2, 1]


def test_a_window_in_which_all_was_dropped_still_has_a_sample() -> None:
    profile = Profile("fraud-scorer", LABELS, WINDOW)
    assert profile.samples() == []
    profile.cover(Coverage(dropped={DropReason.QUEUE_FULL.value: 3}))
    (only,) = profile.samples()
    assert (only.summary, only.content.count, only.coverage.seen) == ("service", 0, 3)


PARTS = st.tuples(
    strategies.requests, strategies.streams_of_requests, st.integers(0, 9), strategies.websockets
)


def test_a_table_has_no_service() -> None:
    profile = Profile("fraud-scorer", LABELS, WINDOW)
    profile.feature("input.a", lambda _: FeatureSpec()).observe([1.0])
    assert [s.summary for s in profile.samples()] == ["input.a"]


@given(st.lists(PARTS, min_size=1, max_size=5), st.randoms())
def test_service_samples_in_any_order_merge_to_the_same(parts: list[Any], random: Any) -> None:
    samples = [sample(strategies.service_of(*part), Coverage(profiled=1)) for part in parts]
    wide = Window(0, 120_000_000_000)
    merged = SummarySample.merge_all(samples, wide, Labels())
    random.shuffle(samples)
    assert SummarySample.merge_all(samples, wide, Labels()) == merged
    assert merged.coverage.seen == len(parts)
    assert (merged.window, merged.labels, merged.entity) == (wide, Labels(), "fraud-scorer")


def test_a_feature_and_the_service_do_not_mix() -> None:
    with pytest.raises(ValueError, match=r"input\.amount mixes contents of different kinds"):
        SummarySample.merge_all(
            [sample(FeatureProfile()), sample(ServiceProfile())], WINDOW, LABELS
        )


def test_no_samples_do_not_merge() -> None:
    with pytest.raises(ValueError, match="no samples"):
        SummarySample.merge_all([], WINDOW, LABELS)


def test_merging_samples_leaves_them_alone() -> None:
    part = sample(strategies.feature_of([1.0, 2.0]))
    before = replace(part)
    SummarySample.merge_all([part, part], WINDOW, LABELS)
    assert part == before
    assert part.content.count == 2
