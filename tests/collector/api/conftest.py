"""A collector with data of each resource, for tests that only read."""

from collections.abc import Iterator

import pytest
from support.problems import ALERTER

from nilometer.batch.reference_upload import put_reference
from nilometer.testing import SteppedClock, amounts
from nilometer_collector.testing import (
    Running,
    a_reference,
    an_evaluation,
    feature_sample,
    running,
    service_sample,
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """For tests that only read."""
    with running(tmp_path_factory.mktemp("filled") / "collector.db", SteppedClock()) as served:
        put_reference(a_reference({"input.amount": amounts(200)}), served.collector.grpc_target)
        served.put_alerter(ALERTER).raise_for_status()
        contents = (feature_sample(amounts(50)), service_sample([0.1, 0.2]), an_evaluation(0.5, 1))
        served.sender().ship(*contents)
        yield served
