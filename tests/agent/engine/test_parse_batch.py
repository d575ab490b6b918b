"""Bad input at the worker socket gets a clear reply and affects no other worker."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.measures import effort

from nilometer.handoff.link import RETRY_SECONDS, AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import pack
from nilometer.testing import SteppedClock, eventually
from nilometer.v1.summary_pb2 import SummarySample
from nilometer.wire import lean
from nilometer.wire.frames import Batch
from nilometer.wire.samples import samples_to_bytes
from nilometer.wire.services import (
    CHANNEL_OPTIONS,
    CaptureAcknowledgement,
    CaptureBatch,
    agent_stub,
)
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.engine.parse_batch import Refusal, parse_batch
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.workers.service import MAX_UNREAD_ANSWERS, Stream
from nilometer_agent.uplink.plan import PlanKeeper

OBSERVATION: dict[str, Any] = {
    "arrival_ns": 1_700_000_000_000_000_000,
    "latency": 0.01,
    "status": 200,
    "outcome": "ok",
    "method": "POST",
    "path": "/predict",
    "request_size": 13,
    "response_size": 14,
    "request_type": "application/json",
    "request_encoding": "",
    "response_type": "application/json",
    "response_encoding": "",
    "request_body": b'{"amount": 1}',
    "response_body": b'{"score": 0.5}',
    "event_time": "",
    "in_flight": 1,
    "first_byte": 0.0,
    "chunks": 1,
}
ALIKE = 40  # observations of one kind, which are read a column at a time


def observations(count: int = 1, **changed: Any) -> bytes:
    return pack([tuple({**OBSERVATION, **changed}.values())] * count)


def message(sequence: int = 1, **changed: Any) -> CaptureBatch:
    """A batch as a gRPC client sends it."""
    return CaptureBatch(**_fields(sequence, changed))


def batch(sequence: int = 1, **changed: Any) -> Batch:
    return Batch(**_fields(sequence, changed))


def _fields(sequence: int, changed: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "worker": b"w" * 16,
        "sequence": sequence,
        "entity": "tested",
        "observations": observations(),
        "count": 1,
    }
    return {**whole, **changed}


# What is refused before it is taken


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"worker": b""}, "worker has 0 bytes"),
        ({"worker": b"x" * 65}, "worker has 65 bytes"),
        ({"sequence": 0}, "sequence must count"),
        ({"sequence": (1 << 64) - 1}, "sequence must count"),
        ({"entity": ""}, "entity = ''"),
        ({"entity": "../etc/passwd"}, "entity = "),
        ({"labels": {"A b": "c"}}, "label key 'A b'"),
        ({"labels": {"a": "c" * 257}}, "over 256 bytes"),
        ({"labels": {f"a{n}": "c" for n in range(65)}}, "65 labels: at most 64"),
        ({"dropped": {"queue_full": (1 << 64) - 1}}, "dropped: over"),
        ({"dropped": {"queue_full": 1}, "dropped_unix_nano": (1 << 64) - 1}, "dropped_unix_nano"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_the_reason(
    changed: dict[str, Any], said: str
) -> None:
    refused = parse_batch(message(**changed).SerializeToString())
    assert isinstance(refused, Refusal)
    assert said in refused.reason


def test_what_keeps_it_is_taken_and_unknown_fields_are_no_harm() -> None:
    content = message().SerializeToString()
    assert parse_batch(content) == batch(partials=[])
    later = content + b"\xfa\x3f\x03new" + b"\x80\x40\x07"  # fields of a newer worker
    read = parse_batch(later)
    assert isinstance(read, Batch)
    assert (read.worker, read.sequence, read.observations) == (b"w" * 16, 1, observations())


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 100,
        message().SerializeToString()[:-3],
        b"\x1a\x02\xff\xfe",
        b"\x0b" * 200 + b"\x0c" * 200,
    ],
    ids=["garbage", "cut", "no text", "nested"],
)
def test_what_is_no_batch_is_refused(content: bytes) -> None:
    refused = parse_batch(content)
    assert isinstance(refused, Refusal)


def nested_flood(messages: int) -> bytes:
    """One partial profile that holds empty messages, deep inside."""
    flood = b"\x12\x00" * messages  # Scores.classes
    wrapped = SummarySample(entity="tested", summary="output.score").SerializeToString()
    number = SummarySample.DESCRIPTOR.fields_by_name["scores"].number
    wrapped += _field(number, flood)
    return message().SerializeToString() + _field(7, wrapped)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


MOST_EFFORT = 100.0  # about half a second of a machine of 2024


@pytest.mark.parametrize(
    "content",
    [b"\x3a\x00" * 1_900_000, nested_flood(1_900_000), b"\x3b\x3a\x00\x3c" * 900_000],
    ids=["partials", "nested", "groups"],
)
def test_millions_of_empty_messages_are_refused_before_they_are_parsed(content: bytes) -> None:
    refused = parse_batch(content)
    assert isinstance(refused, Refusal)
    assert "a batch may hold 100000 messages" in refused.reason
    # It looks at no more than are allowed.
    assert effort(lambda: parse_batch(content), MOST_EFFORT) <= MOST_EFFORT


def test_a_flood_below_the_limit_is_taken_and_one_above_is_not() -> None:
    # The partial and its scores are messages, too.
    assert isinstance(parse_batch(nested_flood(lean.MAX_MESSAGES - 2)), Batch)
    assert isinstance(parse_batch(nested_flood(lean.MAX_MESSAGES - 1)), Refusal)


@given(content=st.binary(max_size=300), at=st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise(content: bytes, at: int) -> None:
    whole = message().SerializeToString()
    spoilt = whole[:at] + content + whole[at:]
    assert isinstance(parse_batch(spoilt), Batch | Refusal)
    # The count of messages never raises, and is never over where the parser finds few.
    assert lean.is_lean(spoilt, CaptureBatch, uncounted=0)


# What is inside of a batch


class Rig:
    """An engine whose steps are called, not run."""

    def __init__(self, directory: Path) -> None:
        self.buffer = Buffer(directory / "agent.db", max_bytes=4 << 20)
        self.counters = Counters()
        self.acknowledged: list[int] = []
        self.workers = itertools.count()
        self.engine = Engine(
            AgentSettings(collector=""),
            self.buffer,
            PlanKeeper(self.buffer, None),
            self.counters,
            SteppedClock(),
        )

    def give(self, one: Batch) -> None:
        one.worker = next(self.workers).to_bytes(16, "big")
        self.engine._item = Arrival(one, self.acknowledged.append)
        self.engine._step()

    def commit(self) -> None:
        self.engine._item = Arrival(None, lambda _: None)
        self.engine._step()

    def goes_on_after(self, bad: Batch) -> Counter[str]:
        """Take *bad*, then a good batch of another worker: both are acknowledged and accounted.

        Returns:
            What was counted meanwhile.
        """
        self.acknowledged.clear()
        before = Counter(self.counters.snapshot())
        self.give(bad)
        self.give(batch(2))
        self.commit()
        assert self.acknowledged == [1, 2]
        self.engine._close_all()
        assert not self.engine._closer.open
        counted = Counter(self.counters.snapshot()) - before
        assert counted["observations"] == bad.count + 1
        assert counted["observations"] == (
            counted["profiled"] + counted["undecodable"] + counted["dropped"]
        )
        return counted


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    one = Rig(tmp_path_factory.mktemp("r"))
    yield one
    one.buffer.close()


@pytest.mark.parametrize("count", [1, ALIKE])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("arrival_ns", (1 << 64) - 1),
        ("arrival_ns", (1 << 63) - 1),
        ("arrival_ns", -1),
        ("arrival_ns", 1.5),
        ("latency", float("nan")),
        ("latency", float("inf")),
        ("latency", -1.0),
        ("status", 1 << 40),
        ("status", -1),
        ("status", "200"),
        ("request_size", -1),
        ("response_size", (1 << 64) - 1),
        ("request_body", 5),
        ("response_body", ["x"]),
        ("in_flight", (1 << 64) - 1),
        ("in_flight", "many"),
        ("outcome", None),
    ],
)
def test_a_number_that_no_row_can_hold_stops_nobody_elses_commit(
    rig: Rig, field: str, value: object, count: int
) -> None:
    bad = batch(observations=observations(count, **{field: value}), count=count)
    counted = rig.goes_on_after(bad)
    assert (counted["malformed_batches"], counted["dropped"]) == (1, count)


@pytest.mark.parametrize(
    "packed",
    [b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff", b"\x90garbage", b"\x91\xc0", b"\xc1"],
    ids=["nested", "lying length", "more after the end", "no row", "no type"],
)
def test_bytes_that_are_no_observations_are_booked(rig: Rig, packed: bytes) -> None:
    counted = rig.goes_on_after(batch(observations=packed))
    assert (counted["malformed_batches"], counted["dropped"]) == (1, 1)


@pytest.mark.parametrize(
    "partial",
    [
        SummarySample(),
        SummarySample(entity="tested", summary="service", window_start_unix_nano=5),
        SummarySample(
            entity="tested",
            summary="service",
            window_start_unix_nano=(1 << 63) - 60_000_000_000,
            window_end_unix_nano=(1 << 63) - 1,
            service={"outcomes": {"ok": 1}},
            coverage={"profiled": 1},
        ),
        SummarySample(
            entity="tested",
            summary="service",
            window_start_unix_nano=0,
            window_end_unix_nano=60_000_000_000,
            service={"outcomes": {"ok": 1 << 60}},
            coverage={"profiled": 1 << 60},
        ),
    ],
    ids=["empty", "no content", "far future", "too many"],
)
def test_a_partial_that_no_row_can_hold_is_booked(rig: Rig, partial: SummarySample) -> None:
    counted = rig.goes_on_after(batch(observations=b"", partials=[partial.SerializeToString()]))
    assert (counted["malformed_batches"], counted["dropped"]) == (1, 1)


def test_a_profile_that_cannot_be_encoded_is_booked_and_the_rest_is_stored(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Counter(rig.counters.snapshot())
    rig.acknowledged.clear()
    rig.give(batch(1))
    rig.give(batch(1, entity="other"))

    def refuses(samples: Any) -> bytes:
        if samples[0].entity == "tested" and samples[0].coverage.profiled:
            raise ValueError("Value out of range")
        return samples_to_bytes(samples)

    monkeypatch.setattr("nilometer_agent.engine.commit.samples_to_bytes", refuses)
    rig.commit()
    assert rig.acknowledged == [1, 1]
    counted = Counter(rig.counters.snapshot()) - before
    assert (counted["observations"], counted["profiled"], counted["dropped"]) == (2, 1, 1)
    assert len(rig.buffer.open_windows()) == 2


# Over the socket


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    home = tmp_path_factory.mktemp("a")
    one = Agent(AgentSettings(directory=str(home), collector="", commit_seconds=0.02))
    one.start()
    yield one
    one.stop()


def channel_to(agent: Agent) -> grpc.Channel:
    return grpc.insecure_channel(f"unix:{agent.settings.socket_path}", options=CHANNEL_OPTIONS)


def raw(content: bytes) -> bytes:
    return content


def exchanged(agent: Agent, contents: Sequence[bytes]) -> list[CaptureAcknowledgement]:
    """Send messages in one stream; the answers until the agent ends it."""
    with channel_to(agent) as channel:
        call = channel.stream_stream(
            "/nilometer.v1.AgentService/Capture", raw, CaptureAcknowledgement.FromString
        )
        return list(call(iter(contents), timeout=60))


def test_a_refused_batch_is_answered_and_the_stream_goes_on(agent: Agent) -> None:
    given_ = [message(1), message(2), message(3, entity="no name"), message(4)]
    answers = exchanged(agent, [one.SerializeToString() for one in given_])
    (refused,) = [at for at, answer in enumerate(answers) if answer.HasField("refusal")]
    assert answers[refused].sequence == 0  # a client of an older contract takes it for nothing
    assert answers[refused].refusal.sequence == 3
    assert "entity = 'no name'" in answers[refused].refusal.reason
    committed = [answer.sequence for answer in answers]
    assert max(committed) == committed[-1] == 4
    assert max(committed[:refused], default=0) <= 2  # it is known before a later batch covers it
    status = agent.status()
    assert status.counters["refused_batches"] == 1
    assert status.counters["observations"] == 3


def test_a_refused_batch_is_answered_as_the_last_one_too(agent: Agent) -> None:
    (answer,) = exchanged(agent, [message(7, worker=b"").SerializeToString()])
    assert answer.refusal.sequence == 7


def test_a_batch_of_too_many_messages_is_refused_alone(agent: Agent) -> None:
    flood = nested_flood(lean.MAX_MESSAGES)
    answers = exchanged(agent, [flood, message(2).SerializeToString()])
    assert [answer.refusal.sequence for answer in answers if answer.HasField("refusal")] == [1]
    assert answers[-1].sequence == 2


def test_a_message_that_is_no_batch_ends_the_stream_after_what_came_before(agent: Agent) -> None:
    with channel_to(agent) as channel:
        call = channel.stream_stream(
            "/nilometer.v1.AgentService/Capture", raw, CaptureAcknowledgement.FromString
        )
        contents = [message(1).SerializeToString(), b"\xff" * 9, message(2).SerializeToString()]
        found: list[int] = []
        with pytest.raises(grpc.RpcError) as refused:
            found.extend(answer.sequence for answer in call(iter(contents), timeout=30))
    assert found == [1]
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details()


def test_refusals_that_nobody_reads_are_bounded(agent: Agent) -> None:
    stream = Stream(agent.engine, lambda _: None)
    refusals = (Refusal("why", at) for at in range(1, 10 * MAX_UNREAD_ANSWERS))
    stream.read(refusals)
    assert stream.refused == "the worker does not read its refusals"
    refused = [answer.refusal.sequence for answer in stream.answers()]
    assert refused == list(range(1, MAX_UNREAD_ANSWERS + 1))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff" * 1000, grpc.StatusCode.INVALID_ARGUMENT),
        (b"\x3a\x00" * 1_900_000, grpc.StatusCode.INVALID_ARGUMENT),
        (bytes(5 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
    ids=["garbage", "flood", "oversized"],
)
def test_hostile_messages_end_their_own_stream_only(
    agent: Agent, content: bytes, code: grpc.StatusCode
) -> None:
    with channel_to(agent) as channel:
        call = channel.stream_stream(
            "/nilometer.v1.AgentService/Capture", raw, CaptureAcknowledgement.FromString
        )
        before = agent.gauges()["resident_bytes"]
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as refused:
                list(call(iter([content]), timeout=60))
            assert refused.value.code() is code
        assert agent.gauges()["resident_bytes"] - before < 48 << 20
        answers = agent_stub(channel).Capture(iter([message(1)]), timeout=60)
        assert [answer.sequence for answer in answers] == [1]


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(agent: Agent) -> None:
    with channel_to(agent) as channel:
        call = channel.stream_stream(
            "/nilometer.v1.AgentService/Capture", raw, CaptureAcknowledgement.FromString
        )
        bomb = bytes(48 << 20)  # fifty thousand bytes on the wire
        with pytest.raises(grpc.RpcError) as refused:
            list(call(iter([bomb]), timeout=60, compression=grpc.Compression.Gzip))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_worker_that_is_refused_tells_why_and_does_not_hammer(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    settings_ = CaptureSettings(entity="tested", agent=f"unix:{agent.settings.socket_path}")
    link = AgentLink(settings_, b"")  # a name that no agent takes
    link.send(batch(1), 1)
    started = time.monotonic()

    def refused_thrice() -> bool:
        link.poll()
        return link.reconnects == 3

    eventually(refused_thrice)
    assert time.monotonic() - started >= sum(RETRY_SECONDS[:2])
    assert any("malformed hello frame" in r.getMessage() for r in caplog.records)
    assert link.unacknowledged == 1
    assert link.finish(time.monotonic() + 1.0) == 1
