"""The newest performance of an entity, for actions whose condition names a metric."""

import numpy as np
from support.shipping import a_sample_row, ship

from nilometer.profile import Coverage, SummarySample
from nilometer.profile.performance import binary
from nilometer.values.labels import Labels
from nilometer_collector.actions.performance import NewestPerformance
from nilometer_collector.store import Arrival, Store
from nilometer_collector.testing import ENTITY, feature_sample, minute


def judged(number: int, right: int) -> SummarySample:
    """Return the performance of ten rows in minute *number*, *right* of them correct."""
    truth = ["1", "0"] * 5
    scores = np.array([0.9, 0.1] * 5)
    scores[right:] = 1 - scores[right:]
    return SummarySample(
        entity=ENTITY,
        summary="logged.quality",
        labels=Labels(),
        window=minute(number),
        coverage=Coverage(profiled=10),
        content=binary(scores, truth),
    )


def test_the_newest_window_of_a_metric_is_read(store: Store) -> None:
    samples = [judged(1, 10), judged(2, 7), feature_sample([1.0], window=minute(3))]
    ship(
        store,
        [Arrival(sequence=at, content=a_sample_row(one)) for at, one in enumerate(samples, 1)],
    )
    performance = NewestPerformance(store)
    assert performance.of(ENTITY, {"accuracy_ratio", "nothing"}) == {"accuracy_ratio": 0.7}
    assert performance.of(ENTITY, set()) == {}
    assert performance.of("other", {"accuracy_ratio"}) == {}
