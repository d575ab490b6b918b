"""Shipments for tests of the store, without a collector."""

from collections.abc import Mapping, Sequence

from nilometer.alert import Alerter, Evaluation, Verdict
from nilometer.profile import SummarySample
from nilometer.wire.samples import sample_to_bytes
from nilometer_collector.store import Arrival, SampleRow, Shipment, Shipped, Store
from nilometer_collector.testing import ENTITY, START_NS, an_evaluation, feature_sample, minute

EPOCH = b"e" * 16


def a_sample_row(sample: SummarySample) -> SampleRow:
    """Encode *sample*."""
    return SampleRow.of(sample, sample_to_bytes(sample))


def numbered(sequence: int, entity: str = ENTITY) -> Arrival:
    """Return the row with *sequence*; its content only depends on that."""
    sample = feature_sample(
        [float(sequence), sequence / 7, None, 1e9 * sequence],
        window=minute(sequence % 3),
        entity=entity,
    )
    return Arrival(sequence=sequence, content=a_sample_row(sample))


def ship(
    store: Store,
    arrivals: Sequence[Arrival],
    *,
    agent: str = "pod-1",
    epoch: bytes = EPOCH,
    oldest_held: int = 0,
    now_ns: int = START_NS,
) -> Shipped:
    """Ship *arrivals* at *now_ns*."""
    shipment = Shipment(agent=agent, epoch=epoch, oldest_held=oldest_held, arrivals=arrivals)
    return store.ship(shipment, now_ns)


class Agents:
    """Agents that ship evaluations directly into a store, each with its next sequence."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now_ns = START_NS
        self._sequence = 0

    def say(
        self,
        agent: str,
        value: float,
        number: int,
        *,
        alerter: Alerter | None = None,
        summary: str = "input.amount",
        labels: Mapping[str, str] | None = None,
        verdict: Verdict | None = None,
    ) -> int:
        """Let *agent* report *value* in minute *number*; return the notifications that result."""
        evaluation = an_evaluation(
            value, number, alerter=alerter, summary=summary, labels=labels, verdict=verdict
        )
        return self.judge(agent, [evaluation])

    def judge(self, agent: str, evaluations: Sequence[Evaluation]) -> int:
        """Ship *evaluations* of *agent* in one call; return the notifications that result."""
        arrivals = []
        for evaluation in evaluations:
            self._sequence += 1
            arrivals.append(Arrival(sequence=self._sequence, content=evaluation))
        epoch = agent.encode().ljust(16)[:16]
        return ship(self.store, arrivals, agent=agent, epoch=epoch, now_ns=self.now_ns).notices

    @property
    def statuses(self) -> list[list[str]]:
        """Return the transitions of every episode, newest episode first."""
        return [[t.status for t in e.history] for e in self.store.alerts.episodes()]
