"""Fields that are found without a parser are those that protobuf finds, or the bytes are refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.v1 import summary_pb2 as pb
from nilometer.wire import scan
from nilometer.wire.scan import BYTES, FIXED64, VARINT, Messages, Places, Unscannable

MOMENTS = {1: VARINT, **dict.fromkeys(range(2, 6), FIXED64)}
floats = st.floats(allow_nan=False)
moments = st.builds(
    pb.Moments, count=st.integers(0, 2**48), mean=floats, m2=floats, m3=floats, m4=floats
)


@given(st.lists(moments, min_size=1, max_size=20))
def test_numbers_are_those_of_protobuf(messages: list[pb.Moments]) -> None:
    scanned = Messages([one.SerializeToString() for one in messages])
    numbers, _ = scanned.fields(scanned.whole, MOMENTS)
    assert numbers[1].tolist() == [one.count for one in messages]
    for field, name in ((2, "mean"), (3, "m2"), (4, "m3"), (5, "m4")):
        assert numbers[field].view(np.float64).tolist() == [getattr(m, name) for m in messages]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=300)), max_size=8))
def test_what_is_not_wanted_is_passed_over(label_sets: list[dict[str, str]]) -> None:
    messages = [
        pb.SummarySample(entity="e" * (200 * at), labels=labels, feature=pb.Feature(missing=at))
        for at, labels in enumerate([{}, *label_sets], 1)
    ]
    packed = [one.SerializeToString() for one in messages]
    scanned = Messages(packed)
    found = scanned.fields(scanned.whole, {7: BYTES}).places[7]
    assert scanned.texts(found) == [one.feature.SerializeToString() for one in messages]
    inner, _ = scanned.fields(found, {1: VARINT})
    assert inner[1].tolist() == [one.feature.missing for one in messages]


def test_absent_fields_are_nothing() -> None:
    scanned = Messages([b"", pb.TDigest(count=300).SerializeToString()])
    numbers, places = scanned.fields(scanned.whole, {2: VARINT, 3: FIXED64, 5: BYTES})
    assert (numbers[2].tolist(), numbers[3].tolist()) == ([0, 300], [0, 0])
    assert places[5].held.tolist() == [False, False]
    assert scanned.texts(places[5]) == [b"", b""]


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x10",  # a tag without its number
        b"\x10\x80",  # a cut number
        b"\x10" + b"\xff" * 9 + b"\x01",  # a number of ten bytes
        b"\x2a\x05abc",  # shorter than its length
        b"\x2a\xff\xff\xff\xff\xff\xff\x7f",  # a length beyond memory
        b"\x09\x00",  # half of a fixed number
        b"\x10\x01\x10\x02",  # twice, of which protobuf keeps the last
        b"\x12\x01a",  # of another type
        b"\x00",  # field 0
        b"\x82\x01\x00",  # field 16
        b"\x0b\x0c",  # a group
    ],
)
def test_what_only_a_parser_can_judge_is_refused(damaged: bytes) -> None:
    fine = pb.TDigest(count=1).SerializeToString()
    scanned = Messages([fine, damaged, fine])
    with pytest.raises(Unscannable):
        scanned.fields(scanned.whole, {1: FIXED64, 2: VARINT, 5: BYTES})


@given(st.binary(max_size=40), st.integers(0, 3))
def test_any_bytes_are_read_as_protobuf_reads_them_or_refused(raw: bytes, place: int) -> None:
    every = [b"", b"\x10\x05", b"\x10\x06"]
    every.insert(place, raw)
    scanned = Messages(every)
    try:
        numbers, places = scanned.fields(scanned.whole, {2: VARINT, 5: BYTES})
    except Unscannable:
        return
    parsed = [pb.TDigest.FromString(one) for one in every]
    assert numbers[2].tolist() == [one.count for one in parsed]
    assert scanned.texts(places[5]) == [one.means for one in parsed]


def test_messages_of_many_fields_are_refused_early(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    step = Messages._field

    def counted(self: Messages, kind: int, at: Any) -> Any:
        steps.append(kind)
        return step(self, kind, at)

    monkeypatch.setattr(Messages, "_field", counted)
    scanned = Messages([b"\x08\x01" * 10_000])
    with pytest.raises(Unscannable, match="many"):
        scanned.fields(scanned.whole, {2: VARINT})
    assert len(steps) == scan.MAX_STEPS


def test_places_can_be_a_part() -> None:
    scanned = Messages([b"\x10\x01", b"\x10\x02", b"\x10\x03"])
    starts, ends = scanned.whole
    numbers, _ = scanned.fields(Places(starts[1:], ends[1:]), {2: VARINT})
    assert numbers[2].tolist() == [2, 3]
