"""One connection, stepped by hand: what it takes, what it refuses, and when it is over."""

import re
import socket
from collections.abc import Iterator

import msgspec
import pytest
from support.caller import WORKER, HeldEngine, batch, hello
from support.fake_agent import read_body

from nilometer.wire.frames import (
    HEAD_BYTES,
    MAX_COUNT,
    MAX_FRAME_BYTES,
    MAX_LABELS,
    NEWEST_VERSION,
    Acknowledged,
    Batch,
    Body,
    Hello,
    Refused,
    Welcome,
    Why,
    frame_of,
)
from nilometer_agent.sources.workers.connection import MAX_REASON, Connection, Step
from nilometer_agent.sources.workers.memory import MAX_LARGE_BYTES, FrameMemory


class Rig:
    """A connection, and the worker's end of it. `now` is stepped by the test."""

    def __init__(self) -> None:
        accepted, self.worker = socket.socketpair(socket.AF_UNIX)
        accepted.settimeout(0.0)
        self.worker.settimeout(60.0)
        self.engine = HeldEngine()
        self.memory = FrameMemory()
        self.told: list[Connection] = []
        self.now = 0.0
        self.connection = Connection(accepted, self.engine, self.memory, self.told.append, self.now)

    def step(self) -> Step:
        return self.connection.step

    def say(self, *bodies: Body) -> None:
        self.say_bytes(b"".join(frame_of(body) for body in bodies))

    def say_bytes(self, content: bytes) -> None:
        self.worker.sendall(content)
        self.connection.read(self.now)

    def hear(self) -> list[Body]:
        """Everything that was said until now."""
        self.connection.write()
        heard: list[Body] = []
        self.worker.settimeout(0.0)
        try:
            while (body := read_body(self.worker)) is not None:
                heard.append(body)
        except BlockingIOError:
            pass
        self.worker.settimeout(60.0)
        return heard


@pytest.fixture
def fresh() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.connection.close()
    rig.worker.close()


@pytest.fixture
def rig(fresh: Rig) -> Rig:
    """One that said hello."""
    fresh.say(hello())
    assert fresh.hear() == [Welcome(NEWEST_VERSION)]
    return fresh


def refusal(rig: Rig) -> Refused:
    (refused,) = rig.hear()
    assert isinstance(refused, Refused)
    assert rig.connection.refused == refused
    assert rig.step() is Step.ENDING
    assert rig.connection.over
    return refused


def test_batches_are_taken_and_acknowledged_when_they_are_committed(rig: Rig) -> None:
    rig.say(batch(1), batch(2), batch(3))
    assert rig.engine.sequences == [1, 2, 3]
    assert rig.hear() == []
    rig.engine.commit()
    assert rig.told == [rig.connection] * 3
    assert rig.hear() == [Acknowledged(3)]
    assert not rig.connection.over


def test_a_frame_may_come_byte_by_byte(fresh: Rig) -> None:
    for byte in frame_of(hello()) + frame_of(batch(1, size=10)):
        fresh.say_bytes(bytes([byte]))
    assert fresh.hear() == [Welcome(NEWEST_VERSION)]
    assert [one.observations for one in fresh.engine.taken] == [bytes(10)]
    assert fresh.connection.between_frames
    assert fresh.memory.held == 0


@pytest.mark.parametrize("newest", [NEWEST_VERSION, NEWEST_VERSION + 5])
def test_a_worker_of_today_or_tomorrow_is_welcomed_in_the_common_version(
    fresh: Rig, newest: int
) -> None:
    fresh.say(Hello(1, newest, WORKER))
    assert fresh.hear() == [Welcome(NEWEST_VERSION)]


def test_a_worker_without_a_common_version_is_told_which_is_spoken(fresh: Rig) -> None:
    fresh.say(Hello(2, 3, WORKER), batch(1))
    refused = refusal(fresh)
    assert refused.why == Why.VERSION
    assert "versions 2 to 3" in refused.reason
    assert fresh.engine.taken == []


OTHER = b"o" * 16
BREACHES: dict[str, tuple[list[Body | bytes], str]] = {
    "a batch before hello": ([batch(1)], "a batch frame was not expected"),
    "hello twice": ([hello(), hello()], "a hello frame was not expected"),
    "a batch of another worker": ([hello(), batch(1, OTHER)], "the batch names another worker"),
    "what an agent says": ([hello(), Acknowledged(1)], "an? acknowledged frame was not expected"),
    "a kind of tomorrow": ([hello(), b"\x02\0\0\0\x06\x90"], "a frame of kind 6"),
    "an endless frame": ([hello(), b"\xff\xff\xff\xff\x03"], "a frame of 4294967295 bytes"),
    "an endless hello": ([b"\xff" * 100], "a frame of 4294967295 bytes"),
    "an empty frame": ([hello(), b"\x01\0\0\0\x03"], "a frame of 1 bytes"),
    "HTTP": ([b"GET / HTTP/1.1\r\nHost: agent\r\n\r\n"], "a frame of 542393671 bytes"),
    "garbage in a batch": ([hello(), b"\x05\0\0\0\x03\xff\xff\xff\xff"], "malformed batch frame"),
    "no sequence": ([hello(), Batch(worker=WORKER, entity="tested")], "malformed batch frame"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_what_breaks_the_contract_is_refused_with_the_reason(fresh: Rig, breach: str) -> None:
    said, reason = BREACHES[breach]
    fresh.say_bytes(b"".join(one if isinstance(one, bytes) else frame_of(one) for one in said))
    fresh.say_bytes(bytes(frame_of(batch(9))))  # what comes after is not taken
    heard = [one for one in fresh.hear() if not isinstance(one, Welcome)]
    (refused,) = heard
    assert isinstance(refused, Refused)
    assert refused.why == Why.CONTRACT
    assert re.match(reason, refused.reason)
    assert fresh.engine.taken == []
    assert fresh.connection.over
    assert fresh.memory.held == 0


LABELS = {f"label{n}": "x" for n in range(MAX_LABELS + 1)}
BAD_BATCHES: dict[str, tuple[dict[str, object], str]] = {
    "an entity without a name": ({"entity": "no name"}, "entity = "),
    "too many labels": ({"labels": LABELS}, "malformed batch frame: "),
    "a count that no row holds": ({"count": MAX_COUNT + 1}, "malformed batch frame: "),
}


@pytest.mark.parametrize("bad", BAD_BATCHES)
def test_a_batch_against_the_contract_is_refused_and_its_worker_goes_on(rig: Rig, bad: str) -> None:
    fields, reason = BAD_BATCHES[bad]
    rig.say(batch(1), msgspec.structs.replace(batch(2), **fields), batch(3))
    assert rig.engine.sequences == [1, 3]
    rig.engine.commit()
    refused, acknowledged = rig.hear()  # in this order: the acknowledgement speaks for earlier ones
    assert isinstance(refused, Refused)
    assert (refused.why, refused.sequence) == (Why.CONTRACT, 2)
    assert refused.reason.startswith(reason)
    assert acknowledged == Acknowledged(3)
    assert [one.sequence for one in rig.connection.refused_batches] == [2]
    assert rig.connection.refused is None
    assert not rig.connection.over
    assert rig.memory.held == 0


def test_refusals_that_nobody_reads_end_the_connection(rig: Rig) -> None:
    for sequence in range(1, 5000):
        rig.say(batch(sequence, entity="no name"))
        if rig.step() is Step.ENDING:
            break
    assert rig.connection.refused is not None
    assert "does not read" in rig.connection.refused.reason


def test_a_reason_is_cut_to_what_a_log_line_takes(rig: Rig) -> None:
    rig.connection.refuse(Why.CONTRACT, "x" * 5000, rig.now)
    assert refusal(rig) == Refused(Why.CONTRACT, "x" * MAX_REASON)


def test_what_was_taken_before_a_breach_is_acknowledged_before_the_refusal(rig: Rig) -> None:
    rig.say(batch(1), batch(2), batch(3, OTHER), batch(4))
    assert rig.engine.sequences == [1, 2]
    assert rig.engine.wishes == 1
    assert rig.hear() == []
    assert not rig.connection.over
    rig.engine.commit()
    heard = rig.hear()
    assert heard[0] == Acknowledged(2)
    assert isinstance(heard[1], Refused)
    assert rig.connection.over


def test_a_worker_that_closes_its_side_hears_of_all_that_it_sent(rig: Rig) -> None:
    rig.say(batch(1))
    rig.worker.shutdown(socket.SHUT_WR)
    rig.connection.read(rig.now)
    assert rig.engine.wishes == 1  # commit now
    assert not rig.connection.over
    rig.engine.commit()
    assert rig.hear() == [Acknowledged(1)]
    assert rig.connection.over


def test_a_worker_that_leaves_in_the_middle_of_a_frame_leaves_nothing_behind(rig: Rig) -> None:
    rig.say_bytes(bytes(frame_of(batch(1, size=1000))[:500]))
    assert rig.memory.held > 0
    rig.worker.close()
    rig.connection.read(rig.now)
    assert rig.connection.over
    assert rig.engine.taken == []
    assert rig.memory.held == 0


def test_a_worker_that_is_gone_is_not_waited_for(rig: Rig) -> None:
    rig.say(batch(1))
    rig.worker.close()
    rig.connection.read(rig.now)
    assert not rig.connection.over
    rig.engine.commit()  # in the outbox all the same
    rig.connection.write()
    assert rig.connection.gone
    assert rig.connection.over


def test_acknowledgements_are_summed_up_while_the_worker_does_not_read(rig: Rig) -> None:
    rig.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sent = 0
    while not rig.connection.wants_to_write:
        sent += 1
        rig.say(batch(sent))
        rig.engine.commit()
        rig.connection.write()
    for _ in range(1000):
        sent += 1
        rig.say(batch(sent))
        rig.engine.commit()
        rig.connection.write()
    assert len(rig.connection._out) <= 20
    heard: list[Body] = []
    while not heard or heard[-1] != Acknowledged(sent):
        heard += rig.hear()
    assert len(heard) < sent - 900


def test_a_batch_waits_for_the_engine_and_the_socket_is_not_read_meanwhile(rig: Rig) -> None:
    rig.engine.room = 2
    rig.say(batch(1), batch(2), batch(3, size=1000), batch(4))
    assert rig.step() is Step.NEEDS_ENGINE
    assert rig.connection.has_needs
    assert rig.memory.held > 1000  # it counts until the engine has it
    rig.connection.resume(rig.now)
    assert rig.engine.sequences == [1, 2]
    rig.engine.commit()
    assert rig.hear() == [Acknowledged(2)]
    rig.connection.resume(rig.now)
    assert rig.step() is Step.READING
    assert rig.memory.held == 0
    rig.connection.read(rig.now)
    rig.engine.commit()
    assert rig.engine.sequences == [1, 2, 3, 4]
    assert rig.hear() == [Acknowledged(4)]


def test_a_batch_that_waits_for_the_engine_at_the_end_is_not_acknowledged(rig: Rig) -> None:
    rig.engine.room = 1
    rig.say(batch(1), batch(2))
    rig.connection.end(rig.now)
    rig.engine.commit()
    rig.connection.resume(rig.now)
    assert rig.hear() == [Acknowledged(1)]
    assert rig.engine.sequences == [1]
    assert rig.connection.over
    assert rig.memory.held == 0


def test_a_frame_waits_for_memory_and_goes_on_where_it_was(rig: Rig) -> None:
    others = [object() for _ in range(MAX_LARGE_BYTES // (4 << 20))]
    for other in others:
        assert rig.memory.take(other, 4 << 20)
    frame = frame_of(batch(1, size=300_000))
    rig.say_bytes(bytes(frame[: HEAD_BYTES + 10]))
    assert rig.step() is Step.NEEDS_MEMORY
    rig.connection.resume(rig.now)
    assert rig.step() is Step.NEEDS_MEMORY
    rig.memory.give_back(others[0])
    rig.now = 50.0
    rig.connection.resume(rig.now)
    assert rig.step() is Step.READING
    assert rig.connection.since == 50.0  # the wait was not the worker's
    rest = memoryview(frame)[HEAD_BYTES + 10 :]
    for at in range(0, len(rest), 50_000):
        rig.say_bytes(bytes(rest[at : at + 50_000]))
    assert rig.engine.sequences == [1]
    assert rig.memory.held == 8 << 20


def test_the_largest_frame_is_taken(rig: Rig) -> None:
    least = len(frame_of(batch(1, size=1 << 20))) - (1 << 20) - 4
    frame = frame_of(batch(1, size=MAX_FRAME_BYTES - least))
    assert len(frame) == MAX_FRAME_BYTES + 4
    for at in range(0, len(frame), 100_000):
        rig.say_bytes(bytes(frame[at : at + 100_000]))
    assert rig.engine.sequences == [1]


def test_one_worker_is_not_read_for_ever_while_others_wait(rig: Rig) -> None:
    class Endless:
        """A worker that is always faster than its agent."""

        def __init__(self) -> None:
            self.frames = bytes(frame_of(batch(1, size=1000)))
            self.at = self.given = 0

        def recv_into(self, target: memoryview) -> int:
            came = min(len(target), len(self.frames) - self.at)
            target[:came] = self.frames[self.at : self.at + came]
            self.at = (self.at + came) % len(self.frames)
            self.given += came
            assert self.given < 10 << 20, "it is read for ever"
            return came

    endless, real = Endless(), rig.connection.socket
    rig.connection.socket = endless  # type: ignore[assignment]  # as far as it is read
    rig.engine.room = 1 << 30
    rig.connection.read(rig.now)
    rig.connection.socket = real
    assert 1 << 20 <= endless.given < 2 << 20


def test_the_time_of_a_frame_begins_with_its_first_byte(rig: Rig) -> None:
    rig.now = 30.0
    frame = bytes(frame_of(batch(1)))
    rig.say_bytes(frame[:1])
    assert (rig.connection.since, rig.connection.between_frames) == (30.0, False)
    rig.now = 35.0
    rig.say_bytes(frame[1:HEAD_BYTES])
    rig.now = 38.0
    rig.say_bytes(frame[HEAD_BYTES:-1])
    assert rig.connection.since == 30.0  # a trickle does not begin it anew
    rig.say_bytes(frame[-1:])
    assert rig.connection.between_frames


def test_the_time_of_the_hello_begins_with_the_connection(fresh: Rig) -> None:
    fresh.now = 4.0
    frame = bytes(frame_of(hello()))
    for byte in frame[:-1]:
        fresh.say_bytes(bytes([byte]))
    assert fresh.connection.since == 0.0
