"""Samples merged on read equal one sample of all data, and health follows data and episodes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from nilometer.batch.reference_upload import put_reference
from nilometer.compare import KS, PSI, Comparison, compare
from nilometer.profile import (
    FeatureProfile,
    FeatureRecorder,
    Reference,
    ScoreProfile,
    SummarySample,
)
from nilometer.testing import SteppedClock, amounts
from nilometer_collector.query.merging import MAX_WINDOWS
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    a_reference,
    a_row,
    an_alerter,
    an_evaluation,
    feature_sample,
    minute,
    service_sample,
)

AMOUNT = {"entity": ENTITY, "summary": "input.amount"}
START = START_NS / 1e9


@pytest.fixture
def reference() -> Reference:
    return a_reference({"input.amount": amounts(2000)})


def edges_of(reference: Reference) -> tuple[float, ...]:
    return reference.columns["input.amount"].edges


def test_windows_of_all_agents_and_labels_are_merged(served: Running) -> None:
    parts = [amounts(300, seed) for seed in range(4)]
    for agent, (one, other) in {"pod-1": parts[:2], "pod-2": parts[2:]}.items():
        sender = served.sender(agent)
        sender.ship(feature_sample(one, labels={"version": "1"}))
        sender.ship(feature_sample(other, labels={"version": "2"}))
    (sample,) = served.get("samples", **AMOUNT)["samples"]
    whole = np.concatenate(parts)
    shown = sample["feature"]
    assert sample["coverage"]["seen"] == shown["count"] == 1200
    assert shown["mean"] == pytest.approx(whole.mean())
    assert shown["standard_deviation"] == pytest.approx(whole.std())
    assert (shown["minimum"], shown["maximum"]) == (whole.min(), whole.max())
    assert shown["quantiles"]["0.5"] == pytest.approx(np.median(whole), rel=0.02)
    assert sum(shown["histogram"]["counts"]) == pytest.approx(1200)


def test_the_order_of_arrival_does_not_change_a_bit(served: Running) -> None:
    samples = [feature_sample(amounts(200, seed)) for seed in range(5)]
    served.sender("a").ship(*samples)
    others = [
        SummarySample(
            entity="other",
            summary=sample.summary,
            labels=sample.labels,
            window=sample.window,
            coverage=sample.coverage,
            content=sample.content,
        )
        for sample in reversed(samples)
    ]
    served.sender("b").ship(*others)
    one = served.get("samples", **AMOUNT)["samples"]
    assert one == served.get("samples", entity="other", summary="input.amount")["samples"]


def test_a_step_merges_into_aligned_longer_windows(served: Running) -> None:
    served.sender().ship(*(feature_sample([1.0, 2.0], window=minute(n)) for n in range(10)))
    samples = served.get("samples", **AMOUNT, step=300)["samples"]
    assert [sample["window_start"] % 300 for sample in samples] == [0] * len(samples)
    assert sum(sample["coverage"]["seen"] for sample in samples) == 20
    assert {s["window_end"] - s["window_start"] for s in samples} == {300.0}


def test_a_step_shorter_than_the_windows_leaves_them_as_they_are(served: Running) -> None:
    served.sender().ship(feature_sample([1.0]))
    (sample,) = served.get("samples", **AMOUNT, step=10)["samples"]
    assert (sample["window_start"], sample["window_end"]) == (START, START + 60)


def test_labels_are_alternatives_inside_a_key_and_all_keys_must_match(served: Running) -> None:
    sender = served.sender()
    for version in ("1", "2", "3"):
        for region in ("eu", "us"):
            labels = {"version": version, "region": region}
            sender.ship(feature_sample([1.0], labels=labels))

    def seen(*labels: str) -> int:
        samples = served.get("samples", **AMOUNT, label=list(labels))["samples"]
        return sum(sample["coverage"]["seen"] for sample in samples)

    assert seen() == 6
    assert seen("version:1") == 2
    assert seen("version:1", "version:2") == 4
    assert seen("version:1", "version:2", "region:eu") == 2
    assert seen("version:9") == seen("owner:me") == 0
    (summary,) = served.get("summaries", entity=ENTITY)["summaries"]
    assert summary["labels"] == {"region": ["eu", "us"], "version": ["1", "2", "3"]}


def test_a_time_range_takes_the_windows_that_overlap_it(served: Running) -> None:
    served.sender().ship(*(feature_sample([1.0], window=minute(n)) for n in range(6)))

    def starts(start: float, end: float) -> list[float]:
        samples = served.get("samples", **AMOUNT, start=start, end=end)["samples"]
        return [(sample["window_start"] - START) / 60 for sample in samples]

    assert starts(START + 60, START + 180) == [1, 2]
    assert starts(START + 61, START + 181) == [1, 2, 3]
    assert starts(START + 60, START + 60) == []


def test_distances_are_those_of_the_library_on_the_reference_s_edges(
    served: Running, reference: Reference
) -> None:
    put_reference(reference, served.collector.grpc_target)
    shifted = [value * 1.6 for value in amounts(500, 1)]
    served.sender().ship(feature_sample(shifted, edges=edges_of(reference)))
    view = served.get("samples", **AMOUNT, reference="training")
    (sample,) = view["samples"]
    recorder = FeatureRecorder()
    recorder.observe(shifted)
    exact = recorder.profile()
    counted = feature_sample(shifted, edges=edges_of(reference)).content
    assert isinstance(counted, FeatureProfile)
    exact.numbers.binned = counted.numbers.binned
    assert exact.numbers.binned is not None
    column = reference.columns["input.amount"]
    for name, comparator in (("psi", PSI), ("ks", KS)):
        comparison = compare(comparator, column, exact)
        assert isinstance(comparison, Comparison)
        assert not comparison.rebinned
        assert sample[name] == pytest.approx(comparison.value, abs=1e-12)
    histogram = sample["feature"]["histogram"]
    assert histogram["edges"][1:-1] == list(edges_of(reference))
    assert histogram["counts"] == [float(count) for count in exact.numbers.binned.counts]
    assert view["reference"]["digest"] == reference.digest
    assert view["reference"]["feature"]["histogram"]["edges"] == histogram["edges"]


def test_counts_on_the_edges_of_an_older_reference_are_still_understood(
    served: Running, reference: Reference
) -> None:
    put_reference(reference, served.collector.grpc_target)
    served.sender().ship(feature_sample(amounts(400, 1), edges=edges_of(reference)))
    newer = a_reference({"input.amount": amounts(900, 7)})
    put_reference(newer, served.collector.grpc_target)
    (sample,) = served.get("samples", **AMOUNT, reference="training")["samples"]
    assert sample["psi"] == pytest.approx(0.0, abs=0.05)


def test_counts_on_edges_that_do_not_fit_fall_back_to_the_digest(
    served: Running, reference: Reference
) -> None:
    put_reference(reference, served.collector.grpc_target)
    row = a_row(1, feature_sample(amounts(400, 1), edges=edges_of(reference)))
    row.sample.feature.numeric.binned.counts.append(7)
    late = feature_sample(amounts(400, 2), edges=edges_of(reference), window=minute(1))
    other = a_row(2, late)
    other.sample.feature.numeric.binned.counts[0] += 5000
    assert not served.sender().send([row, other]).rejected
    samples = served.get("samples", **AMOUNT, reference="training")["samples"]
    assert [sample["psi"] for sample in samples] == pytest.approx([0.0, 0.0], abs=0.05)


def test_a_service_shows_its_requests(served: Running) -> None:
    served.sender().ship(service_sample([0.1] * 90 + [1.0] * 10, failed=5))
    (sample,) = served.get("samples", entity=ENTITY, summary="service")["samples"]
    service = sample["service"]
    assert (service["requests"], service["error_ratio"]) == (100, 0.05)
    assert service["requests_per_second"] == pytest.approx(100 / 60)
    assert service["latency_quantiles_seconds"]["0.99"] == pytest.approx(1.0, rel=0.02)
    assert service["latency_mean_seconds"] == pytest.approx(0.19)
    assert sample["coverage"]["undecodable"] == {"failed_request": 5}


def test_lost_sides_are_shown_by_reason_and_merged_over_windows(served: Running) -> None:
    sender = served.sender()
    for window in range(2):
        sample = service_sample([0.1] * 9, window=minute(window))
        lost = replace(
            sample.coverage,
            lost_inputs={"malformed": 1},
            lost_outputs={"too_large": 2 + window},
            lost_cells={"other_kind": 3},
        )
        sender.ship(replace(sample, coverage=lost))
    service = {"entity": ENTITY, "summary": "service"}
    shown = [one["coverage"] for one in served.get("samples", **service)["samples"]]
    assert [one["lost_outputs"] for one in shown] == [{"too_large": 2}, {"too_large": 3}]
    (merged,) = served.get("samples", **service, step=3600)["samples"]
    assert merged["coverage"]["lost_inputs"] == {"malformed": 2}
    assert merged["coverage"]["lost_outputs"] == {"too_large": 5}
    assert merged["coverage"]["lost_cells"] == {"other_kind": 6}


def test_of_two_kinds_under_one_name_the_one_with_more_cells_is_shown(served: Running) -> None:
    """One agent has the scores of an output, and another one a field of the same name."""
    field = feature_sample([1.0] * 3, summary="output.p.scores")
    scores = ScoreProfile((0.5,))
    scores.observe(np.array([0.1, 0.9]))
    served.sender("pod-1").ship(replace(field, content=scores))
    served.sender("pod-2").ship(field)
    (shown,) = served.get("samples", entity=ENTITY, summary="output.p.scores")["samples"]
    assert shown["feature"]["count"] == 3
    assert shown["scores"] is None


def test_types_of_data_are_told_from_their_weight(served: Running) -> None:
    sender = served.sender()
    columns: dict[str, Sequence[object]] = {
        "number": [1.0] * 20 + ["x"],
        "category": ["a", "b"],
        "mixed": [1.0, "a"],
        "empty": [None, None],
    }
    for kind, cells in columns.items():
        sender.ship(feature_sample(cells, summary=f"input.{kind}"))
    sender.ship(service_sample([0.1]), feature_sample([1.0], summary="output.score"))
    shown = served.get("summaries", entity=ENTITY)["summaries"]
    assert shown[0]["name"] == "service"
    kinds = {s["name"]: (s["data_type"], s["role"]) for s in shown}
    expected = {f"input.{kind}": (kind, "input") for kind in columns}
    expected |= {"service": ("service", "service"), "output.score": ("number", "output")}
    assert kinds == expected


def health(served: Running) -> str:
    (entity,) = served.get("entities")["entities"]
    (summary,) = served.get("summaries", entity=ENTITY)["summaries"]
    assert entity["health"] == summary["health"]
    return str(entity["health"])


def test_health_goes_from_learning_over_ok_to_alerting_and_back(served: Running) -> None:
    sender = served.sender()
    sender.ship(feature_sample([1.0]))
    assert health(served) == "LEARNING"
    sender.ship(an_evaluation(0.1, 1))
    assert health(served) == "OK"
    sender.ship(an_evaluation(0.5, 2))
    assert health(served) == "ALERTING"
    sender.ship(an_evaluation(0.1, 3))
    assert health(served) == "OK"


def test_silence_is_counted_from_arrival_so_that_a_replay_is_not_silent(
    served: Running, clock: SteppedClock
) -> None:
    clock.step(86_400 * 365)  # the events are a year old
    served.sender().ship(feature_sample([1.0]))
    assert health(served) == "LEARNING"
    clock.step(599)
    assert health(served) == "LEARNING"
    clock.step(2)
    assert health(served) == "NO_DATA"
    served.sender("pod-2").ship(feature_sample([1.0]))
    assert health(served) == "LEARNING"


def test_an_entity_with_only_an_alerter_or_a_reference_is_listed(
    served: Running, reference: Reference
) -> None:
    from nilometer_collector.alerting.definitions import alerter_view

    served.put_alerter(alerter_view(an_alerter(entity="ruled"))).raise_for_status()
    put_reference(reference, served.collector.grpc_target)
    entities = served.get("entities")["entities"]
    assert [(e["name"], e["health"], e["references"]) for e in entities] == [
        (ENTITY, "NO_DATA", ["training"]),
        ("ruled", "NO_DATA", []),
    ]
    view = served.get("samples", **AMOUNT, reference="training")
    assert view["samples"] == []
    assert view["reference"]["feature"]["count"] == 2000


def test_more_windows_than_are_served_must_be_asked_for_in_longer_steps(served: Running) -> None:
    row = a_row(1, feature_sample([1.0]))
    rows = []
    for number in range(MAX_WINDOWS + 1):
        row.sequence = number + 1
        row.sample.window_start_unix_nano = minute(number).start_ns
        row.sample.window_end_unix_nano = minute(number).end_ns
        rows.append(type(row).FromString(row.SerializeToString()))
    served.sender().send(rows)
    answer = served.http.get("/api/v1/samples", params=AMOUNT)
    assert answer.status_code == 422
    assert "longer step" in answer.json()["detail"]
    assert len(served.get("samples", **AMOUNT, step=3600)["samples"]) <= 35
