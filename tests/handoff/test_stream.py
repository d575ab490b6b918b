"""A worker's connection never blocks, loses no part of a frame, and survives a fork."""

import gc
import os
import resource
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.fake_agent import read_body, read_exactly
from support.listener import Listener, is_at_its_end, say

from nilometer.handoff import stream as module
from nilometer.handoff.peer import ForeignPeer, check_peer, peer_uid
from nilometer.handoff.stream import MAX_ANSWER_BYTES, Stream
from nilometer.testing import eventually
from nilometer.wire.frames import (
    HEAD_BYTES,
    NEWEST_VERSION,
    OLDEST_VERSION,
    Acknowledged,
    Batch,
    Body,
    Hello,
    Refused,
    Welcome,
    Why,
    frame_of,
)

WORKER = b"w" * 16
NOBODY = 65534


def frame(sequence: int, size: int = 0) -> bytearray:
    return frame_of(
        Batch(worker=WORKER, sequence=sequence, entity="tested", observations=bytes(size))
    )


def sequence_of(body: Body | None) -> int:
    assert isinstance(body, Batch)
    return body.sequence


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with Listener(tmp_path / "agent.sock.frames") as one:
        yield one


@pytest.fixture
def stream(listener: Listener) -> Iterator[Stream]:
    one = Stream(listener.path, WORKER)
    yield one
    one.close()


@pytest.fixture
def welcomed(stream: Stream, listener: Listener) -> tuple[Stream, socket.socket]:
    agent = listener.welcome()
    stream.poll()
    return stream, agent


# Before the first batch


def test_no_batch_leaves_before_the_agent_has_told_its_version(
    stream: Stream, listener: Listener
) -> None:
    stream.send(frame(1))
    agent = listener.take()
    assert read_body(agent) == Hello(OLDEST_VERSION, NEWEST_VERSION, WORKER)
    agent.settimeout(0.05)
    with pytest.raises(TimeoutError):
        agent.recv(1)
    agent.settimeout(60.0)
    say(agent, Welcome(NEWEST_VERSION))
    stream.poll()
    assert sequence_of(read_body(agent)) == 1
    assert not stream.broken


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (frame_of(Welcome(NEWEST_VERSION + 1)), "version 2"),
        (frame_of(Welcome(1)) * 2, "welcome frame"),
        (bytes(range(256)) * 16, "a frame of 50462976 bytes"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a frame of 1347703880 bytes"),
        ((MAX_ANSWER_BYTES + 1).to_bytes(4, "little") + b"\x05", "a frame of 16385 bytes"),
        (b"\xff" * 5, "a frame of 4294967295 bytes"),
        (b"\x02\0\0\0\x63\x90", "a frame of kind 99"),
        (frame(1), "a batch frame"),
        (frame_of(Hello(1, 1, WORKER)), "a hello frame"),
    ],
    ids=["version", "twice", "noise", "http", "long", "endless", "kind", "batch", "hello"],
)
def test_an_agent_that_talks_nonsense_is_left(
    stream: Stream, listener: Listener, said: bytes, reason: str
) -> None:
    agent = listener.take()
    read_body(agent)
    agent.sendall(said)
    stream.poll()
    assert stream.broken
    assert reason in stream.reason
    assert stream.refused is None
    stream.send(frame(1))
    agent.settimeout(0.05)
    with pytest.raises(TimeoutError):
        agent.recv(1)


def test_an_agent_that_says_things_without_end_does_not_hold_the_thread(
    welcomed: tuple[Stream, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, _ = welcomed
    given = 0

    class Endless:
        def recv(self, size: int) -> bytes:
            nonlocal given
            given += 1
            assert given < 1000, "it is read for ever"
            return bytes(frame_of(Acknowledged(1))) * (size // 8)

        def close(self) -> None:
            pass

    real, stream._socket = stream._socket, Endless()  # type: ignore[assignment]
    stream.poll()
    assert given < 100
    assert not stream.broken
    stream._socket = real


@pytest.mark.parametrize("why", list(Why))
def test_a_refusal_is_kept_with_its_words(stream: Stream, listener: Listener, why: Why) -> None:
    agent = listener.take()
    say(agent, Refused(why, "because"))
    agent.close()  # with an unread hello: whoever writes after that has a broken pipe
    stream.send(frame(1))
    stream.poll()
    assert stream.broken
    assert (stream.refused, stream.reason) == (Refused(why, "because"), "because")


def test_a_refusal_that_came_before_the_hello_is_heard(tmp_path: Path) -> None:
    """An agent that is full closes before it has read anything."""
    with Listener(tmp_path / "s") as listener:

        def refuse() -> None:
            agent = listener.take()
            say(agent, Refused(Why.FULL, "full"))
            agent.close()

        answered = threading.Thread(target=refuse)
        answered.start()
        stream = Stream(listener.path, WORKER)
        answered.join()
        stream.poll()
        assert stream.refused == Refused(Why.FULL, "full")
        stream.close()


# Halves of frames


def small_buffer(stream: Stream) -> None:
    stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least there is


def test_a_listener_that_never_reads_never_blocks(stream: Stream) -> None:
    assert stream._socket.gettimeout() == 0.0
    small_buffer(stream)
    for sequence in range(1, 200):
        stream.send(frame(sequence, 100_000))
        stream.poll()
    stream.half_close()
    assert not stream.broken
    assert stream.acknowledged == 0


def test_an_agent_that_stops_reading_never_blocks(
    welcomed: tuple[Stream, socket.socket],
) -> None:
    stream, agent = welcomed
    small_buffer(stream)
    for sequence in range(1, 100):
        stream.send(frame(sequence, 100_000))
        stream.poll()
    assert not stream.broken
    say(agent, Acknowledged(3))  # it is heard all the same
    stream.poll()
    assert stream.acknowledged == 3


def test_frames_go_in_pieces_and_come_whole(welcomed: tuple[Stream, socket.socket]) -> None:
    stream, agent = welcomed
    small_buffer(stream)
    frames = [frame(sequence, 10_000 * sequence) for sequence in range(1, 6)]
    for one in frames:
        stream.send(one)
    stream.half_close()
    assert stream._outgoing
    came = bytearray()
    pieces = 0
    while piece := agent.recv(1000):
        came += piece
        pieces += 1
        stream.poll()
    assert pieces > 100
    assert came == b"".join(frames)
    assert not stream.broken


def test_a_reader_of_single_bytes_is_understood(stream: Stream, listener: Listener) -> None:
    agent = listener.take()
    answers = frame_of(Welcome(1)) + frame_of(Acknowledged(1)) + frame_of(Acknowledged(70_000))
    for byte in answers:
        agent.send(bytes([byte]))
        stream.poll()
    assert stream.acknowledged == 70_000
    assert not stream.broken


# Forks


def open_sockets() -> set[str]:
    found = set()
    for one in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(one.readlink()))
        except OSError:  # the listing's own
            continue
    return {target for target in found if target.startswith("socket:")}


def inode_of(connection: socket.socket) -> str:
    return str(Path(f"/proc/self/fd/{connection.fileno()}").readlink())


def in_a_child(check: Callable[[], bool]) -> None:
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_fork_between_two_halves_of_a_frame_leaves_it_whole(
    welcomed: tuple[Stream, socket.socket],
) -> None:
    stream, agent = welcomed
    small_buffer(stream)
    inode = inode_of(stream._socket)
    whole = frame(1, 100_000)
    stream.send(whole)
    assert 0 < len(stream._outgoing[0]) < len(whole)  # a half is on its way

    def writes_nothing() -> bool:
        held = inode in open_sockets()
        stream.poll()  # as a thread that does not know yet where it is
        stream.send(frame(2, 100))
        stream.half_close()
        stream.close()
        return not held

    came = bytearray(read_exactly(agent, 500) or b"")
    for _ in range(3):
        in_a_child(writes_nothing)
        came += read_exactly(agent, 1000) or b""
        stream.poll()
    while len(came) < len(whole):
        came += agent.recv(10_000)
        stream.poll()
    assert came == whole
    stream.send(frame(2))
    assert sequence_of(read_body(agent)) == 2
    assert not stream.broken


def test_an_agent_sees_that_a_worker_is_gone_while_its_child_lives(
    welcomed: tuple[Stream, socket.socket],
) -> None:
    stream, agent = welcomed
    wait, over = os.pipe()
    child = os.fork()
    if not child:
        os.close(over)
        os.read(wait, 1)
        os._exit(0)
    os.close(wait)
    try:
        stream.close()
        assert is_at_its_end(agent)
    finally:
        os.close(over)
        os.waitpid(child, 0)


def test_a_fork_waits_until_a_socket_that_is_being_made_is_known(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socket
    made, go_on = threading.Event(), threading.Event()
    inodes: list[str] = []

    def slowly(*kind: int) -> socket.socket:
        one = real(*kind)
        inodes.append(inode_of(one))
        made.set()
        go_on.wait(60)
        return one

    streams: list[Stream] = []
    monkeypatch.setattr("nilometer.handoff.stream.socket.socket", slowly)
    opening = threading.Thread(target=lambda: streams.append(Stream(listener.path, WORKER)))
    opening.start()
    assert made.wait(60)
    threading.Timer(0.1, go_on.set).start()
    in_a_child(lambda: inodes[0] not in open_sockets())
    opening.join(60)
    monkeypatch.undo()
    for stream in streams:
        stream.close()


def test_a_child_may_open_a_stream_of_its_own(stream: Stream, listener: Listener) -> None:
    def opens_one() -> bool:
        mine = Stream(listener.path, b"c" * 16)
        mine.close()
        return True

    in_a_child(opens_one)
    assert isinstance(read_body(listener.take()), Hello)
    child = listener.take()
    assert read_body(child) == Hello(OLDEST_VERSION, NEWEST_VERSION, b"c" * 16)
    assert is_at_its_end(child)
    assert not stream.broken


# The end


def test_after_the_half_close_everything_comes_and_answers_are_heard(
    welcomed: tuple[Stream, socket.socket],
) -> None:
    stream, agent = welcomed
    for sequence in (1, 2):
        stream.send(frame(sequence))
    stream.half_close()
    assert [sequence_of(read_body(agent)) for _ in range(2)] == [1, 2]
    assert is_at_its_end(agent)
    say(agent, Acknowledged(2))
    stream.poll()
    assert stream.acknowledged == 2
    assert not stream.broken


def test_what_was_acknowledged_before_the_end_counts(
    welcomed: tuple[Stream, socket.socket],
) -> None:
    stream, agent = welcomed
    stream.send(frame(1))
    stream.send(frame(2, 50_000))
    say(agent, Acknowledged(1))
    agent.close()  # with a batch that it has not read
    stream.send(frame(3))
    stream.poll()
    assert stream.broken
    assert stream.acknowledged == 1


def test_half_an_answer_and_the_end_is_no_answer(welcomed: tuple[Stream, socket.socket]) -> None:
    stream, agent = welcomed
    agent.sendall(frame_of(Acknowledged(1))[: HEAD_BYTES + 1])
    agent.close()
    stream.poll()
    stream.poll()  # the end is seen one turn after what came before it
    assert (stream.broken, stream.acknowledged) == (True, 0)
    assert stream.reason == "the agent closed the connection"


def test_closing_twice_is_safe_and_nothing_is_sent_after_it(stream: Stream) -> None:
    stream.close()
    stream.close()
    stream.send(frame(1))
    stream.poll()
    stream.half_close()
    assert stream.broken
    assert stream._socket not in module._open


def test_a_host_that_dies_of_sigpipe_does_not_die_of_an_agent_that_is_gone(
    welcomed: tuple[Stream, socket.socket],
) -> None:
    stream, agent = welcomed
    agent.close()
    killed: list[int] = []
    previous = signal.signal(signal.SIGPIPE, lambda number, _: killed.append(number))
    try:
        stream.send(frame(1))
    finally:
        signal.signal(signal.SIGPIPE, previous)
    assert killed == []
    assert stream.broken


# Who is at the other end


def test_a_foreign_agent_is_told_nothing(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nilometer.handoff.peer.peer_uid", lambda _: 4_000_000)
    with pytest.raises(ForeignPeer, match="uid 4000000"):
        Stream(listener.path, WORKER)
    assert is_at_its_end(listener.take())
    Stream(listener.path, WORKER, {4_000_000}).close()  # one that may run it
    monkeypatch.setattr("nilometer.handoff.peer.peer_uid", lambda _: None)
    Stream(listener.path, WORKER).close()  # a system that does not tell


def test_root_and_the_same_user_are_trusted_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_uid(one) == os.geteuid()
        check_peer(one, ())
        monkeypatch.setattr("nilometer.handoff.peer.peer_uid", lambda _: 1000)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        check_peer(one, ())
        monkeypatch.setattr(os, "geteuid", lambda: 2000)
        with pytest.raises(ForeignPeer, match="uid 1000: neither uid 2000"):
            check_peer(one, {3000})
        monkeypatch.setattr("nilometer.handoff.peer.peer_uid", lambda _: 0)
        check_peer(one, ())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_agent_of_another_user_is_told_nothing_for_real() -> None:
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o777)
        path = Path(home) / "s"
        child = os.fork()
        if not child:
            os._exit(_bytes_heard_as(NOBODY, path))
        eventually(path.exists)

        def connected() -> bool:
            try:
                Stream(path, WORKER)
            except ForeignPeer as error:
                assert f"uid {NOBODY}" in str(error)
                return True
            except OSError:  # it does not listen yet
                return False
            raise AssertionError("a foreign agent was trusted")

        eventually(connected)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _bytes_heard_as(uid: int, path: Path) -> int:
    os.setuid(uid)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(60.0)
        listener.bind(str(path))
        listener.listen(1)
        taken, _ = listener.accept()
        with taken:
            taken.settimeout(60.0)
            return len(taken.recv(100))


# Where nobody can be reached


def test_a_stream_that_cannot_be_opened_leaves_no_descriptor(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    gc.collect()
    before = descriptors()
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing", tmp_path / "file", tmp_path / ("x" * 200)):
        for _ in range(10):
            with pytest.raises(OSError, match=r"No such file|Connection refused|too long"):
                Stream(path, WORKER)
    assert descriptors() == before
    assert not module._open


def test_a_full_backlog_is_not_waited_for(tmp_path: Path) -> None:
    with Listener(tmp_path / "s", backlog=0) as listener, ExitStack() as open_:

        def open_many() -> None:
            for _ in range(1000):
                open_.callback(Stream(listener.path, WORKER).close)

        with pytest.raises(BlockingIOError):
            open_many()


def test_without_descriptors_the_error_says_so(listener: Listener) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(one.name) for one in Path("/proc/self/fd").iterdir()) + 1
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 2, hard))
    try:
        with suppress(OSError):
            held.extend(os.dup(0) for _ in range(10_000))
        with pytest.raises(OSError, match="Too many open files"):
            Stream(listener.path, WORKER)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in held:
            os.close(one)
    assert not module._open
    Stream(listener.path, WORKER).close()
