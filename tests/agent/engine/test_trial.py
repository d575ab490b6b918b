"""What the ends of children prove. That real agents find their poison is tried in tests/faults."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nilometer.profiling.observation import pack, unpack
from nilometer.testing import SteppedClock
from nilometer.wire.frames import Batch
from nilometer_agent.engine import trial as module
from nilometer_agent.engine.receive import Receipt, Receiver
from nilometer_agent.engine.trial import WHOLE, Trial
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

Act = Callable[
    [int], object
]  # given the number of an observation; 0 is a harmless one of the trial


def batch(count: int, *, first: int = 1) -> Batch:
    rows = [
        (
            *(number, 0.01, 200, "ok", "POST", f"/{number}", 2, 2),
            *("application/json", "", "application/json", "", b"{}", b"{}", ""),
        )
        for number in range(first, first + count)
    ]
    return Batch(worker=b"w", sequence=1, entity="tested", observations=pack(rows), count=count)


class Acting(Receiver):
    """Does something with each observation, as a decoder of a user would."""

    act: Act = staticmethod(lambda _: None)

    def profile(self, receipt: Receipt, *, apart: bool = False) -> None:
        for one in unpack(receipt.batch.observations):
            self.act(int(one.path[1:] or 0))
        super().profile(receipt, apart=apart)


class Rig:
    def __init__(self, directory: Path) -> None:
        self.buffer = Buffer(directory / "agent.db")
        plans = PlanKeeper(self.buffer, None)
        ignored: Callable[..., None] = lambda *_: None  # noqa: E731  two callbacks of one line
        self.receiver = Acting(
            AgentSettings(collector=""), plans, SteppedClock(), on_observed=ignored, on_cost=ignored
        )
        self.stopping = threading.Event()
        self.steps = 0
        self.trial = Trial(self.receiver, self.stopping, self._step)

    def _step(self) -> None:
        self.steps += 1

    def poison(self, given: Batch, act: Act) -> list[int]:
        self.receiver.act = act
        return self.trial.poison(given)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    one = Rig(tmp_path)
    yield one
    one.buffer.close()


def when(poison: set[int], act: Callable[[], object]) -> Act:
    return lambda number: number in poison and act()


def kill(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def test_what_harms_nobody_passes_and_leaves_no_trace(rig: Rig) -> None:
    before = rig.receiver.watermarks.copy()
    assert rig.poison(batch(30), lambda _: None) == []
    taken: list[object] = []
    rig.receiver.take_into(taken)  # type: ignore[arg-type]
    assert taken == []
    assert rig.receiver.watermarks == before


@pytest.mark.parametrize(
    "act",
    [
        os.abort,
        lambda: os._exit(0),
        *map(kill, (signal.SIGSEGV, signal.SIGBUS, signal.SIGKILL, signal.SIGXCPU)),
    ],
)
def test_every_observation_that_ends_a_child_is_found(rig: Rig, act: Callable[[], None]) -> None:
    assert rig.poison(batch(5), when({1, 2, 5}, act)) == [0, 1, 4]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_from_outside_proves_nothing(rig: Rig, number: int) -> None:
    def act(_: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    assert rig.poison(batch(3), act) == []


@pytest.mark.parametrize("kills", range(1, 6))
def test_a_few_kills_prove_nothing(rig: Rig, kills: int, tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.write_text("x" * kills, "ascii")

    def act() -> None:
        kills_left = left.read_text("ascii")
        if kills_left:
            left.write_text(kills_left[1:], "ascii")
            os.kill(os.getpid(), signal.SIGKILL)

    assert rig.poison(batch(3), when({2}, act)) == []


def test_where_a_harmless_observation_ends_a_child_nothing_is_poison(rig: Rig) -> None:
    assert rig.poison(batch(3), lambda _: os.abort()) == []


def test_what_raises_ends_no_agent_and_is_no_poison(rig: Rig) -> None:
    def act(number: int) -> None:
        raise (MemoryError, SystemExit, RecursionError)[number % 3]

    assert rig.poison(batch(6), act) == []


def test_a_batch_that_cannot_be_split_goes_as_a_whole(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = batch(3)

    def parts_of(packed: bytes) -> list[bytes]:
        return [packed] if packed != given.observations else os.abort()

    monkeypatch.setattr(module, "parts_of", parts_of)
    assert rig.poison(given, lambda _: None) == [WHOLE]


def test_what_takes_too_much_memory_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_GROWTH_BYTES", 1)
    monkeypatch.setattr(module, "MAX_GROWTH_BYTES", 48 << 20)
    held: list[bytes] = []

    def act() -> None:
        while True:
            held.append(b"x" * (1 << 20))

    assert rig.poison(batch(3), when({2}, act)) == [1]


def test_what_takes_too_much_time_is_found_and_what_waits_is_not(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spin() -> None:
        while True:
            pass

    monkeypatch.setattr(module, "CPU_SECONDS", 1)
    assert rig.poison(batch(3), when({2}, spin)) == [1]
    assert rig.steps > 0  # the engine told that it lives
    monkeypatch.setattr(module, "STALLED_POLLS", 5)
    assert rig.poison(batch(3), when({2}, signal.pause)) == []


def test_a_trial_ends_when_the_agent_does(rig: Rig) -> None:
    rig.stopping.set()
    assert rig.poison(batch(3), when({2}, signal.pause)) == []


def test_a_system_without_room_for_a_child_drops_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_room)
    assert rig.poison(batch(3), when({2}, os.abort)) == []


@pytest.mark.parametrize(("failures", "found"), [(module.FORKS - 1, [2]), (module.FORKS, [])])
def test_a_child_that_does_not_survive_its_fork_is_forked_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, failures: int, found: list[int]
) -> None:
    """gRPC's threads end some children by SIGSEGV before they begin: that proves nothing."""
    left = [failures]
    fork = module._fork

    def fork_or_fail() -> int:
        failing = left[0] > 0
        left[0] -= 1
        child = fork()
        if child == 0 and failing:
            os._exit(1)
        return child

    monkeypatch.setattr(module, "_fork", fork_or_fail)
    act: Act = lambda number: os.abort() if number == 3 else None  # noqa: E731  one line
    assert rig.poison(batch(5), act) == found
