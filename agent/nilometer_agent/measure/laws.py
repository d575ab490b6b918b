"""The accounting laws: what comes into a hop has left it, or is there.

Each law is two sums of counters and gauges that must be equal, as docs/telemetry.md states them.
Counters of a running agent are read one after the other, so that a law may be off by what moves
meanwhile: `broken` asks more than one look, and names what is off by the same amount in each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# One snapshot: counters and gauges of `Status`, by name.
Figures = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Law:
    """Two sums that are equal.

    Attributes:
        hop: Where it holds.
        come: Figures that add up to what came.
        gone: Figures that add up to what became of it.
        unless: Figures that must be 0 for it to hold.
    """

    hop: str
    come: tuple[str, ...]
    gone: tuple[str, ...]
    unless: tuple[str, ...] = ()

    def excess(self, figures: Figures) -> int:
        """What came and cannot be found, negative where more has gone than came; 0: it holds."""
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
        "loggers' events to agent",
        ("events",),
        (
            "events_joined",
            "events_alone",
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
        law: Which.
        excess: As `Law.excess`.
    """

    law: Law
    excess: int

    def __str__(self) -> str:
        found = "cannot be found" if self.excess > 0 else "too many have gone"
        return f"{self.law} is off by {self.excess}: {abs(self.excess)} {found}"


def broken(looks: Iterable[Figures]) -> list[Breach]:
    """The laws that are off by the same amount in every one of *looks*; in order of `LAWS`.

    One look is right for an agent at rest. Of one that works, take several: what is only under way
    moves between them.

    Raises:
        ValueError: If there is no look.
    """
    every = list(looks)
    if not every:
        raise ValueError("no figures to judge")
    found = []
    for law in LAWS:
        excesses = {law.excess(figures) for figures in every}
        if len(excesses) == 1 and (excess := excesses.pop()):
            found.append(Breach(law, excess))
    return found
