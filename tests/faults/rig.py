"""Workers, an agent and a collector under faults, and an oracle that checks their data."""

import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from faults import children, oracle
from faults.proxy import Proxy
from faults.zygote import Zygote

from nilometer.testing import eventually
from nilometer.wire.services import CHANNEL_OPTIONS, StatusReply, StatusRequest, agent_stub
from nilometer_agent.measure.laws import broken

WORKERS = 3
STEPPED_RATIO = 0.6  # of the agents and collectors that meet a named step
REPLAY_RATIO = 0.3  # of those agents: killed when all is stored and nothing is acknowledged
CLOCK_JUMPS_SECONDS = (3600, -3600, 86_400, -86_400, -1_700_000_000, 315_360_000)


@dataclass(slots=True)
class Report:
    """What a run did and what came of it."""

    seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)  # at which a process was killed
    counts: Counter[str] = field(default_factory=Counter)
    verdict: oracle.Verdict = field(default_factory=oracle.Verdict)

    @property
    def kills(self) -> int:
        return sum(n for name, n in self.faults.items() if name.startswith("kill"))

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {n}" for name, n in sorted(self.faults.items()))
        return (
            f"seed {self.seed}, {self.seconds:.0f} s, {self.faults.total()} faults ({kinds}; "
            f"{len(self.steps)} of {2 * len(children.STEPS)} places between steps): "
            f"{self.verdict}; {self.counts['batches_repeated']} batches and "
            f"{self.counts['rows_repeated']} rows came again"
        )


class Rig:
    """A whole system on one directory.

    Args:
        zygote: Makes its processes.
        directory: Of all its files; short, for the socket's path.
        seed: Of every choice.
    """

    def __init__(self, zygote: Zygote, directory: Path, seed: int) -> None:
        self.zygote = zygote
        self.directory = directory
        self.draw = random.Random(seed)
        self.report = Report(seed)
        self.home = directory / "a"
        self.database = directory / "c.db"
        self._port = directory / "port"
        self._clock = directory / "clock"
        self._clock.write_bytes(bytes(8))
        self.proxy = Proxy(lambda: int(self._port.read_text()), seed)
        self._last: dict[str, dict[str, int]] = {"agent": {}, "collector": {}}
        self._workers: dict[str, tuple[int, int]] = {}  # journal -> process, first batch of next
        self._modes = itertools.cycle(Proxy.MODES[1:])
        self._steps: dict[str, tuple[str, str, int] | None] = {}
        self.collector = self._start_collector()
        eventually(self._port.exists)
        self.agent = self._start_agent()
        for number in range(WORKERS):
            self._start_worker(f"worker-{number}")

    # Processes

    def _step(self, of: str) -> tuple[str, str, int] | None:
        if self.draw.random() > STEPPED_RATIO:
            return None
        step = self.draw.choice([name for name in children.STEPS if name.startswith(of)])
        when = self.draw.choice(("before", "after"))
        if of == "agent" and self.draw.random() < REPLAY_RATIO:
            step, when = "agent.delta", "after"
        return step, when, self.draw.randint(1, 6)

    def _start_agent(self, *, stepped: bool = False) -> int:
        self._steps["agent"] = self._step("agent") if stepped else None
        return self.zygote.start(
            "agent",
            directory=str(self.home),
            collector=self.proxy.address,
            counts=str(self.directory / "agent.json"),
            step=self._steps["agent"],
            clock="" if self.zygote.shim else str(self._clock),
        )

    def _start_collector(self, *, stepped: bool = False) -> int:
        self._steps["collector"] = self._step("collector") if stepped else None
        return self.zygote.start(
            "collector",
            database=str(self.database),
            port=str(self._port),
            counts=str(self.directory / "collector.json"),
            step=self._steps["collector"],
        )

    def _start_worker(self, name: str) -> None:
        _, first = self._workers.get(name, (0, 0))
        process = self.zygote.start(
            "worker",
            journal=str(self.directory / name),
            socket=str(self.home / "agent.sock"),
            first=first,
        )
        last_ns = oracle.START_NS + (first + children.SPAN_BATCHES) * oracle.WINDOW_NS
        assert last_ns < time.time_ns(), "a window in the future is closed a minute later"
        self._workers[name] = (process, first + children.SPAN_BATCHES)

    def _count(self, of: str) -> None:
        """Add what a process has counted; called before it is killed, or when it was."""
        with suppress(OSError, ValueError):
            now = json.loads((self.directory / f"{of}.json").read_text())
            self.report.counts.update(now)
            (self.directory / f"{of}.json").unlink()

    # Faults

    def kill_agent(self) -> None:
        os.kill(self.agent, signal.SIGKILL)
        self.zygote.wait(self.agent)
        self._agent_is_dead("kill agent")

    def kill_collector(self) -> None:
        os.kill(self.collector, signal.SIGKILL)
        self.zygote.wait(self.collector)
        self._collector_is_dead("kill collector")

    def _agent_is_dead(self, fault: str) -> None:
        self._count("agent")
        self.report.faults[fault] += 1
        self.agent = self._start_agent(stepped=True)

    def _collector_is_dead(self, fault: str) -> None:
        self._count("collector")
        self.report.faults[fault] += 1
        self.collector = self._start_collector(stepped=True)

    def revive(self) -> None:
        """Start again what has met its step."""
        if self.zygote.is_over(self.agent):
            self._met_step("agent")
            self._agent_is_dead("kill agent at a step")
        if self.zygote.is_over(self.collector):
            self._met_step("collector")
            self._collector_is_dead("kill collector at a step")

    def _met_step(self, of: str) -> None:
        step = self._steps[of]
        assert step is not None, f"the {of} ended by itself: {self.zygote.log()[-3000:]}"
        self.report.steps[f"{step[1]} {step[0]}"] += 1

    def kill_worker(self) -> None:
        name = self.draw.choice(list(self._workers))
        self.zygote.kill(self._workers[name][0])
        self.report.faults["kill worker"] += 1
        self._start_worker(name)

    def stop_agent(self) -> None:
        self._hang(self.agent, "stop agent")

    def stop_collector(self) -> None:
        self._hang(self.collector, "stop collector")

    def _hang(self, process: int, name: str) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
            time.sleep(self.draw.uniform(0.05, 0.3))
            os.kill(process, signal.SIGCONT)
        self.report.faults[name] += 1

    def bend_wire(self) -> None:
        mode = next(self._modes)
        self.proxy.tell(mode)
        time.sleep(self.draw.uniform(0.05, 0.4))
        self.proxy.tell("pass")
        self.report.faults[f"wire {mode}"] += 1

    def jump_clock(self) -> None:
        if self.zygote.shim:
            return
        self._set_clock(self.draw.choice(CLOCK_JUMPS_SECONDS))
        self.report.faults["clock jump"] += 1

    def _set_clock(self, seconds: int) -> None:
        with self._clock.open("r+b") as file:
            file.write((seconds * 1_000_000_000).to_bytes(8, "little", signed=True))

    # A run

    def storm(self, seconds: float, faults: int, kills: int) -> None:
        """Faults until all three are reached."""
        started = time.monotonic()
        report = self.report
        kinds: dict[Callable[[], None], int] = {
            self.kill_agent: 10,
            self.kill_collector: 7,
            self.kill_worker: 8,
            self.bend_wire: 4,
            self.stop_agent: 1,
            self.stop_collector: 1,
            self.jump_clock: 3,
        }
        deck: list[Callable[[], None]] = []  # so that no kind is left out by chance
        while (
            time.monotonic() - started < seconds
            or report.faults.total() < faults
            or report.kills < kills
        ):
            time.sleep(self.draw.uniform(0.02, 0.25))
            self.revive()
            if not deck:
                deck = [fault for fault, count in kinds.items() for _ in range(count)]
                self.draw.shuffle(deck)
            deck.pop()()
        report.seconds += time.monotonic() - started

    def status(self) -> StatusReply | None:
        with grpc.insecure_channel(
            f"unix:{self.home / 'agent.sock'}", options=CHANNEL_OPTIONS
        ) as channel:
            try:
                reply: StatusReply = agent_stub(channel).Status(StatusRequest(), timeout=1)
            except grpc.RpcError:
                return None
        return reply

    def calm(self) -> Report:
        """End all faults, let everything drain, end everything, and judge."""
        self.proxy.tell("pass")
        self._set_clock(0)
        for process, of in ((self.agent, "agent"), (self.collector, "collector")):
            if not self.zygote.is_over(process):
                self.zygote.kill(process)
            self._count(of)
        self.collector = self._start_collector()
        self.agent = self._start_agent()
        for process, _ in self._workers.values():
            os.kill(process, signal.SIGTERM)
        for name, (process, _) in self._workers.items():
            assert os.waitstatus_to_exitcode(self.zygote.wait(process)) == 0, name

        def drained() -> bool:
            found = self.status()
            return found is not None and not (
                found.gauges["rows_in_outbox"] or found.gauges["observations_in_partials"]
            )

        try:
            eventually(drained, poll=0.1)
        except AssertionError as error:
            raise AssertionError(
                f"not drained: {self.status()} {self.zygote.log()[-3000:]}"
            ) from error
        found = self.status()
        assert found is not None
        counted, held = found.counters, found.gauges
        come = counted["observations"] + counted["observations_found"]
        gone = sum(
            counted[f"observations_{how}"]
            for how in ("acknowledged", "rejected", "dropped_for_space")
        )
        assert broken([{**counted, **held}]) == []
        # What the last agent was given has gone or is there: the accounts of one process.
        assert come == gone + held["observations_in_partials"] + held["observations_in_outbox"]
        for process, of in ((self.agent, "agent"), (self.collector, "collector")):
            os.kill(process, signal.SIGTERM)
            self.zygote.wait(process)
            self._count(of)
        self.proxy.close()
        self.report.verdict = oracle.judge(
            self.database, [self.directory / name for name in self._workers]
        )
        return self.report


def run(
    zygote: Zygote, directory: Path, seed: int, *, seconds: float, faults: int, kills: int
) -> Report:
    """One storm and its verdict."""
    rig = Rig(zygote, directory, seed)
    rig.storm(seconds, faults, kills)
    return rig.calm()
