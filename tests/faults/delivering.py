"""A child that turns evaluations into episodes and delivers their notifications, and dies on the way.

It is one thread, so its steps have an order: the statements of the store, and the beginning and the end
of each request. The child kills itself at one of them, with signal 9.
"""

import importlib
import json
import os
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from faults.statements import at_each_statement

from nilometer.commands.stderr_log import log_to_stderr
from nilometer.testing import SteppedClock
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.access.secret import Secret
from nilometer_collector.actions.actor import Actor
from nilometer_collector.channels import Courier, Receivers, posting
from nilometer_collector.counters import Counters
from nilometer_collector.store import Arrival, Shipment, Store, open_store
from nilometer_collector.testing import PAGES, an_alerter, an_evaluation

POSTGRESQL = "nilometer_collector.store.postgresql"  # imported only where it is installed
CHANGES = 2  # of state in one round: an opening and a closing
PATIENT_SECONDS = 600.0  # in place of limits that a busy machine exceeds although all is well
MOST_SECONDS = 300.0  # until another collector has delivered what it holds


def deliver(store: str, agent: str, directory: str, step: int, last: int) -> None:
    """Ship the rows up to *last*, deliver all notifications, and be killed at the *step*-th step.

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
    at_each_request(steps, Courier)
    if store.startswith("postgresql:"):
        patient(importlib.import_module(f"{POSTGRESQL}.deliveries"), "LEASE_SECONDS")
    opened = open_store(Secret(store) if store.startswith("postgresql:") else Path(store), "")
    files.with_suffix(".holder").write_text(getattr(opened.deliveries, "_holder", ""))
    steps.begin()
    clock = SteppedClock(time.time_ns())
    couriers = _couriers(opened, clock)
    first = int(acknowledged.read_text()) + 1 if acknowledged.exists() else 1
    for sequence in range(first, last + 1):
        ship(opened, agent, sequence, time.time_ns())
        acknowledged.write_text(str(sequence))
        steps.meet()
        for courier in couriers:
            _empty(courier, clock)
    _settle(opened, couriers, clock)
    files.with_suffix(".steps").write_text(str(steps.met))
    opened.close()


def wait_for_ever(**_: object) -> None:
    """Never end, whatever the arguments."""
    signal.pause()


class Steps:
    """Counts steps once it has begun, and kills the process at one of them.

    Args:
        fatal: Number of the step; 0 for none.
        place: File for what was done at the end.
    """

    def __init__(self, fatal: int, place: Path) -> None:
        self.met = 0
        self.is_sent = False  # whether a request was answered, and its outcome is not stored
        self._fatal = fatal
        self._place = place
        self._has_begun = False

    def begin(self) -> None:
        """Count from now on."""
        self._has_begun = True

    def meet(self) -> None:
        """Count a step."""
        if not self._has_begun:
            return
        self.met += 1
        if self.met == self._fatal:
            self._place.write_text(json.dumps({"step": self.met, "is_sent": self.is_sent}))
            os.kill(os.getpid(), signal.SIGKILL)


def at_each_request(steps: Steps, sender: type[Courier] | type[Actor]) -> None:
    """Count a step around each request, and after *sender* has recorded its outcome."""
    patient(posting, "TOTAL_SECONDS")
    send: Callable[..., Any] = posting._send
    record: Callable[..., Any] = sender._record

    async def sent(*arguments: Any) -> Any:
        steps.meet()
        steps.is_sent = True
        answer = await send(*arguments)
        steps.meet()
        return answer

    def recorded(*arguments: Any, **keywords: Any) -> Any:
        result = record(*arguments, **keywords)
        steps.is_sent = False
        steps.meet()
        return result

    patches: tuple[tuple[object, str, object], ...] = (
        (posting, "_send", sent),
        (sender, "_record", recorded),
    )
    for owner, name, patch in patches:
        setattr(owner, name, patch)


def patient(module: object, name: str) -> None:
    """Raise a limit of time, so that the receiver stays healthy and a lease ends by a kill only."""
    assert hasattr(module, name)
    setattr(module, name, PATIENT_SECONDS)


def _couriers(store: Store, clock: SteppedClock) -> list[Courier]:
    allowed = Allowed.of("webhook_allow", ["127.0.0.0/8"])
    receivers = Receivers(own=None, allowed=allowed, page_url=lambda: PAGES)
    return [Courier(one.name, store, receivers, clock, Counters()) for one in store.channels.all()]


def ship(store: Store, agent: str, sequence: int, now_ns: int) -> None:
    """Open or close an episode of its own, because one that flaps is told less often."""
    labels = {"episode": str((sequence + 1) // CHANGES)}
    value = 0.5 if sequence % CHANGES else 0.1
    content = an_evaluation(value, sequence, labels=labels, alerter=an_alerter(entity=agent))
    shipment = Shipment(
        agent=agent,
        epoch=agent.encode().ljust(16, b"."),
        oldest_held=sequence,
        arrivals=[Arrival(sequence=sequence, content=content)],
    )
    store.ship(shipment, now_ns)


def _empty(courier: Courier, clock: SteppedClock) -> None:
    """Deliver until nothing waits, or another collector has it."""
    while (wait := courier.deliver_oldest()) is not None:
        clock.step(wait)


def _settle(store: Store, couriers: list[Courier], clock: SteppedClock) -> None:
    names = [one.name for one in store.channels.all()]
    deadline = time.monotonic() + MOST_SECONDS
    for _ in count():
        for courier in couriers:
            _empty(courier, clock)
        if not any(store.deliveries.counts(name).waiting for name in names):
            return
        assert time.monotonic() < deadline, "notifications wait"
        time.sleep(0.02)  # another collector sends
