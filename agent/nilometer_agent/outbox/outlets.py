"""What the shippers take from the buffer: summaries and evaluations, or logged predictions."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import OutboxRow
from nilometer_agent.outbox.sealing import CannotOpen

log = logging.getLogger("nilometer.agent")


class Outlet(Protocol):
    """Rows that wait for the collector."""

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Return the oldest rows of one epoch, and the ids of corrupt ones.

        The result has at most *most* rows and *most_bytes* in total, but at least one waiting row.
        """
        ...

    def acknowledge(
        self, rows: Iterable[OutboxRow], rejected: Mapping[int, str], corrupt: Iterable[int] = ()
    ) -> set[int]:
        """Delete *rows* and *corrupt* ids; *rejected* has the reasons of rejected rows by id.

        Returns:
            Ids of *rows* that were dropped for space since `oldest` returned them. They are already
            counted as dropped.
        """
        ...

    def make_room(self) -> None:
        """Drop the oldest rows while there is too little room, if that is the policy."""
        ...


class PredictionOutlet:
    """Logged predictions, decrypted. A rejected batch is deleted, because it may be personal data.

    Args:
        buffer: Buffer with the predictions.
        counters: Counters of the agent.
    """

    def __init__(self, buffer: Buffer, counters: Counters) -> None:
        self._buffer = buffer
        self._counters = counters

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Return the oldest batches, and the ids of corrupt ones; delete those without a key."""
        rows, corrupt = self._buffer.oldest_predictions(most, most_bytes)
        opened, closed = [], []
        for row in rows:
            try:
                opened.append(replace(row, payload=self._buffer.seal.open(row.payload)))
            except CannotOpen as error:
                closed.append(row)
                log.error(  # noqa: TRY400  the reason says all
                    "logged predictions dropped, they cannot be decrypted: set the key that they "
                    "were encrypted with",
                    extra={"predictions": row.observations, "reason": str(error)},
                )
        if closed:
            gone = self._buffer.forget_predictions(closed)
            lost = sum(row.observations for row in closed if row.id not in gone)
            self._counters.add(Counter.PREDICTIONS_DROPPED, lost)
            if not opened:
                return self.oldest(most, most_bytes)
        return opened, corrupt

    def acknowledge(
        self, rows: Iterable[OutboxRow], rejected: Mapping[int, str], corrupt: Iterable[int] = ()
    ) -> set[int]:
        """Delete *rows* and *corrupt* ids; return the ids of rows that were dropped before."""
        _ = rejected
        return self._buffer.forget_predictions(rows, [*corrupt])

    def make_room(self) -> None:
        """Do nothing: a commit keeps the limit of the log."""
