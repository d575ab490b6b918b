"""Messages in encoded bytes are counted before a parser makes objects of them."""

import pytest

from nilometer.profile import SummarySample
from nilometer.wire import lean
from nilometer.wire.lean import MAX_MESSAGES, is_lean
from nilometer.wire.samples import sample_to_wire
from nilometer.wire.services import Row, ShipRequest
from nilometer_collector.testing import feature_sample

SAMPLE: SummarySample = feature_sample([float(number % 97) for number in range(300)])
EMPTY_ROW = b"\x22\x00"
LONG_KEY = b"\xa2\x00\x00"  # the same row, with a key of two bytes


def test_a_usual_shipment_is_lean_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Row(sequence=at, sample=sample_to_wire(SAMPLE)) for at in range(1, 501)]
    content = ShipRequest(agent="pod-1", rows=rows).SerializeToString()
    monkeypatch.setattr(lean, "_messages", None)
    assert is_lean(content, ShipRequest)


@pytest.mark.parametrize("row", [EMPTY_ROW, LONG_KEY])
def test_too_many_messages_are_not_lean_however_they_are_encoded(row: bytes) -> None:
    assert ShipRequest.FromString(row).rows
    assert is_lean(row * MAX_MESSAGES, ShipRequest)
    assert not is_lean(row * (MAX_MESSAGES + 1), ShipRequest)


def test_messages_at_every_depth_count() -> None:
    one = Row(sequence=1, sample=sample_to_wire(SAMPLE)).SerializeToString()
    # Sample, coverage, feature, an entry of its types, numeric, moments, digest, histogram, buckets.
    assert lean._messages(one, Row, MAX_MESSAGES) == 9
    assert lean._most_messages(one, Row) >= 9
