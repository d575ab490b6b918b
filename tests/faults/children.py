"""What runs in the children of the zygote: the real agent, the real collector, and workers."""

import functools
import json
import logging
import os
import resource
import secrets
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults import oracle, told_truths
from faults.statements import at_each_statement
from faults.zygote import shim
from support import poison

from nilometer.commands.stderr_log import log_to_stderr
from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.settings.settings import checked
from nilometer_agent.engine import made_elsewhere, merge, trial
from nilometer_agent.outbox import failover
from nilometer_agent.outbox.database import Database
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.queued import Queue
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink import backoff
from nilometer_agent.uplink.dial import Dial
from nilometer_collector.access.secret import Secret
from nilometer_collector.server import Collector
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.store import Store, open_store
from nilometer_collector.store.sequences import Sequences
from nilometer_collector.store.sqlite import SqliteStore

BACKLOG = 50  # batches that a worker holds unacknowledged before it waits
SPAN_BATCHES = 10_000  # of one worker process; the next one starts after them

# Where a process may be killed: between which two lines of its work.
STEPS: dict[str, tuple[type, str]] = {
    "agent.delta": (Ledger, "commit_deltas"),
    "agent.put": (Database, "put"),
    "agent.close": (Ledger, "close_windows"),
    "agent.settle": (Ledger, "settle"),
    "agent.send": (Dial, "Ship"),
    "agent.forget": (Queue, "acknowledge"),
    "collector.store": (SqliteStore, "ship"),
    "collector.take": (Sequences, "take"),
    "collector.mark": (Sequences, "settle"),
}


def kill_at(step: str, when: str, call: int) -> None:
    """Let this process be killed *when* ("before" or "after") the *call*-th of a step."""
    owner, name = STEPS[step]
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    @functools.wraps(real)
    def counted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **keywords)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


def agent(
    directory: str,
    collector: str,
    counts: str,
    *,
    step: tuple[str, str, int] | None = None,
    clock: str = "",
    **settings: Any,
) -> None:
    """An agent that is impatient, and writes its counters down."""
    log_to_stderr()
    if clock:
        assert shim().shim_clock(clock.encode()) == 0
    backoff.LEAST_SECONDS, backoff.MOST_SECONDS = 0.01, 0.1
    failover.PROBE_SECONDS = 0.2
    if step is not None:
        kill_at(*step)
    told = {
        "grace_seconds": 0.0,
        "idle_close_seconds": 0.2,
        "commit_seconds": 0.03,
        "plan_seconds": 0.5,
        "name": "pod-1",
        **settings,
    }
    one = Agent(AgentSettings(directory=directory, collector=collector, **told))
    signal.signal(signal.SIGTERM, lambda *_: one.request_stop())
    one.start()
    _write_down(one.counters.snapshot, Path(counts))
    one.wait()
    one.stop()


def suspicious_agent(directory: str, counts: str, notes: str) -> None:
    """An agent with a decoder that ends it; soon tired of an observation that takes long."""
    os.environ[poison.NOTES] = notes
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    vars(made_elsewhere)["sample_from_bytes"] = poison.read_sample
    vars(merge)["merged_sample_from_bytes"] = poison.merge_samples
    trial.CPU_SECONDS = 1
    trial.MAX_GROWTH_BYTES = 128 << 20
    agent(
        directory,
        "",
        counts,
        profilers=(poison.__name__,),
        idle_close_seconds=60.0,
        commit_seconds=0.1,
    )


def collector(
    database: str,
    port: str,
    counts: str,
    *,
    step: tuple[str, str, int] | None = None,
    settings: dict[str, object] | None = None,
) -> None:
    """A collector that writes down its port and its counters."""
    log_to_stderr()
    logging.getLogger("nilometer.collector").setLevel(logging.ERROR)
    if step is not None:
        kill_at(*step)
    told = {
        "database": database,
        "grpc_address": "127.0.0.1:0",
        "http_address": "127.0.0.1:0",
        "shutdown_seconds": 1.0,
        **(settings or {}),
    }
    one = Collector(checked(CollectorSettings, told))
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    one.start()
    _replace(Path(port), one.grpc_target.rpartition(":")[2])
    _write_down(lambda: {c.value: n for c, n in one.counters.read().items()}, Path(counts))
    asked.wait()
    one.stop()


def migration(store: str, step: int) -> None:
    """Open *store*, which migrates it, and be killed at the *step*-th statement."""
    log_to_stderr()
    _die_at(store, step)
    _opened(store).close()


def ground_truth(store: str, step: int, seed: int, rows: int) -> None:
    """Join the ground truth that *store* lacks, and be killed at the *step*-th statement."""
    log_to_stderr()
    if step:
        _die_at(store, step)
    told_truths.go_on(_opened(store), seed, rows)


def _opened(store: str) -> Store:
    place = Secret(store) if store.startswith("postgresql:") else Path(store)
    return open_store(place, "")


def _die_at(store: str, step: int) -> None:
    """Let this process be killed at the *step*-th statement in a database like *store*."""
    met = 0

    def meet() -> None:
        nonlocal met
        met += 1
        if met == step:
            os.kill(os.getpid(), signal.SIGKILL)

    at_each_statement(store, meet)


def worker(journal: str, socket: str, first: int, *, pace_seconds: float = 0.002) -> None:
    """Send batches, and write down what is sent and what is acknowledged, until SIGTERM."""
    logging.disable(logging.CRITICAL)
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    path = Path(journal)
    link = AgentLink(
        CaptureSettings(entity=path.stem, agent=f"unix:{socket}"), secrets.token_bytes(16)
    )
    lines = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    waiting: list[int] = []
    for k in range(first, first + SPAN_BATCHES):
        if asked.is_set():
            break
        os.write(lines, b"S%d\n" % k)
        message = oracle.batch(path.stem, k)
        link.send(message, message.count)
        waiting.append(k)
        _poll(link, waiting, lines)
        while len(waiting) > BACKLOG and not asked.is_set():
            time.sleep(pace_seconds)
            _poll(link, waiting, lines)
        time.sleep(pace_seconds)
    while waiting:
        time.sleep(pace_seconds)
        _poll(link, waiting, lines)
    link.finish(time.monotonic() + 1.0)


def _poll(link: AgentLink, waiting: list[int], lines: int) -> None:
    link.poll()
    done = len(waiting) - link.unacknowledged_batches
    for k in waiting[:done]:
        os.write(lines, b"A%d\n" % k)
    del waiting[:done]


def _write_down(counts: Callable[[], dict[str, int]], path: Path) -> None:
    def loop() -> None:
        while True:
            _replace(path, json.dumps(counts()))
            time.sleep(0.02)

    threading.Thread(target=loop, daemon=True).start()


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".tmp")
    new.write_text(text, "ascii")
    new.rename(path)
