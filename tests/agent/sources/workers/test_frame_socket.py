"""The loop that serves every worker: fair, bounded, and at rest where nothing happens."""

import logging
import os
import resource
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.caller import Caller, HeldEngine, batch, hello

from nilometer import ConfigError
from nilometer.testing import SteppedClock, eventually
from nilometer.wire.frames import (
    HEAD_BYTES,
    MAX_FRAME_BYTES,
    Acknowledged,
    Kind,
    Why,
    frame_of,
)
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.workers import frame_socket
from nilometer_agent.sources.workers.connection import Connection
from nilometer_agent.sources.workers.frame_socket import MAX_WORKERS, FrameSocket
from nilometer_agent.sources.workers.memory import MAX_LARGE_BYTES
from nilometer_agent.sources.workers.registry import Workers


class Rig:
    """A served socket with a clock that is stepped and an engine that waits for the test."""

    def __init__(self, home: Path) -> None:
        self.path = home / "agent.sock.frames"
        self.clock = SteppedClock()
        self.engine = HeldEngine()
        self.counters = Counters()
        self.workers = Workers(self.clock)
        self.served = FrameSocket(self.path, self.engine, self.workers, self.counters, self.clock)

    def call(self, worker: bytes = b"w" * 16) -> Caller:
        return Caller(self.path, worker)

    def count(self, counter: Counter) -> int:
        return self.counters.snapshot().get(counter.value, 0)

    def stop(self, seconds: float = 5.0) -> None:
        self.served.stop(time.monotonic() + seconds)


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(frame_socket, "TICK_SECONDS", 0.05)  # so that a stepped clock is looked at
    one = Rig(tmp_path_factory.mktemp("a"))
    one.served.start()
    yield one
    one.engine.commit()
    one.stop()
    assert not one.served._thread.is_alive()


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]


# Many workers


def test_two_hundred_workers_are_served_by_one_thread(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("a")
    agent = Agent(AgentSettings(directory=str(home), collector="", commit_seconds=0.05))
    agent.start()
    names = [index.to_bytes(16, "big") for index in range(1, 201)]
    try:
        before = threading.active_count()
        with ExitStack() as open_:
            callers = [
                open_.enter_context(Caller(home / "agent.sock.frames", name)) for name in names
            ]
            for caller in callers:
                caller.say(hello(caller.worker), *(batch(n, caller.worker) for n in range(1, 6)))
            for caller in callers:
                caller.hear()  # the welcome
                caller.hear_acknowledged(5)
            assert threading.active_count() <= before
            assert agent.status().workers == [name.hex() for name in names]
            assert agent.counters.snapshot()["batches"] == 1000
        eventually(lambda: len(agent.workers) == 0)
    finally:
        agent.stop()


def test_one_worker_too_many_is_told_why_and_has_its_turn_when_another_leaves(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.engine.commits_at_once = True
    with ExitStack() as open_:
        callers = [open_.enter_context(rig.call()).greet() for _ in range(MAX_WORKERS)]
        for _ in range(20):
            with rig.call() as late:
                refused = late.hear_refused()
                assert refused.why == Why.FULL
                assert "256 workers" in refused.reason
        assert rig.count(Counter.WORKERS_REFUSED) == 20
        assert len(refusals(caplog)) == 1  # in a minute
        assert "256 workers" in refusals(caplog)[0]
        callers[0].say(batch(1)).hear_acknowledged(1)  # the others are served all the while
        callers[1].socket.close()
        eventually(lambda: len(rig.workers) == MAX_WORKERS - 1)
        with rig.call() as late:
            late.greet()


def test_the_thousandth_worker_is_refused_too(rig: Rig) -> None:
    with ExitStack() as open_:
        for _ in range(MAX_WORKERS):
            open_.enter_context(rig.call()).greet()
        for _ in range(1000 - MAX_WORKERS - 1):
            late = rig.call()
            late.socket.close()  # without a look at the answer
        with rig.call() as thousandth:
            assert thousandth.hear_refused().why == Why.FULL
        assert rig.count(Counter.WORKERS_REFUSED) == 1000 - MAX_WORKERS
        assert len(rig.workers) == MAX_WORKERS


def test_a_foreign_user_is_not_heard(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("nilometer.handoff.peer.peer_uid", lambda _: 4_000_000)
    with rig.call() as foreign:
        with suppress(OSError):
            foreign.say(hello())
        assert foreign.hears_the_end()
    assert "uid 4000000" in refusals(caplog)[0]
    assert rig.count(Counter.WORKERS_REFUSED) == 1
    assert rig.engine.taken == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_worker_of_another_user_is_not_heard_for_real() -> None:
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        rig = Rig(Path(home))
        rig.served.start()
        rig.path.chmod(0o666)
        child = os.fork()
        if not child:  # only system calls from here
            os._exit(_heard_as(65534, rig.path))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert rig.count(Counter.WORKERS_REFUSED) == 1
        rig.stop()


def _heard_as(uid: int, path: Path) -> int:
    """Bytes that a worker of *uid* is told; 255 where it could not even connect."""
    os.setuid(uid)
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.settimeout(60.0)
        try:
            foreign.connect(str(path))
        except OSError:
            return 255
        try:
            foreign.send(frame_of(hello()))
            return len(foreign.recv(100))
        except OSError:
            return 0


# Workers that break the contract


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5000, bytes(100), frame_of(batch(1))], ids=len
)
def test_garbage_ends_its_own_connection_only(
    rig: Rig, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    rig.engine.commits_at_once = True
    with rig.call() as good:
        good.greet()
        for _ in range(5):
            with rig.call() as bad:
                with suppress(OSError):
                    bad.say_bytes(said)
                assert bad.hear_refused().why == Why.CONTRACT
        good.say(batch(1)).hear_acknowledged(1)
    assert rig.engine.refusals == 5
    assert len(refusals(caplog)) == 1
    eventually(lambda: len(rig.workers) == 0)


def test_who_says_nothing_is_asked_to_leave(rig: Rig) -> None:
    with rig.call() as silent, rig.call() as slow, rig.call() as good:
        good.greet()
        slow.say_bytes(bytes(frame_of(hello()))[:3])
        eventually(lambda: len(rig.workers) == 3)
        rig.clock.step(4.9)
        good.say(batch(1))
        eventually(lambda: rig.engine.taken)
        assert len(rig.workers) == 3
        rig.clock.step(0.2)
        assert "no hello within 5 s" in silent.hear_refused().reason
        assert "no hello within 5 s" in slow.hear_refused().reason
        rig.clock.step(1000.0)  # one that said hello may rest
        good.say(batch(2))
        eventually(lambda: rig.engine.sequences == [1, 2])


@pytest.mark.parametrize("end", [1, HEAD_BYTES, HEAD_BYTES + 20])
def test_half_a_frame_and_silence_is_refused_after_ten_seconds(rig: Rig, end: int) -> None:
    with rig.call() as half:
        half.greet()
        half.say(batch(1))
        half.say_bytes(bytes(frame_of(batch(2, size=100_000))[:end]))
        eventually(lambda: not _only(rig).between_frames)
        rig.clock.step(9.9)
        rig.engine.commit()
        half.hear_acknowledged(1)
        rig.clock.step(0.2)
        assert "not complete within 10 s" in half.hear_refused().reason
    assert rig.engine.sequences == [1]
    eventually(lambda: len(rig.workers) == 0)


def test_a_failure_of_ours_acknowledges_no_batch_that_was_not_taken(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(one: object) -> str:
        if getattr(one, "sequence", 0) == 2:
            raise RuntimeError("ours")
        return ""

    monkeypatch.setattr("nilometer_agent.sources.workers.connection.problem_of", broken)
    rig.engine.commits_at_once = True
    with rig.call() as unlucky, rig.call(b"o" * 16) as other:
        unlucky.greet().say(batch(1), batch(2), batch(3))
        unlucky.hear_acknowledged(1)
        assert unlucky.hears_the_end()
        other.greet().say(batch(1, other.worker)).hear_acknowledged(1)
    assert rig.engine.sequences == [1, 1]
    assert any(record.exc_info for record in caplog.records)


# Memory and room


def test_workers_that_announce_much_hold_a_budget_and_up_no_other(rig: Rig) -> None:
    rig.engine.commits_at_once = True
    head = (MAX_FRAME_BYTES).to_bytes(4, "little") + bytes([Kind.BATCH])
    memory = rig.served._memory
    with ExitStack() as open_:
        greedy = [open_.enter_context(rig.call()).greet() for _ in range(64)]
        for one in greedy:
            one.say_bytes(head)
        eventually(lambda: len(rig.served._in_need) == 64 - MAX_LARGE_BYTES // (4 << 20))
        assert memory.held == MAX_LARGE_BYTES - 3  # the kind is in the head
        for worker in (b"1" * 16, b"2" * 16, b"3" * 16):
            with rig.call(worker) as modest:
                modest.greet()
                for sequence in range(1, 6):
                    modest.say(batch(sequence, worker, size=128 << 10))
                    modest.hear_acknowledged(sequence)
        assert memory.held == MAX_LARGE_BYTES - 3
        rig.clock.step(10.1)  # those that hold memory are refused, and the next have their turn
        eventually(lambda: rig.engine.refusals == 3)
        eventually(lambda: memory.held == MAX_LARGE_BYTES - 3)
    eventually(lambda: memory.held == 0)
    eventually(lambda: len(rig.workers) == 0)


def test_an_engine_without_room_holds_the_loop_up_for_nobody(rig: Rig) -> None:
    rig.engine.room = 3
    with rig.call() as busy, rig.call(b"o" * 16) as other:
        busy.greet().say(*(batch(sequence) for sequence in range(1, 8)))
        eventually(lambda: rig.engine.sequences == [1, 2, 3])
        other.greet()  # it is welcomed all the same
        with rig.call() as bad:
            bad.say_bytes(b"\xff" * 10)
            assert bad.hear_refused().why == Why.CONTRACT
        other.say(batch(1, other.worker))
        eventually(lambda: len(rig.served._in_need) == 2)
        taken: list[int] = []
        while len(rig.engine.taken) < 8:
            rig.engine.commit()
            taken.append(len(rig.engine.taken))
            time.sleep(0.001)
        rig.engine.commit()
        busy.hear_acknowledged(7)
        other.hear_acknowledged(1)
    assert sorted(rig.engine.sequences) == [1, 1, 2, 3, 4, 5, 6, 7]


def test_who_leaves_in_need_leaves_nothing_behind(rig: Rig) -> None:
    rig.engine.room = 1
    with rig.call() as leaving:
        leaving.greet().say(batch(1), batch(2, size=1000))
        eventually(lambda: rig.served._in_need)
        assert rig.served._memory.held > 1000
    rig.engine.commit()  # there is nobody left to tell
    eventually(lambda: len(rig.workers) == 0)
    assert not rig.served._in_need
    assert rig.served._memory.held == 0


def test_an_agent_ends_in_time_while_its_engine_has_no_room(rig: Rig) -> None:
    rig.engine.room = 0
    with rig.call() as waiting:
        waiting.greet().say(batch(1))
        eventually(lambda: rig.served._in_need)
        rig.stop()
        assert not rig.served._thread.is_alive()
        assert waiting.hears_the_end()  # without an acknowledgement: it will come again


def test_a_worker_that_never_reads_holds_up_nobody_and_spins_nothing(rig: Rig) -> None:
    rig.engine.commits_at_once = True
    with rig.call() as deaf, rig.call(b"o" * 16) as good:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.socket.settimeout(0.5)
        sequence = 0
        _small_buffers(rig)
        while not any(one.wants_to_write for one in rig.served._connections):
            sequence += 1
            deaf.say(hello() if sequence == 1 else batch(sequence - 1))
        for _ in range(500):
            sequence += 1
            deaf.say(batch(sequence - 1))
        good.greet().say(batch(1, good.worker)).hear_acknowledged(1)
        assert max(len(one._out) for one in rig.served._connections) < 100
        assert _turns_a_second(rig) < 60
        deaf.socket.settimeout(60.0)
        deaf.hear()
        deaf.hear_acknowledged(sequence - 1)


def test_nothing_spins_whatever_a_connection_waits_for(rig: Rig) -> None:
    """An idle one, half a frame, a half-closed one whose batch is not committed, one in need."""
    with rig.call() as idle, rig.call() as half, rig.call() as closing, rig.call() as gone:
        idle.greet()
        half.greet().say_bytes(b"\xff\0\0")
        closing.greet().say(batch(1))
        closing.socket.shutdown(socket.SHUT_WR)
        gone.greet().say(batch(1))
        gone.socket.close()
        eventually(lambda: rig.engine.wishes == 2)
        assert _turns_a_second(rig) < 60  # one a tick of a twentieth
        rig.engine.room = 0
        idle.say(batch(2))
        eventually(lambda: rig.served._in_need)
        assert _turns_a_second(rig) < 150  # one each fiftieth
        rig.engine.commit()
        closing.hear_acknowledged(1)
        assert closing.hears_the_end()


def test_what_an_ended_worker_sent_is_not_waited_for_without_end(rig: Rig) -> None:
    with rig.call() as closing:
        closing.greet().say(batch(1))
        closing.socket.shutdown(socket.SHUT_WR)
        eventually(lambda: rig.engine.wishes == 1)
        rig.clock.step(59.0)
        assert _turns_a_second(rig) > 0
        assert len(rig.workers) == 1
        rig.clock.step(2.0)
        assert closing.hears_the_end()
    eventually(lambda: len(rig.workers) == 0)


# Descriptors

EXHAUSTED = """
import logging, os, resource, socket, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from support.caller import Caller, HeldEngine, batch, hello
from support.fake_agent import read_body
from nilometer.testing import eventually
from nilometer.wire.frames import Welcome, frame_of
from nilometer.values.clock import SystemClock
from nilometer_agent.measure.counters import Counters
from nilometer_agent.sources.workers.frame_socket import FrameSocket
from nilometer_agent.sources.workers.registry import Workers

lines = []
class Kept(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
logging.getLogger("nilometer.agent").addHandler(Kept())

path, clock = Path({path!r}), SystemClock()
served = FrameSocket(path, HeldEngine(commits_at_once=True), Workers(clock), Counters(), clock)
served.start()
first = Caller(path).greet()
waiting = [socket.socket(socket.AF_UNIX) for _ in range(6)]
used = len(os.listdir("/proc/self/fd"))  # one more than before: that of the listing
resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, used + 1))
for one in waiting:  # two of them can be accepted
    one.connect(str(path))
eventually(lambda: lines)
started, turns, turn = time.monotonic(), [], served._turn
served._turn = lambda: (turns.append(1), turn())
first.say(batch(1)).hear_acknowledged(1)
time.sleep(0.5)
first.say(batch(2)).hear_acknowledged(2)
assert len(turns) < 40 * (time.monotonic() - started), len(turns)
assert len(lines) == 1 and "Too many open files" in lines[0], lines
for _ in range(3):
    waiting.pop().close()
for one in waiting:
    one.settimeout(60.0)
    one.sendall(frame_of(hello()))
    assert read_body(one) == Welcome(1)
assert len(lines) == 1, lines
served.stop(time.monotonic() + 5)
print("served")
"""


def test_without_descriptors_workers_wait_and_are_served_afterwards(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("a") / "agent.sock.frames"
    tests = str(Path(__file__).parents[3])
    script = EXHAUSTED.format(path=str(path), tests=tests)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "served\n", done.stderr


def test_no_descriptor_is_left_behind(rig: Rig) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with rig.call() as one:
        one.greet()
    eventually(lambda: len(rig.workers) == 0)
    before = descriptors()
    for said in (b"", b"\xff" * 10, frame_of(hello()), frame_of(hello()) + b"\x90\0\0\0"):
        for _ in range(10):
            with rig.call() as caller:
                caller.say_bytes(bytes(said))
    eventually(lambda: len(rig.workers) == 0 and descriptors() <= before)


# The file, the start and the end


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_only_this_user_may_open_the_socket_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    one = Rig(tmp_path)
    previous = os.umask(mask)
    try:
        one.served.start()
        found = stat.S_IMODE(one.path.stat().st_mode)
        assert os.umask(mask) == mask  # put back
    finally:
        os.umask(previous)
        one.stop()
    assert found == 0o600


def test_a_socket_that_was_replaced_is_its_successors(rig: Rig) -> None:
    with rig.call() as early:
        early.greet()
        rig.path.unlink()
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(rig.path))
            successor.listen(1)
            early.say(batch(1))  # the connection goes on
            eventually(lambda: rig.engine.taken)
            rig.engine.commit()
            early.hear_acknowledged(1)
            rig.stop()
            assert rig.path.exists()
            with socket.socket(socket.AF_UNIX) as later:
                later.connect(str(rig.path))


def test_the_file_is_gone_after_the_end(rig: Rig) -> None:
    rig.stop()
    assert not rig.path.exists()
    rig.stop()  # safe twice


def test_what_was_left_of_an_agent_that_was_killed_is_replaced(tmp_path: Path) -> None:
    one = Rig(tmp_path)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(one.path))
    one.served.start()
    with one.call() as caller:
        caller.greet()
    one.stop()


def test_the_end_before_the_start_is_safe(tmp_path: Path) -> None:
    one = Rig(tmp_path)
    one.stop()
    one.stop()


def test_a_path_that_cannot_be_bound_is_an_error_of_settings(tmp_path: Path) -> None:
    one = Rig(tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"agent\.sock\.frames"):
        one.served.start()
    one.stop()


def test_the_end_acknowledges_what_is_committed_and_reads_nothing_more(rig: Rig) -> None:
    with rig.call() as caller:
        caller.greet().say(batch(1))
        eventually(lambda: rig.engine.sequences == [1])
        ender = threading.Thread(target=rig.stop)
        ender.start()
        eventually(lambda: rig.engine.wishes)
        with suppress(OSError):
            caller.say(batch(2))
        rig.engine.commit()
        assert caller.hear() == Acknowledged(1)
        assert caller.hears_the_end()
        ender.join(60)
    assert rig.engine.sequences == [1]


def test_the_end_does_not_wait_beyond_its_time(rig: Rig) -> None:
    with rig.call() as caller:
        caller.greet().say(batch(1))
        eventually(lambda: rig.engine.taken)
        started = time.monotonic()
        rig.stop(0.3)
        assert time.monotonic() - started >= 0.2
        rig.clock.step(1.0)  # its own time is up, too
        assert caller.hears_the_end()
        eventually(lambda: not rig.served._thread.is_alive())


def _only(rig: Rig) -> Connection:
    (one,) = list(rig.served._connections)
    return one


def _small_buffers(rig: Rig) -> None:
    eventually(lambda: rig.served._connections)
    for one in list(rig.served._connections):
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)


def _turns_a_second(rig: Rig) -> float:
    """Turns of the loop while nothing new happens. One that spins makes thousands."""
    found = 0
    turn = rig.served._turn

    def counted() -> None:
        nonlocal found
        found += 1
        turn()

    rig.served._turn = counted  # type: ignore[method-assign]
    started = time.monotonic()
    time.sleep(0.4)
    rig.served._turn = turn  # type: ignore[method-assign]
    return found / (time.monotonic() - started)


@pytest.fixture(autouse=True)
def enough_descriptors() -> Iterator[None]:
    """For both ends of some hundred connections in one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2048:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="nilometer.agent")
