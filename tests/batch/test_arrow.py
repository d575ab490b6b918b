"""Columns of Arrow tables whose cells Python has no exact type for."""

import pyarrow as pa
import pytest

from nilometer.batch.profile import profile_of

AT_NS = 1_764_426_600_123_456_789


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_a_table_with_times_in_nanoseconds_is_profiled(zone: str | None) -> None:
    times = pa.array([AT_NS, AT_NS + 1], pa.timestamp("ns", zone))
    found = profile_of(pa.table({"t": times, "amount": [1.5, 2.5]}))
    assert found["input.amount"].numbers.count == 2
    assert found["input.t"].types == {"timestamp": 2}
    assert found["input.t.hour"].numbers.count == 2
