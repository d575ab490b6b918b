"""What users log has the same bits at every level, in every store."""

from dataclasses import replace

import pytest
from support.rolling import DAY_NS, Rolling, merged, read
from support.shipping import a_sample_row, ship

from nilometer.profile import Coverage, SummarySample
from nilometer.profile.logged.amounts import Aggregation, Head, Stamp
from nilometer.profile.logged.number import Number
from nilometer.profile.logged.table import MAX_MERGED_ROWS, Table, Value
from nilometer.values.labels import Labels
from nilometer_collector.store import LEVELS, Arrival, Store
from nilometer_collector.testing import ENTITY, START_NS, minute

ROWS = 512  # rows of each logged table
VALUES = [1e16, 0.1, -1e16, 0.2, 1e-300, 3.0]


def logged(number: int, aggregation: Aggregation) -> SummarySample:
    window = minute(number * 40)
    head = Head(aggregation, "s", Stamp(window.end_ns, START_NS))
    return SummarySample(
        entity=ENTITY,
        summary="logged.wait",
        labels=Labels(),
        window=window,
        coverage=Coverage(profiled=1),
        content=Number.of(VALUES[number], head, number + 1),
    )


@pytest.mark.parametrize("aggregation", Aggregation)
def test_a_logged_number_is_the_same_at_every_level(store: Store, aggregation: Aggregation) -> None:
    samples = [logged(number, aggregation) for number in (3, 0, 5, 1, 4, 2)]
    for sequence, sample in enumerate(samples, 1):
        arrival = Arrival(sequence=sequence, content=a_sample_row(sample))
        ship(store, [arrival], now_ns=START_NS + sequence % 2 * DAY_NS)
    whole = Number.merge_all(
        sample.content for sample in samples if isinstance(sample.content, Number)
    )
    Rolling(store).roll_up_all(START_NS + 2 * DAY_NS)
    for level in LEVELS:
        assert merged(read(store, level)).content == whole


def test_a_table_that_outgrows_the_limit_is_whole_at_every_level(store: Store) -> None:
    tables = []
    for number in range(MAX_MERGED_ROWS // ROWS + 2):
        rows: list[tuple[Value, ...]] = [(f"user {number + at * 100}", 1.0) for at in range(ROWS)]
        table = Table.of(["user", "n"], rows, Head(Aggregation.SUM))
        sample = replace(logged(0, Aggregation.SUM), window=minute(number * 5), content=table)
        ship(store, [Arrival(sequence=number + 1, content=a_sample_row(sample))], now_ns=START_NS)
        tables.append(table)
    whole = Table.merge_all(tables)
    assert sum(float(row[1] or 0.0) for row in whole.rows) == len(tables) * ROWS
    Rolling(store).roll_up_all(START_NS + 2 * DAY_NS)
    for level in LEVELS:
        assert merged(read(store, level)).content == whole
