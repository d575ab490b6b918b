"""An agent drops only the poisonous part of a batch, reports it, and keeps its counts exact."""

import logging

import pytest

from nilometer.profiling.observation import pack, parts_of, unpack
from nilometer.wire.frames import Batch
from nilometer_agent.engine.poison import without_poison
from nilometer_agent.engine.trial import WHOLE

SECRET = b'{"name": "Alice", "rows": [[1, 2], [3]]}'
NOW_NS = 1_800_000_000_000_000_000


def row(at: int) -> tuple[object, ...]:
    return (
        *(1_700_000_000_000_000_000 + at, 0.01, 200, "ok", "POST", "/predict", len(SECRET), 2),
        *("application/json", "", "text/plain", "", SECRET, None, ""),
    )


def batch(count: int = 4) -> Batch:
    return Batch(
        worker=b"w",
        sequence=3,
        entity="tested",
        observations=pack([row(at) for at in range(count)]),
        count=count,
        dropped={"queue_full": 2},
    )


def test_parts_are_the_batch() -> None:
    parts = parts_of(batch().observations)
    assert [one for part in parts for one in unpack(part)] == unpack(batch().observations)
    assert [len(unpack(part)) for part in parts] == [1] * 4


def test_only_the_poison_goes_and_it_is_booked() -> None:
    given = batch()
    left = without_poison(given, [1, 3], NOW_NS)
    assert [one.arrival_ns % 10 for one in unpack(left.observations)] == [0, 2]
    assert (left.worker, left.sequence, left.count) == (b"w", 3, 2)
    assert left.dropped == {"queue_full": 2, "poison": 2}
    assert left.dropped_unix_nano == NOW_NS
    assert given == batch()


def test_without_poison_it_is_the_same_batch() -> None:
    given = batch()
    assert without_poison(given, [], NOW_NS) is given


def test_what_cannot_be_taken_apart_goes_as_a_whole() -> None:
    left = without_poison(batch(), [WHOLE], NOW_NS)
    assert (left.observations, left.count) == (b"", 0)
    assert left.dropped == {"queue_full": 2, "poison": 4}
    delta = Batch(worker=b"w", sequence=1, entity="tested", partials=[b"p", b"q"], count=7)
    left = without_poison(delta, [0], NOW_NS)
    assert (tuple(left.partials), left.count, left.dropped) == ((), 0, {"poison": 7})


def test_the_log_has_size_and_shape_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="nilometer.agent"):
        without_poison(batch(), [1], NOW_NS)
    (record,) = caplog.records
    line = record.getMessage()
    assert "entity tested" in line
    assert f"request_bytes {len(SECRET)}" in line
    assert "request_type application/json" in line
    assert "request_objects 1, request_lists 3, request_commas 3" in line
    assert "Alice" not in line
    assert "Alice" not in str(record.__dict__)
