"""Columns of stored samples from rows; both databases select these columns in this order."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from zlib import crc32

from nilometer_collector.store.checksum import intact
from nilometer_collector.store.levels import Level
from nilometer_collector.store.records import Stretch


def stretches_of(rows: Sequence[Sequence[Any]], table: str, level: Level) -> list[Stretch]:
    """Return the samples in *rows* of one *level*; log corrupt ones and leave them out.

    Args:
        rows: Series, start, end, payload and checksum of each sample. Neighbours of one series are
            a stretch.
        table: Table that holds them.
        level: Level of the samples.
    """
    if not rows:
        return []
    series, starts, ends, payloads, checksums = zip(*rows, strict=True)
    if tuple(map(crc32, payloads)) != checksums:
        kept = [row for row in rows if intact(table, row[0], row[3], row[4])]
        return stretches_of(kept, table, level)
    if len(set(series)) == 1:
        return [Stretch(series[0], level, starts, ends, payloads)]
    borders = [at for at, (one, other) in enumerate(pairwise(series), 1) if one != other]
    return [
        Stretch(series[a], level, starts[a:b], ends[a:b], payloads[a:b])
        for a, b in pairwise([0, *borders, len(series)])
    ]
