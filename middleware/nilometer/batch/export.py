"""Exports the history of an entity from a collector to a Parquet file, a page at a time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from nilometer.batch.exported import STORE, batch_of, schema
from nilometer.client.answers import SummaryStatus
from nilometer.client.asked import selection
from nilometer.client.client import Client
from nilometer.client.conversations import SAMPLES_AT_ONCE, require_new, series_page, store
from nilometer.client.errors import Invalid
from nilometer.client.spans import Span
from nilometer.values.errors import ConfigError

MOST_KEYS = 8  # label keys that a query keeps apart
DAY_SECONDS = 86_400  # long parts are divided at days, because no roll-up is longer


class Exported(NamedTuple):
    """The size of an export."""

    rows: int
    summaries: int


def export(
    client: Client, entity: str, patterns: Sequence[str], span: Span, step: int, path: Path
) -> Exported:
    """Write the samples of *entity* to the new file *path*.

    Args:
        client: Client of the collector.
        entity: Name of the entity.
        patterns: Names of summaries, or patterns such as ``input.*``; empty for all.
        span: Time to export.
        step: Length of the windows in seconds; longer windows stay as they are.
        path: Path of the Parquet file.

    Raises:
        ConfigError: If *path* exists or cannot be written, no summary matches, or a summary has
            more than `MOST_KEYS` label keys.
        RequestFailed: If the collector does not answer, or refuses.
    """
    import pyarrow
    import pyarrow.parquet

    if path.exists():
        raise ConfigError(f"{path}: exists: choose another name, or remove it")
    chosen = _matching(client, entity, patterns)
    bounds = _bounds(client, entity, span)
    described = schema().with_metadata({STORE: client.run(store(entity))})
    part = path.with_name(f"{path.name}.part")
    rows = 0
    try:
        with pyarrow.parquet.ParquetWriter(part, described, compression="zstd") as writer:
            for summary in chosen:
                asked = [
                    ("show", "sample"),
                    *selection([summary.name], None, None, [*summary.labels]),
                ]
                for packed in _pages(client, entity, asked, bounds, step):
                    writer.write_batch(batch_of(packed))
                    rows += len(packed)
        part.rename(path)
    except (OSError, pyarrow.ArrowException) as error:
        number = getattr(error, "errno", None)  # Arrow's own text names a temporary file
        raise ConfigError(f"{path}: {os.strerror(number) if number else error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Exported(rows, len(chosen))


def _matching(client: Client, entity: str, patterns: Sequence[str]) -> list[SummaryStatus]:
    known = client.entity(entity).summaries()
    for pattern in patterns:
        if not any(fnmatchcase(one.name, pattern) for one in known):
            raise ConfigError(f"--summary = {pattern!r}: {entity} has no such summary")
    chosen = [
        one
        for one in known
        if not patterns or any(fnmatchcase(one.name, pattern) for pattern in patterns)
    ]
    for one in chosen:
        if len(one.labels) > MOST_KEYS:
            raise ConfigError(
                f"{one.name} has {len(one.labels)} label keys, at most {MOST_KEYS} can be kept apart: "
                "leave it out with --summary"
            )
    return chosen


def _bounds(client: Client, entity: str, span: Span) -> tuple[float, float]:
    """Return the part of *span* in which the entity has data, Unix seconds."""
    status = client.entity(entity).status()
    first, last = status.first_seen or 0.0, status.last_seen or 0.0
    start = first if span.start is None else max(span.start, first)
    return start, last if span.end is None else min(span.end, last)


def _pages(
    client: Client,
    entity: str,
    asked: Sequence[tuple[str, str]],
    bounds: tuple[float, float],
    step: int,
    *,
    is_first: bool = True,
) -> Iterator[list[bytes]]:
    """Yield the encoded samples of each page; a time with too many points is divided.

    A window that overlaps two parts belongs to the earlier one.
    """
    start, end = bounds
    if end <= start:
        return
    parameters = [*asked, *Span(start, end).parameters(step)]
    after: str | None = None
    seen: set[str] = set()
    while True:
        try:
            page = client.run(series_page(entity, parameters, SAMPLES_AT_ONCE, after))
        except Invalid as error:
            unit = DAY_SECONDS if end - start > 2 * DAY_SECONDS else step
            middle = (start + end) / 2 // unit * unit
            if error.field not in {"step", "by", "start"} or not start < middle < end or after:
                raise
            yield from _pages(client, entity, asked, (start, middle), step, is_first=is_first)
            yield from _pages(client, entity, asked, (middle, end), step, is_first=False)
            return
        points = [point for one in page.series for point in one.points]
        packed = [one.sample for one in points if is_first or one.window_start >= start]
        if packed:
            yield packed
        after = page.next
        if after is None:
            return
        require_new(after, seen)
