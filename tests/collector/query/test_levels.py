"""Points come from the coarsest level that they are made of, and are those of the samples."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from support.rolling import DAY_NS, MINUTE_NS, Rolling
from support.shipping import a_sample_row, ship

from nilometer.testing import SteppedClock, amounts
from nilometer.values.labels import LabelFilter
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.query.query import Query
from nilometer_collector.query.records import SamplesQuestion
from nilometer_collector.query.series_records import (
    Measures,
    Point,
    Selection,
    SeriesAnswer,
    SeriesQuestion,
)
from nilometer_collector.store import Arrival, Level, Store
from nilometer_collector.testing import ENTITY, START_NS, feature_sample, minute

MEASURES = Measures(quantiles=(0.5,), moments=True)
HOUR_NS = Level.HOUR.length_ns


@pytest.fixture
def query(store: Store) -> Query:
    """Over an hour of minutes on each of three days, which are rolled up."""
    samples = [
        feature_sample(amounts(20, 60 * day + number), window=minute(1440 * day + number))
        for day in range(3)
        for number in range(60)
    ]
    ship(store, [Arrival(sequence=n, content=a_sample_row(s)) for n, s in enumerate(samples, 1)])
    Rolling(store).roll_up_all(START_NS + 30 * DAY_NS)
    return Query(store, SteppedClock())


def asked(
    query: Query,
    *,
    start_ns: int = 0,
    end_ns: int = LAST_NS,
    measures: Measures = MEASURES,
    **more: Any,
) -> SeriesAnswer:
    selection = Selection(
        entity=ENTITY,
        summaries=("input.amount",),
        labels=LabelFilter(),
        start_ns=start_ns,
        end_ns=end_ns,
    )
    return query.series(SeriesQuestion(selection=selection, measures=measures, **more))


def points(answer: SeriesAnswer) -> list[Point]:
    (series,) = answer.series
    return list(series.points)


@pytest.mark.parametrize(
    ("more", "levels", "count"),
    [
        ({}, {Level.DAY: 3}, 3600),
        ({"coarsest": Level.SHIPPED}, {Level.SHIPPED: 180}, 3600),
        ({"start_ns": START_NS + DAY_NS - HOUR_NS}, {Level.HOUR: 2, Level.DAY: 1}, 2400),
    ],
)
def test_the_coarsest_level_that_answers_is_read_and_named(
    query: Query, more: Mapping[str, Any], levels: Mapping[Level, int], count: int
) -> None:
    answer = asked(query, **more)
    (point,) = points(answer)
    assert answer.levels == levels
    assert (point.level, point.count) == (max(levels, key=lambda one: one.length_ns), count)


def test_what_a_coarse_window_holds_beyond_the_time_is_left_out(query: Query) -> None:
    answer = asked(query, start_ns=minute(7).start_ns, end_ns=minute(1440).end_ns)
    (point,) = points(answer)
    whole = np.concatenate([amounts(20, number) for number in range(7, 61)])
    assert point.count == whole.size
    assert point.moments is not None
    assert point.moments.mean == pytest.approx(whole.mean())
    assert point.quantiles[0] == pytest.approx(np.median(whole), rel=0.02)
    assert Level.SHIPPED in answer.levels


@pytest.mark.parametrize("level", [Level.FIVE_MINUTES, Level.HOUR, Level.DAY])
def test_points_of_a_step_are_those_of_samples(query: Query, level: Level) -> None:
    measures = Measures(quantiles=(0.5,), coverage=True)
    step: dict[str, Any] = {"step_ns": level.length_ns, "measures": measures}
    coarse, fine = asked(query, **step), asked(query, **step, coarsest=Level.SHIPPED)
    assert list(coarse.levels) == [level]
    assert list(fine.levels) == [Level.SHIPPED]
    for one, other in zip(points(coarse), points(fine), strict=True):
        assert (one.window, one.count, one.coverage) == (other.window, other.count, other.coverage)
        assert one.quantiles[0] == pytest.approx(other.quantiles[0], rel=0.02)


def test_windows_that_are_moved_off_the_levels_are_read_from_finer_ones(query: Query) -> None:
    moved = asked(query, step_ns=HOUR_NS, start_ns=START_NS, end_ns=START_NS + HOUR_NS)
    assert list(moved.levels) == [Level.HOUR]
    finer = asked(query, step_ns=HOUR_NS + 5 * MINUTE_NS)
    assert list(finer.levels) == [Level.FIVE_MINUTES]


def test_samples_of_a_step_come_from_roll_ups_too(query: Query) -> None:
    question = SamplesQuestion(entity=ENTITY, summary="input.amount", step_ns=DAY_NS)
    samples = [compared.sample for compared in query.samples(question).samples]
    assert [sample.content.count for sample in samples] == [1200, 1200, 1200]
    assert [sample.window.start_ns % DAY_NS for sample in samples] == [0, 0, 0]
