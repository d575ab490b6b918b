"""What is found in a buffer after a fault, against what was acknowledged before it."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from faults import oracle

from nilometer.testing import SteppedClock
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer


@dataclass(slots=True)
class Outcome:
    """What became of numbered payloads.

    Attributes:
        lost: Acknowledged, and neither shipped before nor held now.
        doubled: Held as two things, or held again as something else after it was shipped.
        invented: Held, and nobody's payload.
        disordered: Rows that stand behind a later one of their epoch: the collector is told that
            nothing before the first row of a call will come, and would take them for old ones.
        held: Payloads that the buffer has now.
    """

    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    disordered: list[int] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.invented or self.disordered)


def notes(lines: Iterable[str]) -> dict[str, set[int]]:
    """Numbers by kind: D committed, R closed, S shipped (the collector has it), F forgotten."""
    found: dict[str, set[int]] = {"D": set(), "R": set(), "S": set(), "F": set()}
    for line in lines:
        if line:
            found[line[0]].add(int(line[1:]))
    return found


def opened(directory: Path, acknowledged: dict[str, set[int]], max_bytes: int) -> Outcome:
    """Open the buffer in *directory*, empty it as an agent would, and compare.

    A row that was shipped may be shipped again under its old epoch and sequence: the collector
    knows it. A delta whose row was shipped must not be there: it would be merged once more.
    """
    logging.disable(logging.CRITICAL)
    outcome, counters = Outcome(), Counters()
    buffer = Buffer(directory / "agent.db", SteppedClock(), counters, max_bytes=max_bytes)
    try:
        held: Counter[int] = Counter()
        newest: dict[bytes, int] = {}  # by epoch
        for table, row in list(buffer._ledger.everything()):
            if table not in {"outbox", "partials"}:
                continue
            if table == "outbox":
                _, epoch, sequence, *_ = row
                if sequence < newest.get(epoch, 0):
                    outcome.disordered.append(sequence)
                newest[epoch] = max(newest.get(epoch, 0), sequence)
            number = oracle.number_of(row[-1])
            if number is None:
                outcome.invented.append(repr(row[-1][:20]))
                continue
            held[number] += 1
            if table == "partials" and number in acknowledged["S"]:
                outcome.doubled.append(number)
        outcome.doubled += [number for number, count in held.items() if count > 1]
        outcome.held = set(held)
        due = acknowledged["D"] - acknowledged["S"]
        outcome.lost = sorted(due - outcome.held)
        outcome.counts.update(counters.snapshot())
        outcome.counts["rows_spoilt"] = buffer._ledger.database.damaged
        outcome.counts["durable"] = int(buffer.durable)
    finally:
        buffer.close()
        logging.disable(logging.NOTSET)
    return outcome
