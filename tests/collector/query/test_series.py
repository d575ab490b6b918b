"""Many series in one question: each point is that of all its data, whatever the page or the order."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nilometer.batch.reference_upload import put_reference
from nilometer.profile import FeatureProfile
from nilometer.profile.logged.amounts import Aggregation, Head
from nilometer.profile.logged.matrix import Matrix
from nilometer.sketch.tdigest import TDigest
from nilometer.testing import amounts
from nilometer.values.labels import Labels
from nilometer.wire.contents.codec import no_edges
from nilometer.wire.samples import sample_from_bytes, sample_to_wire
from nilometer_collector.query import cells, pages
from nilometer_collector.query.cells import MAX_SAMPLES
from nilometer_collector.query.measuring import Cell, points_of
from nilometer_collector.query.series_records import Measures
from nilometer_collector.store import Level
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    a_reference,
    feature_sample,
    minute,
    service_sample,
)

START = START_NS / 1e9
AMOUNT = {"entity": ENTITY, "summary": "input.amount"}


def points(served: Running, **parameters: object) -> list[dict[str, Any]]:
    """Return the points of the only series."""
    (series,) = served.get("query", **{**AMOUNT, **parameters})["series"]
    found: list[dict[str, Any]] = series["points"]
    return found


def test_without_a_step_one_point_has_all_data(served: Running) -> None:
    parts = [amounts(300, seed) for seed in range(4)]
    for number, part in enumerate(parts):
        served.sender(f"pod-{number}").ship(feature_sample(part, window=minute(number)))
    (point,) = points(served, quantile=[0.5, 0.999], cdf=[100, 1e300], show=["moments"])
    whole = np.concatenate(parts)
    assert (point["count"], point["samples"], point["level"]) == (1200, 4, "shipped")
    assert (point["window_start"], point["window_end"]) == (START, START + 240)
    assert point["quantiles"]["0.5"] == pytest.approx(np.median(whole), rel=0.02)
    assert point["cdf"]["100"] == pytest.approx((whole <= 100).mean(), abs=0.005)
    assert point["cdf"]["1e+300"] == 1.0
    moments = point["moments"]
    assert moments["mean"] == pytest.approx(whole.mean())
    assert moments["standard_deviation"] == pytest.approx(whole.std())
    deviations = (whole - whole.mean()) / whole.std()
    assert moments["skewness"] == pytest.approx((deviations**3).mean())
    assert moments["kurtosis"] == pytest.approx((deviations**4).mean() - 3)
    assert (moments["minimum"], moments["maximum"]) == (whole.min(), whole.max())


def test_values_are_the_same_however_the_samples_are_decoded(served: Running) -> None:
    served.sender().ship(*(feature_sample(amounts(200, n), window=minute(n)) for n in range(6)))
    asked = {"quantile": [0.01, 0.5], "cdf": [50.0], "show": ["moments"], "step": 120}
    numbers = points(served, **asked)
    whole = points(served, **{**asked, "show": ["moments", "coverage"]})
    assert len(numbers) == len(whole) == 3
    for one, other in zip(numbers, whole, strict=True):
        coverage = other.pop("coverage")
        assert coverage["seen"] == one["count"]
        for name in ("quantiles", "cdf"):
            assert one.pop(name) == pytest.approx(other.pop(name), rel=0.01)
        assert one == other


def test_the_order_of_arrival_does_not_change_a_bit(served: Running) -> None:
    columns = [amounts(200, seed) for seed in range(7)]
    for entity, order in (("one", columns), ("two", columns[::-1])):
        served.sender(entity).ship(*(feature_sample(some, entity=entity) for some in order))
    asked = {"summary": "input.amount", "quantile": [0.1, 0.5, 0.9], "show": ["moments"]}
    one, two = (served.get("query", entity=entity, **asked)["series"] for entity in ("one", "two"))
    assert one == two


def test_a_step_gives_aligned_windows_and_whole_ones_at_both_ends(served: Running) -> None:
    served.sender().ship(*(feature_sample([1.0, 2.0], window=minute(n)) for n in range(10)))
    (found,) = points(served, step=300, start=START + 119, end=START + 121)
    assert (found["window_start"], found["window_end"]) == (START + 60, START + 360)
    assert found["count"] == 10  # of all five minutes, although two seconds were asked for
    assert points(served, step=60, start=START, end=START + 120)[-1]["window_end"] == START + 120


def test_patterns_name_many_summaries_and_a_group_is_a_series(served: Running) -> None:
    sender = served.sender()
    for summary in ("input.amount", "input.age", "output.score"):
        for version, region in (("1", "eu"), ("2", "eu"), ("2", "us")):
            labels = {"version": version, "region": region}
            sender.ship(feature_sample([1.0], summary=summary, labels=labels))
    answer = served.get("query", entity=ENTITY, summary=["input.*"], by=["version"])
    keys = [(one["summary"], one["labels"], one["points"][0]["count"]) for one in answer["series"]]
    assert keys == [
        ("input.age", {"version": "1"}, 1),
        ("input.age", {"version": "2"}, 2),
        ("input.amount", {"version": "1"}, 1),
        ("input.amount", {"version": "2"}, 2),
    ]
    assert answer["levels"] == {"shipped": 6}


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 4),
        ({"label": ["version:1", "version:2"]}, 3),
        ({"label": ["version:1", "version:2", "region:eu"]}, 2),
        ({"not_label": ["version:1"]}, 3),
        ({"not_label": ["version:1", "region:us"]}, 2),
        ({"has_label": ["region"]}, 3),
        ({"has_label": ["region", "version"]}, 3),
        ({"lacks_label": ["region"]}, 1),
        ({"lacks_label": ["region"], "not_label": ["version:3"]}, 0),
    ],
)
def test_labels_are_filtered_by_value_negation_and_existence(
    served: Running, asked: Mapping[str, object], count: int
) -> None:
    label_sets = (
        {"version": "1", "region": "eu"},
        {"version": "2", "region": "eu"},
        {"version": "2", "region": "us"},
        {"version": "3"},
    )
    served.sender().ship(*(feature_sample([1.0], labels=labels) for labels in label_sets))
    series = served.get("query", **AMOUNT, **asked)["series"]
    assert sum(point["count"] for one in series for point in one["points"]) == count


def test_categories_rates_and_coverage_of_each_window(served: Running) -> None:
    cells = ["a"] * 6 + ["b"] * 3 + [None]
    served.sender().ship(feature_sample(cells))
    (point,) = points(served, top=1, show=["rates", "coverage"], statistic=["missing_ratio"])
    assert point["top"] == [{"value": "a", "count": 6, "ratio": pytest.approx(6 / 9)}]
    assert point["rates"]["per_second"] == pytest.approx(10 / 60)
    assert point["rates"]["missing_ratio"] == point["statistics"]["missing_ratio"] == 0.1
    assert point["coverage"]["lost_inputs"] == {}


def test_the_service_has_quantiles_of_latency_and_shares(served: Running) -> None:
    served.sender().ship(service_sample([0.1] * 8 + [2.0] * 2, failed=2))
    series = served.get("query", entity=ENTITY, summary="service", quantile=[0.5], show=["rates"])
    (point,) = series["series"][0]["points"]
    assert point["quantiles"]["0.5"] == pytest.approx(0.1, rel=0.02)
    assert point["rates"]["error_ratio"] == 0.2


def test_a_histogram_is_exact_on_the_edges_of_the_reference(served: Running) -> None:
    reference = a_reference({"input.amount": amounts(2000)})
    put_reference(reference, served.collector.grpc_target)
    edges = reference.columns["input.amount"].edges
    column = np.array(amounts(500, 1))
    windows = [minute(number) for number in range(3)]
    served.sender().ship(
        *(feature_sample(column.tolist(), edges=edges, window=window) for window in windows)
    )
    (point,) = points(served, edge=list(edges))
    inner = np.histogram(column, bins=[-np.inf, *edges, np.inf])[0]
    assert point["histogram"]["counts"] == [3 * count for count in inner]
    assert not point["histogram"]["estimated"]
    (point,) = points(served, edge=[10.0, 100.0])
    assert point["histogram"]["estimated"]
    assert sum(point["histogram"]["counts"]) == pytest.approx(1500)


def test_distances_from_a_reference_are_those_of_samples(served: Running) -> None:
    reference = a_reference({"input.amount": amounts(2000)})
    put_reference(reference, served.collector.grpc_target)
    edges = reference.columns["input.amount"].edges
    served.sender().ship(feature_sample([2 * x for x in amounts(500, 1)], edges=edges))
    (sample,) = served.get("samples", **AMOUNT, reference="training")["samples"]
    (point,) = points(served, reference="training", comparator=["psi", "ks"])
    assert point["distances"] == {"psi": sample["psi"], "ks": sample["ks"]}


def test_versions_segments_and_weeks_are_compared(served: Running) -> None:
    week = 7 * 24 * 60
    sender = served.sender()
    for number, factor in ((0, 1.0), (week, 3.0)):
        for version, more in (("1", 1.0), ("2", 1.5)):
            column = [factor * more * value for value in amounts(400, number + int(version))]
            sender.ship(feature_sample(column, window=minute(number), labels={"version": version}))
    versions = points(served, label="version:2", other_label="version:1", step=60)
    assert [point["other_count"] for point in versions] == [400, 400]
    assert all(point["other_distances"]["ks"] > 0.1 for point in versions)
    weeks = points(served, other_earlier=7 * 86_400, step=60, comparator="ks")
    assert [point["other_count"] for point in weeks] == [0, 800]
    assert weeks[0]["other_distances"] == {"ks": None}
    assert weeks[1]["other_distances"]["ks"] > 0.4
    (same,) = points(served, other_entity=ENTITY)
    assert same["other_distances"] == pytest.approx({"psi": 0.0, "ks": 0.0}, abs=1e-9)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_together_are_the_whole(
    served: Running, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LEAST_POINTS", 1)
    sender = served.sender()
    for summary in ("input.a", "input.b", "input.c"):
        for version in ("1", "2"):
            sender.ship(
                *(
                    feature_sample([1.0], summary=summary, window=minute(n), labels={"v": version})
                    for n in (0, 1, 4, 5, 6)
                )
            )
    asked = {"entity": ENTITY, "summary": "input.*", "by": "v", "step": 60, "quantile": 0.5}
    whole = served.get("query", **asked)
    assert whole["next"] is None
    expected = [
        (one["summary"], one["labels"], p) for one in whole["series"] for p in one["points"]
    ]
    assert len(expected) == 30
    found: list[Any] = []
    after: dict[str, str] = {}
    for _ in range(len(expected) + 1):
        page = served.get("query", **asked, limit=limit, **after)
        some = [(one["summary"], one["labels"], p) for one in page["series"] for p in one["points"]]
        assert len(some) <= limit
        found += some
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == expected


def test_a_page_reads_no_more_than_it_returns(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LEAST_POINTS", 1)
    served.sender().ship(*(feature_sample([1.0], window=minute(n)) for n in range(50)))
    answer = served.get("query", **AMOUNT, step=60, limit=7)
    assert answer["levels"] == {"shipped": 7}


def test_a_million_points_are_refused_before_any_is_read(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "cells_of", None)
    served.sender().ship(feature_sample([1.0]), feature_sample([1.0], window=minute(20_000)))
    refused = served.http.get("/api/v1/query", params={**AMOUNT, "step": 1})
    assert (refused.status_code, refused.json()["field"]) == (422, "step")
    assert "1200060 points" in refused.json()["detail"]


def test_too_many_samples_or_bytes_are_refused(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.sender().ship(*(feature_sample([1.0], window=minute(n)) for n in range(5)))
    for name, most in (("MAX_SAMPLES", 4), ("MAX_BYTES", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(cells, name, most)
            refused = served.http.get("/api/v1/query", params=AMOUNT)
        assert (refused.status_code, refused.json()["field"]) == (422, "start")
    assert MAX_SAMPLES >= 4 * 30 * 288  # 30 days of 5 minutes of 4 pods


@pytest.mark.parametrize("path", ["query", "samples", "difference"])
def test_bytes_of_logged_samples_have_a_limit_of_their_own(
    served: Running, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    rows = [[1.0] * 16] * 16
    sample = replace(
        feature_sample([]), summary="logged.m", content=Matrix.of(rows, Head(Aggregation.SUM))
    )
    served.sender().ship(sample, feature_sample([1.0]))
    asked: dict[str, str | float] = {"entity": ENTITY, "summary": "logged.m"}
    asked |= {"start": START, "end": START + 60}
    asked |= {"other_earlier": 60} if path == "difference" else {}
    assert served.http.get(f"/api/v1/{path}", params=asked).status_code == 200
    monkeypatch.setattr(cells, "MAX_LOGGED_BYTES", 1 << 10)
    refused = served.http.get(f"/api/v1/{path}", params=asked)
    assert (refused.status_code, refused.json()["field"]) == (422, "start")
    assert "logged samples of more than" in refused.json()["detail"]
    assert served.http.get("/api/v1/query", params=AMOUNT).status_code == 200


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"entity": "frauds", "summary": "input.amount"}, "no data"),
        ({"entity": ENTITY, "summary": "input.amuont"}, "did you mean 'input.amount'"),
        ({"entity": ENTITY, "summary": ["input.amount", "x*"]}, "no summary 'x\\*'"),
        ({**AMOUNT, "reference": "trained"}, "no reference 'trained'"),
    ],
)
def test_what_does_not_exist_is_named(
    served: Running, asked: Mapping[str, Any], reason: str
) -> None:
    served.sender().ship(feature_sample([1.0]))
    refused = served.http.get("/api/v1/query", params=asked)
    assert refused.status_code == 404
    assert reason.replace("\\", "") in refused.json()["detail"]


def test_a_sample_that_is_alone_gets_the_window_and_the_labels_of_its_point(
    served: Running,
) -> None:
    values = amounts(300, 1)
    labels = {"pod": "a", "country": "de"}
    served.sender().ship(
        feature_sample(values, window=minute(1), labels=labels),
        replace(service_sample([0.1, 0.2], window=minute(1)), labels=Labels.of(labels)),
    )
    for summary in ("input.amount", "service"):
        asked = {"summary": summary, "show": ["sample"], "step": 300, "by": "country"}
        (alone,) = points(served, **asked)
        (whole,) = points(served, **asked, statistic="count")
        one, merged = (sample_from_bytes(b64decode(point["sample"])) for point in (alone, whole))
        assert (one.window, one.labels, one.coverage) == (
            merged.window,
            merged.labels,
            merged.coverage,
        )
        assert one.labels == Labels.of({"country": "de"})
        assert one.window.end_ns - one.window.start_ns == 300 * 10**9
        assert (alone["count"], one.content.count) == (whole["count"], merged.content.count)
    quantile = one_digest(served).quantile(0.5)
    assert quantile == pytest.approx(np.median(values), rel=0.02)


def one_digest(served: Running) -> TDigest:
    (point,) = points(served, show=["sample"])
    content = sample_from_bytes(b64decode(point["sample"])).content
    assert isinstance(content, FeatureProfile)
    return content.numbers.digest


def test_a_damaged_sample_that_is_alone_is_left_out() -> None:
    """Its t-digest is checked, although it is not decoded."""
    message = sample_to_wire(feature_sample([1.0, 2.0]))
    sound = message.SerializeToString()
    message.feature.numeric.digest.means = b"\xff"
    window = minute(0)
    cells = [
        Cell("input.amount", Labels(), window.start_ns, window.end_ns, [one], Level.SHIPPED)
        for one in (message.SerializeToString(), sound)
    ]
    damaged, found = points_of(cells, Measures(sample=True), no_edges)
    assert damaged is None
    assert found is not None
    assert (found.count, sample_from_bytes(found.packed or b"").content.count) == (2, 2)
