"""Deduplicates rows of an outbox: stored sequences are a high-water mark and rows above it."""

from nilometer_collector.store.database import Database


class Stream:
    """The stored sequences of one outbox of one agent, inside a transaction.

    A row is stored once, even if the agent ships it repeatedly or out of order. All sequences up to
    the mark are complete. Sequences above the mark are stored one by one until the mark reaches them.
    """

    def __init__(self, database: Database, agent: str, epoch: bytes, now_ns: int) -> None:
        self._database = database
        found = database.row(
            "SELECT id, high_water FROM streams WHERE agent = ? AND epoch = ?", (agent, epoch)
        )
        if found is None:
            self.id = database.execute(
                "INSERT INTO streams (agent, epoch, high_water, received_ns) VALUES (?, ?, 0, ?)",
                (agent, epoch, now_ns),
            )
            self._mark = 0
        else:
            self.id, self._mark = found
        self._now_ns = now_ns
        self._stored_ahead = {
            sequence
            for (sequence,) in database.rows(
                "SELECT sequence FROM stream_ahead WHERE stream = ?", (self.id,)
            )
        }
        self._ahead = set(self._stored_ahead)

    def take(self, sequence: int) -> bool:
        """Add *sequence*; return whether it is new."""
        if sequence <= self._mark or sequence in self._ahead:
            return False
        self._ahead.add(sequence)
        return True

    def settle(self, oldest_held: int) -> None:
        """Advance the mark and write it; the agent will not ship rows below *oldest_held* again."""
        self._mark = max(self._mark, oldest_held - 1)
        while self._mark + 1 in self._ahead:
            self._mark += 1
        self._ahead = {sequence for sequence in self._ahead if sequence > self._mark}
        for sequence in self._stored_ahead - self._ahead:
            self._database.execute(
                "DELETE FROM stream_ahead WHERE stream = ? AND sequence = ?", (self.id, sequence)
            )
        for sequence in self._ahead - self._stored_ahead:
            self._database.execute(
                "INSERT INTO stream_ahead (stream, sequence) VALUES (?, ?)", (self.id, sequence)
            )
        self._database.execute(
            "UPDATE streams SET high_water = ?, received_ns = ? WHERE id = ?",
            (self._mark, self._now_ns, self.id),
        )
