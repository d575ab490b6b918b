"""Check of the outbox."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.words import bytes_in_words

NEARLY_FULL = 0.5  # share of the outbox's cap; the outbox drops rows above nine tenths


def buffer(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check that the outbox is durable, has room, and has lost no row."""
    status = examined.status
    if status is None:
        return
    counted, held = status.counters, status.gauges
    if not held["buffer_durable"]:
        yield Finding(
            "buffer",
            Level.BROKEN,
            "the disk cannot be used: acknowledged data is in memory only",
            f"check the disk of {status.data_directory}; the agent returns to it by itself",
        )
    used = held["buffer_bytes"] / max(held["buffer_bytes_cap"], 1)
    text = (
        f"{held['rows_in_outbox']:,} rows wait, {bytes_in_words(held['buffer_bytes'])} of "
        f"{bytes_in_words(held['buffer_bytes_cap'])}"
    )
    if used > NEARLY_FULL:
        remedy = "the collector is unreachable or slow: see below; raise max_outbox_bytes"
        yield Finding("buffer", Level.WARNING, text, remedy)
    else:
        yield Finding("buffer", Level.OK, text)
    for name, what, remedy in (
        (
            "rows_dropped_for_space",
            "rows dropped because the outbox or the disk was full",
            "raise max_outbox_bytes, or free space on the disk",
        ),
        (
            "rows_corrupt",
            "stored rows fail their checksum",
            "the disk or the memory may be failing: check the kernel's log",
        ),
        (
            "recoveries",
            "times the outbox file was damaged and rebuilt",
            "the old file is kept next to it with the suffix .corrupt; check the disk",
        ),
        (
            "rows_rejected",
            "rows rejected permanently by the collector",
            "the agent's log says why; they are kept in quarantine",
        ),
        ("disk_faults", "transactions refused by the disk", "check the kernel's log"),
    ):
        if counted[name]:
            lost = name in {"rows_dropped_for_space", "rows_rejected"}
            level = Level.BROKEN if lost else Level.WARNING
            yield Finding("buffer", level, f"{counted[name]:,} {what}", remedy)
