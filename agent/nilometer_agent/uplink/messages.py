"""Messages of outbox rows, and what is counted of the rows that leave the outbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nilometer.wire.services import Row, ShipReply
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.rows import PAYLOAD_VERSION, OutboxRow

MAX_REASON_CHARACTERS = 200
KINDS = ("sample", "evaluation", "predictions")  # kinds of rows, the names of their fields


@dataclass(frozen=True, slots=True)
class Tally:
    """Counters of one outbox.

    Attributes:
        rows: Counters of acknowledged and of rejected rows; None for none.
        observations: Counters of the observations, or predictions, in these rows.
    """

    rows: tuple[Counter, Counter] | None
    observations: tuple[Counter, Counter]

    def add(
        self, counters: Counters, rows: Sequence[OutboxRow], rejected: Mapping[int, str]
    ) -> None:
        """Count *rows* that left the outbox, of which those with an id in *rejected* are lost."""
        bad = [row for row in rows if row.id in rejected]
        good = [row for row in rows if row.id not in rejected]
        for at, some in enumerate((good, bad)):
            if self.rows is not None:
                counters.add(self.rows[at], len(some))
            counters.add(self.observations[at], sum(row.observations for row in some))


OF_ROWS = Tally(
    (Counter.ROWS_ACKNOWLEDGED, Counter.ROWS_REJECTED),
    (Counter.OBSERVATIONS_ACKNOWLEDGED, Counter.OBSERVATIONS_REJECTED),
)
OF_PREDICTIONS = Tally(None, (Counter.PREDICTIONS_ACKNOWLEDGED, Counter.PREDICTIONS_REJECTED))


def refused_predictions(reply: ShipReply) -> int:
    """Return the number of predictions that the collector left out of stored batches."""
    return sum(one.rows for one in reply.refused_predictions)


def to_wire(rows: Sequence[OutboxRow]) -> tuple[list[Row], dict[int, str]]:
    """Return messages for the readable rows, and reasons by id for the unreadable ones."""
    messages, rejected = [], {}
    for row in rows:
        message = Row(sequence=row.sequence)
        if row.version > PAYLOAD_VERSION or row.kind not in KINDS:
            rejected[row.id] = f"unreadable: {row.kind} of version {row.version}"
            continue
        try:
            getattr(message, row.kind).MergeFromString(row.payload)
        except Exception as error:  # protobuf's own error has no public base class
            rejected[row.id] = f"unreadable: {error}"[:MAX_REASON_CHARACTERS]
            continue
        messages.append(message)
    return messages, rejected
