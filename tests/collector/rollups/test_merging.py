"""A roll-up holds every sample that can be read, and says how many cannot."""

from dataclasses import replace

import pytest
from support.memory import peak
from support.rolling import exact
from support.shipping import a_sample_row

from nilometer.profile import SummarySample
from nilometer.profile.logged.amounts import Aggregation, Head
from nilometer.profile.logged.table import Table
from nilometer.sketch.binned import edges_id
from nilometer.values.labels import Labels
from nilometer.wire.contents.codec import no_edges
from nilometer.wire.samples import sample_from_bytes
from nilometer_collector.rollups.merging import Merging
from nilometer_collector.store import Level, RollUp, SampleRecord, StalePart
from nilometer_collector.store.records import Part
from nilometer_collector.testing import ENTITY, feature_sample, minute, service_sample

WINDOW = Level.FIVE_MINUTES.window_of(minute(0))
STALE = StalePart(
    part=Part(ENTITY, 1, Level.FIVE_MINUTES, WINDOW, 0), labels=Labels.of({"v": "1"}), version=1
)


def payloads(*samples: SummarySample) -> list[bytes]:
    return [a_sample_row(sample).payload for sample in samples]


def records(made: RollUp) -> list[SampleRecord]:
    window = made.stale.part.window
    return [
        SampleRecord(window.start_ns, window.end_ns, row.payload, 1, Level.FIVE_MINUTES)
        for row in made.rows
    ]


def test_a_roll_up_says_its_window_and_labels_in_its_bytes() -> None:
    merging = Merging(STALE, no_edges)
    merging.add(payloads(feature_sample([1.0]), feature_sample([2.0], window=minute(1))))
    (row,) = merging.finish().rows
    read = sample_from_bytes(row.payload)
    assert (read.window, read.labels, read.entity) == (WINDOW, STALE.labels, ENTITY)
    assert read.coverage.profiled == 2


def test_pages_make_the_same_counts_as_one_page() -> None:
    every = payloads(*(feature_sample([float(at), None, -1.0]) for at in range(200)))
    whole, paged = Merging(STALE, no_edges), Merging(STALE, no_edges)
    whole.add(every)
    for at in range(200):
        paged.add(every[at : at + 1])
    assert exact(records(whole.finish())) == exact(records(paged.finish()))
    assert (whole.left_out, paged.left_out) == (0, 0)


def test_an_unreadable_sample_is_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    merging = Merging(STALE, no_edges)
    merging.add([*payloads(feature_sample([1.0])), b"\xff", b""])
    made = merging.finish()
    assert len(made.rows) == 1
    assert merging.left_out == 2
    assert "stored samples are in no roll-up" in caplog.text


def test_a_part_without_readable_samples_has_an_empty_roll_up() -> None:
    merging = Merging(STALE, no_edges)
    merging.add([])
    assert merging.finish().rows == []


def test_samples_of_different_types_are_kept_apart() -> None:
    feature = feature_sample([1.0, 2.0])
    service = replace(service_sample([0.1]), summary=feature.summary)
    merging = Merging(STALE, no_edges)
    for _ in range(3):
        merging.add(payloads(feature, service))
    made = merging.finish()
    kinds = [sample_from_bytes(row.payload).content.kind for row in made.rows]
    assert sorted(kinds) == ["feature", "service"]
    assert sum(row.seen for row in made.rows) == 9


def test_counts_on_the_edges_of_a_reference_are_kept() -> None:
    edges = (0.0, 1.0, 2.0)
    every = payloads(*(feature_sample([at / 10, 1.5], edges=edges) for at in range(10)))
    merging = Merging(STALE, {edges_id(edges): edges}.get)
    merging.add(every[:5])
    merging.add(every[5:])
    (row,) = merging.finish().rows
    content = sample_from_bytes(row.payload, {edges_id(edges): edges}.get).content
    assert content.numbers.binned.counts == (0, 10, 10, 0)  # type: ignore[attr-defined]


def test_pages_of_logged_cells_take_the_memory_of_a_few_and_give_the_bits_of_one_page() -> None:
    head = Head(Aggregation.SUM)
    tables = [
        Table.of(["user", "n"], [[f"user {at}", page / 3] for at in range(100)], head)
        for page in range(48)
    ]
    every = payloads(
        *(replace(feature_sample([]), summary="logged.t", content=table) for table in tables)
    )

    def paged(pages: int) -> RollUp:
        merging = Merging(STALE, no_edges)
        for payload in every[:pages]:
            merging.add([payload])
        return merging.finish()

    whole = Merging(STALE, no_edges)
    whole.add(every)
    assert paged(len(every)).rows == whole.finish().rows
    few = peak(lambda: paged(2))
    assert peak(lambda: paged(len(every))) < 4 * few
