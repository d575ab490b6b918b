"""A child that turns episodes into runs of an action and sends them, and dies on the way.

It is one thread, so its steps have an order: the statements of the store, and the beginning and the end
of each request. The child kills itself at one of them, with signal 9.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.delivering import CHANGES, POSTGRESQL, Steps, at_each_request, patient, ship
from faults.statements import at_each_statement

from nilometer.commands.stderr_log import log_to_stderr
from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.access.secret import Secret
from nilometer_collector.actions.actor import Actor
from nilometer_collector.store import RunQuestion, Store, open_store
from nilometer_collector.testing import START_NS, targets_of

ROUND_SECONDS = (
    300  # of wall time: a run is tried for an hour, and an action starts 1,000 times a day
)
MOST_STEPS = 1000  # of an actor, until all runs of a round are over


def act(store: str, agent: str, directory: str, step: int, last: int) -> None:
    """Ship the rows up to *last*, start and send an action for each opening, and be killed at a step.

    Args:
        store: Path or URL of the store.
        agent: Name of the agent that ships, and of its entity.
        directory: Directory for ``NAME.acknowledged``, ``NAME.place``, ``NAME.steps``, and for
            ``NAME.holder``, under which PostgreSQL knows this collector.
        step: Number of the step; 0 for none, and then ``NAME.steps`` is how many there were.
        last: Last sequence to ship; each is a change of state.
    """
    log_to_stderr()
    files = Path(directory) / agent
    acknowledged = files.with_suffix(".acknowledged")
    steps = Steps(step, files.with_suffix(".place"))
    at_each_statement(store, steps.meet)
    at_each_request(steps, Actor)
    if store.startswith("postgresql:"):
        patient(importlib.import_module(f"{POSTGRESQL}.acting"), "RUN_LEASE_SECONDS")
    opened = open_store(Secret(store) if store.startswith("postgresql:") else Path(store), "")
    files.with_suffix(".holder").write_text(getattr(opened.actions, "_holder", ""))
    steps.begin()
    clock = SteppedClock(START_NS + last // CHANGES * ROUND_SECONDS * NANOSECONDS)
    actor = Actor(opened, targets_of(), clock, lambda: None)
    first = int(acknowledged.read_text()) + 1 if acknowledged.exists() else 1
    for sequence in range(first, last + 1):
        _until(actor, clock, lambda: _is_settled(opened, agent))
        ship(opened, agent, sequence, clock.now_ns())
        acknowledged.write_text(str(sequence))
        steps.meet()
    _until(actor, clock, lambda: not _runs(opened, agent))
    files.with_suffix(".steps").write_text(str(steps.met))
    opened.close()


def _until(actor: Actor, clock: SteppedClock, holds: Callable[[], bool]) -> None:
    for _ in range(MOST_STEPS):
        actor.step()
        if holds():
            return
        clock.step(1.0)
    raise AssertionError("runs wait")


def _is_settled(store: Store, entity: str) -> bool:
    """Return whether each open episode has its run, and each run has been accepted."""
    episodes = store.alerts.episodes(entity, is_open=True)
    runs = _runs(store, entity)
    return len(runs) >= len(episodes) and {one.state.value for one in runs} <= {"accepted"}


def _runs(store: Store, entity: str) -> list[Any]:
    return list(store.actions.runs(RunQuestion(entity=entity, is_over=False)))
