"""What users log has the same bits at every level, in every store."""

import pytest
from support.rolling import DAY_NS, Rolling, merged, read
from support.shipping import a_sample_row, ship

from nilometer.profile import Coverage, SummarySample
from nilometer.profile.logged.amounts import Aggregation, Head, Stamp
from nilometer.profile.logged.number import Number
from nilometer.values.labels import Labels
from nilometer_collector.store import LEVELS, Arrival, Store
from nilometer_collector.testing import ENTITY, START_NS, minute

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
