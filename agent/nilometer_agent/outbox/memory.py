"""A ledger in memory for the time without a disk, and the rows that it takes from the file."""

from collections.abc import Iterable
from pathlib import Path

from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.rows import Lost, Row
from nilometer_agent.outbox.salvage import salvage

SALVAGED_SHARE = 0.5  # share of the memory that rows of a read-only file may use


def ledger_in_memory(rows: Iterable[Row], most_bytes: int) -> Ledger:
    """Return a ledger in memory with *rows*, which grows to at most *most_bytes*.

    Raises:
        sqlite3.Error: If the rows do not fit.
    """
    ledger = Ledger(None, most_bytes)
    try:
        ledger.take_in(rows, set())
    except BaseException:
        ledger.close()
        raise
    return ledger


def fitting(rows: Iterable[Row], most_bytes: int) -> tuple[list[Row], Lost]:
    """Return the *rows* that fit in their share of *most_bytes*, and counts of the others."""
    kept: list[Row] = []
    left = Lost()
    room = most_bytes * SALVAGED_SHARE
    for table, row in rows:
        if isinstance(row[-1], bytes):
            room -= len(row[-1])
        if room > 0:
            kept.append((table, row))
        elif table in {"outbox", "partials"}:
            left += Lost(1, row[-2])
    return kept, left


def readable(path: Path, most_bytes: int) -> list[Row]:
    """Return rows of a file that cannot be written; its partial profiles stay in the file."""
    try:
        if path.stat().st_size > 16 * most_bytes:
            return []
    except OSError:
        return []
    return [row for row in salvage(path) if row[0] != "partials"]
