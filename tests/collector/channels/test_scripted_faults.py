"""A receiver that misbehaves in every known way: no message is lost, and each arrives with one key.

The receiver is a plain socket, so that it can do what no HTTP server does.
"""

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from support.shipping import Agents

from nilometer.testing import SteppedClock
from nilometer_collector.access.destinations import Allowed, Destination
from nilometer_collector.access.secret import Secret
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.channels import Courier, Outcome, post
from nilometer_collector.counters import Counters
from nilometer_collector.settings import OWN_CHANNEL
from nilometer_collector.store import Store
from nilometer_collector.testing import receivers_of

LIMIT_SECONDS = 1.0  # in place of 5 s
ANSWER_BYTES = 300 << 20
MOST_READ_BYTES = 8 << 20  # what the kernel buffers for a client that does not read
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Scripted:
    """A receiver that treats each request as the next fault says, and then well.

    Attributes:
        faults: Names of faults, in order.
        keys: Idempotency keys of all requests that it has read whole.
        accepted: Keys of those that it has processed.
        sent: Bytes of the longest answer that it could send.
    """

    url: str
    faults: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    sent: int = 0
    ending: threading.Event = field(default_factory=threading.Event)

    def serve(self, connection: socket.socket) -> None:
        """Read a request, and answer it as the next fault says."""
        fault = self.faults[0] if self.faults else "none"
        if fault == "reset before reading":
            del self.faults[0]
            _reset(connection)
            return
        key = _key_of_request(connection)
        del self.faults[:1]
        self.keys.append(key)
        answer = ANSWERS.get(fault, OK)
        if answer is OK:
            self.accepted.append(key)
        if fault in ENDS:
            ENDS[fault](connection)
        elif fault == "300 MB":
            self.sent = _long_answer(connection)
        else:
            connection.sendall(answer)


ANSWERS = {
    "429": b"HTTP/1.1 429 x\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
}
# Outcome of one attempt, whether the message may have arrived, and the wait that was asked for.
EXPECTED = {
    "none": (Outcome.DELIVERED, False, 0.0),
    "300 MB": (Outcome.DELIVERED, False, 0.0),
    "429": (Outcome.FAILED, False, 7.0),
    "503": (Outcome.FAILED, False, 0.0),
    "500": (Outcome.FAILED, True, 0.0),
    "redirect": (Outcome.FAILED, False, 0.0),
    "timeout": (Outcome.FAILED, True, 0.0),
    "drip": (Outcome.FAILED, True, 0.0),
    "reset": (Outcome.FAILED, True, 0.0),
    "lost 2xx": (Outcome.FAILED, True, 0.0),
}


def _key_of_request(connection: socket.socket) -> str:
    """Read a request whole; return its idempotency key."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += _received(connection)
    head, _, body = found.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += _received(connection)
    return fields[b"idempotency-key"].decode()


def _received(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError
    return piece


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _wait(connection: socket.socket) -> None:
    select.select([connection], [], [], 60)  # until the client gives up


def _drip(connection: socket.socket) -> None:
    while not select.select([connection], [], [], 0.02)[0]:
        connection.sendall(b"H")


def _long_answer(connection: socket.socket) -> int:
    """Send as much of `ANSWER_BYTES` as the client takes; return how much."""
    sent = 0
    with suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % ANSWER_BYTES)
        while sent < ANSWER_BYTES:
            sent += connection.send(bytes(1 << 16))
    return sent


# Ends without an answer, although the receiver may have processed the request.
ENDS: dict[str, Callable[[socket.socket], None]] = {
    "timeout": _wait,
    "drip": _drip,
    "reset": _reset,
    "lost 2xx": lambda _: None,
}


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Run a receiver until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        receiver = Scripted(url=f"http://127.0.0.1:{port}/s3cret")

        def accept() -> None:
            while True:
                connection, _ = server.accept()
                if receiver.ending.is_set():
                    connection.close()
                    return
                with connection, suppress(ConnectionError):
                    receiver.serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.ending.set()
            socket.create_connection(server.getsockname()).close()
            thread.join(60)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits an attempt to less than in production."""
    monkeypatch.setattr("nilometer_collector.channels.posting.TOTAL_SECONDS", LIMIT_SECONDS)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", EXPECTED)
def test_each_fault_of_a_receiver_has_its_outcome(fault: str) -> None:
    with scripted() as receiver:
        receiver.faults = [fault]
        to = Destination(Secret(receiver.url), Allowed.of("webhook_allow", ["127.0.0.0/8"]))
        answer = post(to, {"text": "x"}, "key")
        while not receiver.keys:  # a slow machine may end the attempt before the request
            answer = post(to, {"text": "x"}, "key")
    assert (answer.outcome, answer.may_have_arrived, answer.wait_seconds) == EXPECTED[fault]
    assert not receiver.faults
    assert receiver.sent < MOST_READ_BYTES
    assert "s3cret" not in answer.reason


@pytest.mark.usefixtures("impatient")
def test_a_message_passes_through_every_fault_with_one_key(store: Store) -> None:
    script = ["reset before reading", *EXPECTED]
    script.remove("none")
    script.remove("300 MB")
    clock = SteppedClock()
    with scripted() as receiver:
        receiver.faults = [*script, "300 MB"]
        own = ChannelDefinition(name=OWN_CHANNEL, kind="slack", secrets={"url": receiver.url})
        courier = Courier(OWN_CHANNEL, store, receivers_of(own), clock, Counters())
        agents = Agents(store)
        agents.say("pod-1", 0.5, 1)
        while (wait := courier.deliver_oldest()) is not None:
            clock.step(wait)
        agents.say("pod-1", 0.1, 2)
        while (wait := courier.deliver_oldest()) is not None:
            clock.step(wait)
    first, second = dict.fromkeys(receiver.keys)
    assert receiver.keys[-1] == receiver.accepted[-1] == second
    assert set(receiver.keys[:-1]) == {first}
    assert not receiver.faults
    (closing, opening) = store.deliveries.records(OWN_CHANNEL)
    assert (opening.outcome, closing.outcome) == ("delivered", "delivered")
    *failed, last = [one.outcome for one in opening.attempts]
    assert (set(failed), last) == ({"failed"}, "delivered")
    assert len(failed) >= len(script)
