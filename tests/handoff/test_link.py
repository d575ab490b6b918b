"""A worker loses nothing if its agent dies, refuses, hangs, or has an older version."""

import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from support.fake_agent import FakeAgent, close, read_body
from support.listener import Listener, say

from nilometer import ConfigError
from nilometer.handoff import link as module
from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings, frame_socket
from nilometer.profiling.observation import pack
from nilometer.testing import SteppedClock, eventually
from nilometer.values.once import OnceEvery
from nilometer.wire.frames import (
    MAX_FRAME_BYTES,
    Acknowledged,
    Batch,
    Hello,
    Refused,
    Why,
    frame_of,
)
from nilometer.wire.services import StatusReply, StatusRequest, agent_stub
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings

ROW = (
    *(1_700_000_000_000_000_000, 0.01, 200, "ok", "POST", "/predict", 13, 2),
    *("application/json", "", "application/json", "", b'{"amount": 1}', b"{}", ""),
)


def batch(count: int = 1) -> Batch:
    return Batch(entity="tested", observations=pack([ROW] * count), count=count)


def link_to(home: Path, worker: bytes = b"w" * 16) -> AgentLink:
    return AgentLink(CaptureSettings(entity="tested", agent=f"unix:{home / 'agent.sock'}"), worker)


def poll_until(link: AgentLink, condition: object, timeout: float = 60.0) -> None:
    assert callable(condition)

    def met() -> bool:
        link.poll()
        return bool(condition())

    eventually(met, timeout, poll=0.005)


def finish(link: AgentLink) -> int:
    return link.finish(time.monotonic() + 5.0)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a")


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="nilometer.capture")


def told(caplog: pytest.LogCaptureFixture, home: Path) -> list[str]:
    """Return the lines about the agent in *home*; a thread of another test may still log."""
    lines = [one.getMessage() for one in caplog.records if one.name == "nilometer.capture"]
    return [line for line in lines if "agent.sock" not in line or str(home) in line]


# Agents that hang


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppedClock:
    """What the link's waits are measured by."""
    one = SteppedClock(seconds=1000.0)
    monkeypatch.setattr(module, "time", one)
    return one


def test_a_listener_that_never_reads_is_left_after_a_while_and_nothing_is_lost(
    home: Path,
    clock: SteppedClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    link = link_to(home)
    with Listener(home / "agent.sock.frames"):
        link.poll()
        for _ in range(3):
            link.send(batch(2), 2)
        for reconnects in (1, 2, 3):
            clock.step(module.STALL_SECONDS - 0.01)
            link.poll()
            assert link.reconnects == reconnects - 1
            clock.step(0.02)
            link.poll()
            assert link.reconnects == reconnects
            clock.step(1.0)
            link.poll()  # it connects again
            assert link._stream is not None
        assert (link.unacknowledged, link.unacknowledged_batches) == (6, 3)
        assert told(caplog, home) == [
            f"nilometer: the agent at {home / 'agent.sock'} is gone: no answer for 10 s: see the agent's log"
        ]
    monkeypatch.undo()
    frame_socket(home / "agent.sock").unlink()
    agent = FakeAgent(home / "agent.sock")
    link._retry_at = 0.0
    poll_until(link, lambda: not link.unacknowledged)
    assert len(agent.observations) == 6
    finish(link)
    agent.stop()


def test_an_agent_that_welcomes_and_takes_nothing_is_left_too(
    home: Path, clock: SteppedClock
) -> None:
    link = link_to(home)
    with Listener(home / "agent.sock.frames") as listener:
        link.poll()
        first = listener.welcome()
        link.send(batch(), 1)
        link.poll()
        assert isinstance(read_body(first), Batch)
        clock.step(module.STALL_SECONDS + 0.1)
        link.poll()
        assert link.reconnects == 1
        clock.step(1.0)
        link.poll()
        again = listener.welcome()
        link.poll()
        assert isinstance(read_body(again), Batch)  # the same, once more
        say(again, Acknowledged(1))
        link.poll()
        assert not link.unacknowledged
        finish(link)


def test_an_idle_link_is_kept_however_long_nothing_is_acknowledged(
    home: Path, clock: SteppedClock
) -> None:
    link = link_to(home)
    with Listener(home / "agent.sock.frames") as listener:
        link.poll()
        agent = listener.welcome()
        link.poll()
        clock.step(1000.0)
        link.poll()
        link.send(batch(), 1)
        link.poll()
        assert link.reconnects == 0
        assert isinstance(read_body(agent), Batch)
        say(agent, Acknowledged(1))
        link.poll()
        assert not link.unacknowledged
        finish(link)


# Agents that refuse


@contextmanager
def refusing(path: Path, *refusals: Refused) -> Iterator[None]:
    """Refuses each connection, with *refusals* in turn."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)

    def serve() -> None:
        turn = 0
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError):
                    connection.sendall(frame_of(refusals[turn % len(refusals)]))
                connection.close()
                turn += 1

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        close(listener)
        thread.join(60)


@pytest.mark.parametrize("why", list(Why))
def test_a_refusal_is_logged_once_with_its_reason_and_asked_about_again(
    home: Path, why: Why, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.01,))
    link = link_to(home)
    link.send(batch(3), 3)
    with refusing(home / "agent.sock.frames", Refused(why, "no more")):
        poll_until(link, lambda: link.reconnects == 10)
        assert told(caplog, home) == [
            f"nilometer: the agent at {home / 'agent.sock'} refused this process: no more"
        ]
        assert finish(link) == 3


def test_reasons_that_take_turns_are_logged_once_each(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.01,))
    link = link_to(home)
    refusals = [Refused(Why.FULL, "full"), Refused(Why.CONTRACT, "bad"), Refused(9, "tomorrow")]
    with refusing(home / "agent.sock.frames", *refusals):
        poll_until(link, lambda: link.reconnects == 12)
    refused = f"nilometer: the agent at {home / 'agent.sock'} refused this process: "
    assert sorted(told(caplog, home)) == [refused + why for why in ("bad", "full", "tomorrow")]
    link._log._once = OnceEvery(0.0)
    with suppress(FileNotFoundError):
        frame_socket(home / "agent.sock").unlink()
    link._retry_at = 0.0
    link.poll()
    link._retry_at = 0.0
    link.poll()
    assert len(told(caplog, home)) == 5  # after a minute, again
    finish(link)


def test_a_refused_worker_waits_longer_each_time(home: Path, clock: SteppedClock) -> None:
    link = link_to(home)
    waits: list[float] = []
    with refusing(home / "agent.sock.frames", Refused(Why.FULL, "full")):
        for refusal in range(1, 7):
            while link.reconnects < refusal:
                link.poll()
            waits.append(round(link._retry_at - clock.seconds, 3))
            clock.seconds = link._retry_at
    assert waits == [0.1, 0.2, 0.4, 1.0, 1.0, 1.0]
    finish(link)


def test_an_agent_that_runs_as_somebody_else_is_told_nothing_and_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("nilometer.handoff.peer.peer_uid", lambda _: 4_000_000)
    link = link_to(home)
    with Listener(home / "agent.sock.frames") as listener:
        link.send(batch(), 1)
        link.poll()
        link._retry_at = 0.0
        link.poll()
        assert listener.take().recv(1) == b""
    (line,) = told(caplog, home)
    assert "is not trusted" in line
    assert "uid 4000000" in line
    assert "allowed_uids" in line
    assert finish(link) == 1


# Batches that are refused


@pytest.mark.parametrize(
    "bad", [{"entity": "no name"}, {"labels": {f"n{n}": "x" for n in range(65)}}]
)
def test_a_batch_that_is_refused_is_dropped_and_counted_and_all_others_pass(
    home: Path, bad: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(AgentSettings(directory=str(home), collector="", commit_seconds=0.02))
    agent.start()
    link = link_to(home)
    link.send(batch(2), 2)
    against = batch(3)
    for name, value in bad.items():
        setattr(against, name, value)
    against.dropped = {"queue_full": 4}
    link.send(against, 3)
    link.send(batch(5), 5)
    poll_until(link, lambda: not link.unacknowledged_batches)
    assert finish(link) == 0
    assert link.reconnects == 0
    counted = agent.status()
    assert dict(counted.dropped) == {"refused": 3, "queue_full": 4}
    assert counted.counters["profiled"] == 7
    assert counted.counters["refused_batches"] == 1
    (line,) = told(caplog, home)
    assert line.startswith("nilometer: observations dropped: the agent at ")
    assert "refused their batch: " in line
    agent.stop()


class OlderAgent(FakeAgent):
    """Ends each connection that brings batch 2, and does not name it."""

    def _take(self, batch: Batch) -> None:
        if batch.sequence == 2:
            self.connections[-1].sendall(frame_of(Refused(Why.CONTRACT, "it is bad")))
            raise ConnectionResetError
        super()._take(batch)


def test_a_batch_that_an_older_agent_refuses_is_dropped_after_three_connections(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.01,))
    agent = OlderAgent(home / "agent.sock")
    link = link_to(home)
    for count in (1, 3, 5):
        link.send(batch(count), count)
    poll_until(link, lambda: not link.unacknowledged_batches)
    assert link.reconnects == module.REFUSALS
    assert len(agent.observations) == 6
    assert agent.dropped == {"refused": 3}
    finish(link)
    agent.stop()


def test_an_account_that_is_refused_is_not_sent_again(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    link = link_to(home)
    link.send(batch(3), 3)
    link._drop(1, "bad")
    assert (link.unacknowledged, link.unacknowledged_batches) == (3, 1)
    link._drop(2, "bad, too")
    assert (link.unacknowledged, link.unacknowledged_batches) == (0, 0)
    assert "bad, too" in told(caplog, home)[-1]


# Agents that die


NEVER_COMMITS = """
import time
from nilometer_agent.engine.commit import Committer
Committer.commit = lambda *_: time.sleep(60)
"""


class AgentProcess:
    """A real agent in a process of its own, that is killed."""

    def __init__(self, home: Path, *, commits: bool) -> None:
        self.socket = home / "agent.sock"
        script = "import runpy; runpy.run_module('nilometer_agent', run_name='__main__')"
        before = "" if commits else NEVER_COMMITS
        self._process = subprocess.Popen(
            [sys.executable, "-c", before + script, "--directory", str(home)],
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(self.answers)
        except BaseException:
            self.kill()
            raise

    def answers(self) -> bool:
        with suppress(grpc.RpcError):
            self.status()
            return True
        return False

    def status(self) -> StatusReply:
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            reply: StatusReply = agent_stub(channel).Status(StatusRequest(), timeout=60)
            return reply

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)


@pytest.mark.parametrize("commits", [False, True], ids=["before its commit", "after its commit"])
def test_an_agent_that_dies_before_it_acknowledges_loses_and_doubles_nothing(
    home: Path, *, commits: bool
) -> None:
    link = link_to(home)
    killed = AgentProcess(home, commits=commits)
    try:
        poll_until(link, lambda: link._stream is not None and link._stream._version)
        for _ in range(5):
            link.send(batch(2), 2)

        def received() -> bool:  # the link is not tended: it hears no acknowledgement
            status = killed.status()
            if commits:
                return status.counters["observations"] == 10
            return status.gauges["batches_uncommitted"] == 5

        eventually(received)
    finally:
        killed.kill()
    if commits:  # an acknowledgement that never came
        assert link._stream is not None
        link._stream.close()
    again = Agent(AgentSettings(directory=str(home), collector="", commit_seconds=0.02))
    again.start()
    try:
        link.send(batch(1), 1)
        poll_until(link, lambda: not link.unacknowledged)
        counted = again.status().counters
        assert counted["observations"] + counted["observations_found"] == 11
        assert counted["batches_repeated"] == (5 if commits else 0)
        assert link.reconnects == 1
    finally:
        finish(link)
        again.stop()


def test_a_socket_that_is_replaced_is_gone_to_when_the_first_agent_ends(home: Path) -> None:
    link = link_to(home)
    first = FakeAgent(home / "agent.sock")
    link.send(batch(1), 1)
    poll_until(link, lambda: not link.unacknowledged)
    first.path.unlink()
    second = FakeAgent(home / "agent.sock")
    link.send(batch(2), 2)
    poll_until(link, lambda: not link.unacknowledged)
    assert (len(first.observations), len(second.observations)) == (3, 0)  # it goes on
    first.stop()
    link.send(batch(4), 4)
    poll_until(link, lambda: not link.unacknowledged)
    assert (len(first.observations), len(second.observations)) == (3, 4)
    assert link.reconnects == 1
    finish(link)
    second.stop()


def test_a_worker_keeps_what_an_agent_took_in_halves(home: Path) -> None:
    """The agent dies in the middle of a large frame; the next one gets all of it."""
    link = link_to(home)
    with Listener(home / "agent.sock.frames") as listener:
        link.poll()
        agent = listener.welcome()
        link.poll()
        large = Batch(entity="tested", observations=bytes(3 << 20), count=1)
        link.send(large, 1)
        link.send(batch(2), 2)
        assert agent.recv(100_000)
    frame_socket(home / "agent.sock").unlink()
    with Listener(home / "agent.sock.frames") as listener:
        poll_until(link, lambda: link._stream is not None and not link._stream.broken)
        bodies: list[object] = []

        def serve() -> None:
            agent = listener.welcome()
            bodies.extend(read_body(agent) for _ in range(2))
            say(agent, Acknowledged(2))

        serving = threading.Thread(target=serve)
        serving.start()
        poll_until(link, lambda: not link.unacknowledged)
        serving.join(60)
        finish(link)
    assert [one.sequence for one in bodies if isinstance(one, Batch)] == [1, 2]
    assert isinstance(bodies[0], Batch)
    assert bodies[0].observations == bytes(3 << 20)


def test_a_batch_over_the_limit_of_a_frame_is_booked_as_lost(home: Path) -> None:
    link = link_to(home)
    agent = FakeAgent(home / "agent.sock")
    link.send(Batch(entity="tested", observations=bytes(MAX_FRAME_BYTES), count=7), 7)
    link.send(batch(2), 2)
    poll_until(link, lambda: not link.unacknowledged)
    assert len(agent.observations) == 2
    assert agent.dropped == {"batch_too_large": 7}
    finish(link)
    agent.stop()


# Paths and versions


@pytest.mark.parametrize("name", ["a", "ä"])
def test_a_path_that_the_kernel_does_not_take_is_an_error_that_tells_the_limit(name: str) -> None:
    path = "/tmp/" + name * 100
    with pytest.raises(ConfigError, match="at most 100 bytes"):
        CaptureSettings(entity="tested", agent=f"unix:{path}")
    with pytest.raises(ConfigError, match="at most 100 bytes"):
        CaptureSettings(entity="tested", directory=path)
    with pytest.raises(ConfigError, match="at most 100 bytes"):
        AgentSettings(collector="", socket=path)


def test_the_longest_path_works(home: Path) -> None:
    directory = home / ("x" * (100 - len(str(home)) - len("//agent.sock")))
    directory.mkdir()
    assert len(str(frame_socket(directory / "agent.sock"))) == 107
    agent = Agent(AgentSettings(directory=str(directory), collector="", commit_seconds=0.02))
    agent.start()
    link = link_to(directory)
    link.send(batch(), 1)
    poll_until(link, lambda: not link.unacknowledged)
    finish(link)
    agent.stop()


@pytest.mark.parametrize("auto", [False, True])
def test_an_agent_of_yesterday_is_named_as_such_and_none_is_started_beside_it(
    home: Path, *, auto: bool, caplog: pytest.LogCaptureFixture
) -> None:
    at = {"directory": str(home)} if auto else {"agent": f"unix:{home / 'agent.sock'}"}
    link = AgentLink(CaptureSettings(entity="tested", **at), b"w" * 16)  # type: ignore[arg-type]
    with Listener(home / "agent.sock"):
        for _ in range(3):
            link._retry_at = 0.0
            link.poll()
        (line,) = told(caplog, home)
        assert line.endswith("it is older than this middleware: update the agent")
        assert str(home / "agent.sock") in line
        assert link._spawner is None or not link._spawner.starting


def test_what_is_left_of_an_agent_is_no_agent_of_yesterday(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Listener(home / "agent.sock"):
        pass
    link_to(home).poll()
    (line,) = told(caplog, home)
    assert line.startswith("nilometer: no agent is reachable at ")
    assert "nothing listens there: start `nilometer agent" in line


def test_an_agent_of_today_is_never_taken_for_one_of_yesterday(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.0,))
    link = link_to(home)
    over = threading.Event()

    def poll() -> None:
        while not over.is_set():
            link.poll()
            time.sleep(0.0005)

    polling = threading.Thread(target=poll)
    polling.start()
    try:
        for _ in range(3):
            agent = Agent(AgentSettings(directory=str(home), collector="", commit_seconds=0.02))
            agent.start()
            eventually(lambda: link._stream is not None)
            with grpc.insecure_channel(f"unix:{home / 'agent.sock'}") as channel:
                grpc.channel_ready_future(channel).result(60)
                agent.stop()
    finally:
        over.set()
        polling.join(60)
    assert [line for line in told(caplog, home) if "older" in line] == []
    finish(link)


def test_a_worker_of_tomorrow_is_refused_in_words(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(AgentSettings(directory=str(home), collector="", commit_seconds=0.02))
    agent.start()
    monkeypatch.setattr("nilometer.handoff.stream.OLDEST_VERSION", 2)
    monkeypatch.setattr("nilometer.handoff.stream.NEWEST_VERSION", 3)
    link = link_to(home)
    link.send(batch(), 1)
    poll_until(link, lambda: link.reconnects == 2)
    (line,) = told(caplog, home)
    assert "refused this process: this agent does not support frame versions 2 to 3" in line
    assert agent.status().counters["workers_refused"] >= 2
    monkeypatch.undo()
    poll_until(link, lambda: not link.unacknowledged)  # the same batch, in a version that is known
    finish(link)
    agent.stop()


def test_hello_names_the_process(home: Path) -> None:
    link = link_to(home, b"n" * 16)
    with Listener(home / "agent.sock.frames") as listener:
        link.poll()
        said = read_body(listener.take())
        assert isinstance(said, Hello)
        assert said.worker == b"n" * 16
    finish(link)
