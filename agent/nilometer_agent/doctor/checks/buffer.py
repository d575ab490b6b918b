"""The outbox."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.words import bytes_in_words

NEARLY_FULL = 0.5  # of the outbox's cap; above nine tenths rows are dropped


def buffer(examined: ExaminedAgent) -> Iterator[Finding]:
    """Whether the outbox is durable, has room, and has lost nothing."""
    status = examined.status
    if status is None:
        return
    counted, held = status.counters, status.gauges
    if not held["buffer_durable"]:
        yield Finding(
            "buffer",
            Level.BROKEN,
            "the disk cannot be used: what is acknowledged is in memory only",
            f"see the disk under {status.data_directory}; the agent goes back to it by itself",
        )
    used = held["buffer_bytes"] / max(held["buffer_bytes_cap"], 1)
    text = (
        f"{held['rows_in_outbox']:,} rows wait, {bytes_in_words(held['buffer_bytes'])} of "
        f"{bytes_in_words(held['buffer_bytes_cap'])}"
    )
    if used > NEARLY_FULL:
        remedy = "the collector is away or slow: see below; raise max_outbox_bytes"
        yield Finding("buffer", Level.WARNING, text, remedy)
    else:
        yield Finding("buffer", Level.OK, text)
    for name, what, remedy in (
        (
            "rows_dropped_for_space",
            "rows were dropped because the outbox or the disk was full",
            "raise max_outbox_bytes, or make room on the disk",
        ),
        (
            "rows_corrupt",
            "stored rows fail their checksum",
            "the disk or its memory is failing: look at the kernel's log",
        ),
        (
            "recoveries",
            "times a new file was made of a damaged one",
            "the old file stands beside it, ending in .corrupt; look at the disk",
        ),
        (
            "rows_rejected",
            "rows were refused by the collector for good",
            "the agent's log says why; they are kept in quarantine",
        ),
        ("disk_faults", "transactions were refused by the disk", "look at the kernel's log"),
    ):
        if counted[name]:
            lost = name in {"rows_dropped_for_space", "rows_rejected"}
            level = Level.BROKEN if lost else Level.WARNING
            yield Finding("buffer", level, f"{counted[name]:,} {what}", remedy)
