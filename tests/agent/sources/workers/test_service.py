"""The gRPC service of the agent accepts as many streams as it has threads, and no more."""

import queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import pytest

from nilometer.testing import eventually
from nilometer.wire.services import (
    CHANNEL_OPTIONS,
    CaptureBatch,
    StatusReply,
    StatusRequest,
    agent_stub,
)
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.workers.service import MAX_STREAMS, WorkerService


class Sender:
    """A stream of batches that stays open until `close`."""

    def __init__(self, channel: grpc.Channel, worker: bytes) -> None:
        self._worker = worker
        self._batches: queue.SimpleQueue[CaptureBatch | None] = queue.SimpleQueue()
        self.answers = agent_stub(channel).Capture(iter(self._batches.get, None), timeout=60)

    def send(self, sequence: int) -> None:
        self._batches.put(CaptureBatch(worker=self._worker, sequence=sequence, entity="tested"))

    def hear(self) -> int:
        return int(next(self.answers).sequence)

    def close(self) -> None:
        self._batches.put(None)


def is_served(channel: grpc.Channel, worker: bytes) -> bool:
    sender = Sender(channel, worker)
    sender.send(1)
    try:
        return sender.hear() == 1
    except grpc.RpcError:
        return False
    finally:
        sender.close()


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    home = tmp_path_factory.mktemp("a")
    one = Agent(AgentSettings(directory=str(home), collector="", commit_seconds=0.02))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def channel(agent: Agent) -> Iterator[grpc.Channel]:
    address = f"unix:{agent.settings.socket_path}"
    with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as one:
        yield one


def test_one_stream_too_many_is_refused_at_once_and_status_is_told_all_the_while(
    channel: grpc.Channel,
) -> None:
    with ExitStack() as open_:
        senders = [Sender(channel, bytes([index + 1])) for index in range(MAX_STREAMS)]
        for sender in senders:
            open_.callback(sender.close)
            sender.send(1)
        for sender in senders:
            assert sender.hear() == 1
        for _ in range(2 * MAX_STREAMS):  # more than there are threads
            late = agent_stub(channel).Capture(iter([]), timeout=60)
            with pytest.raises(grpc.RpcError) as refused:
                next(late)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert f"{MAX_STREAMS} gRPC streams" in str(refused.value.details())
        assert agent_stub(channel).Status(StatusRequest(), timeout=60).counters["batches"] == 64
        senders[0].send(2)  # those that were taken are served
        assert senders[0].hear() == 2
        senders[1].close()
        eventually(lambda: is_served(channel, b"again"))


def test_streams_that_are_cancelled_at_any_moment_give_their_place_back(
    agent: Agent, channel: grpc.Channel
) -> None:
    for index in range(4 * MAX_STREAMS):
        sender = Sender(channel, index.to_bytes(2, "big"))
        if index % 2:
            sender.send(1)
        sender.answers.cancel()
        sender.close()
        if index % 16 == 15:
            eventually(lambda: len(agent.workers) == 0)
    eventually(lambda: len(agent.workers) == 0)
    eventually(lambda: is_served(channel, b"last"))


def test_a_stream_that_is_over_before_it_begins_takes_no_place(agent: Agent) -> None:
    class Over:
        """The context of a call that has ended: it calls nobody back."""

        def add_callback(self, callback: Callable[[], None]) -> bool:
            del callback
            return False

    service = WorkerService(agent.engine, agent.workers, lambda _: StatusReply())
    for _ in range(2 * MAX_STREAMS):
        assert list(service.Capture(iter([]), Over())) == []  # type: ignore[arg-type]
    assert len(agent.workers) == 0
