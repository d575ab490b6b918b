"""The accounting laws: everything that entered a hop has left it or is still there.

Each law compares two sums of counters and gauges that must be equal; docs/telemetry.md lists them.
Counters of a running agent are read one after the other, so a law may be off by the data that moves
in between. That is why `broken` needs several snapshots, and returns laws that are off by the same
amount in each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# One snapshot: counters and gauges of `Status`, by name.
Figures = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Law:
    """Two sums that must be equal.

    Attributes:
        hop: Name of the hop.
        come: Names of the figures whose sum is the number that entered.
        gone: Names of the figures whose sum is the number that left or is still there.
        unless: Names of figures that must be 0; otherwise the law does not apply.
    """

    hop: str
    come: tuple[str, ...]
    gone: tuple[str, ...]
    unless: tuple[str, ...] = ()

    def excess(self, figures: Figures) -> int:
        """Return the missing number; negative if more left than entered; 0 if the law holds."""
        if any(figures.get(name, 0) for name in self.unless):
            return 0
        come = sum(figures.get(name, 0) for name in self.come)
        return come - sum(figures.get(name, 0) for name in self.gone)

    def __str__(self) -> str:
        return f"{self.hop}: {' + '.join(self.come)} = {' + '.join(self.gone)}"


LAWS = (
    Law("worker to agent", ("observations",), ("profiled", "undecodable", "dropped")),
    Law(
        "agent to collector, observations",
        ("observations", "observations_found"),
        (
            "observations_acknowledged",
            "observations_rejected",
            "observations_dropped_for_space",
            "observations_in_partials",
            "observations_in_outbox",
        ),
        unless=("rows_corrupt", "recoveries"),
    ),
    Law(
        "agent to collector, rows",
        ("rows_queued", "rows_found"),
        ("rows_acknowledged", "rows_rejected", "rows_dropped_for_space", "rows_in_outbox"),
        unless=("rows_corrupt", "recoveries"),
    ),
    Law(
        "agent to collector, predictions",
        ("predictions_logged", "predictions_found"),
        (
            "predictions_acknowledged",
            "predictions_rejected",
            "predictions_dropped",
            "predictions_in_outbox",
        ),
        unless=("rows_corrupt", "recoveries", "memory_spells"),
    ),
    Law(
        "loggers' events to agent",
        ("events",),
        (
            "events_joined",
            "events_alone",
            "events_ambiguous",
            "events_repeated",
            "events_refused",
            "events_truth",
            "events_waiting",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Breach:
    """A law that does not hold.

    Attributes:
        law: Law that is broken.
        excess: Amount by which it is off, as in `Law.excess`.
    """

    law: Law
    excess: int

    def __str__(self) -> str:
        found = "cannot be found" if self.excess > 0 else "left without entering"
        return f"{self.law} is off by {self.excess}: {abs(self.excess)} {found}"


def broken(snapshots: Iterable[Figures]) -> list[Breach]:
    """Return the laws that are off by the same amount in all *snapshots*, in the order of `LAWS`.

    One snapshot is enough for an idle agent. A busy agent needs several, because data in transit
    moves between snapshots.

    Raises:
        ValueError: If *snapshots* is empty.
    """
    every = list(snapshots)
    if not every:
        raise ValueError("snapshots is empty: pass at least one snapshot")
    found = []
    for law in LAWS:
        excesses = {law.excess(figures) for figures in every}
        if len(excesses) == 1 and (excess := excesses.pop()):
            found.append(Breach(law, excess))
    return found
