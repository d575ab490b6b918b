"""Rows that arrived after their window was judged.

Late rows change no evidence. A check finds them: it counts the windows of one summary again, if their
samples have changed since the check before. The next fit learns from the new counts.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nilometer.alert.calibrated.columns import Floats, Total
from nilometer.alert.calibrated.counting import SummaryColumn, is_pooled
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.values.entity import stored_summary
from nilometer_collector.store import SeriesRecord
from nilometer_collector.watch.columns import is_same
from nilometer_collector.watch.memory import DAY_NS, Book, Late, Memory, Watched
from nilometer_collector.watch.reading import Reader
from nilometer_collector.watch.usual import HOUR_NS

CHECK_NS = 6 * HOUR_NS  # time between two checks
SPAN_NS = 3 * DAY_NS  # time before now that is checked
CONSIDERABLE = 0.05  # smallest share of late rows that the status mentions

log = logging.getLogger("nilometer.collector")

_CELLS = Total.CELLS - len(Total)
_LEAST = 0.5  # rows; smaller differences are rounding, as kept counts may be estimates


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a check.

    Attributes:
        late: Late rows of the last `SPAN_NS`.
        windows: Base windows with late rows, counted again, by their ends.
    """

    late: Late
    windows: Mapping[int, Mapping[int, Floats]]


class Looked:
    """Keeps the rows of one summary in base windows, so that a check decodes only new samples.

    It takes about 200 bytes a window. After a restart it is empty, and the next check decodes all.
    """

    def __init__(self) -> None:
        self._of: SummaryColumn | None = None
        self._rows: dict[int, tuple[int, float]] = {}  # hash of the samples, and rows, by ends

    def rows(
        self, reader: Reader, series: Sequence[SeriesRecord], lead: Watched, span: tuple[int, int]
    ) -> Iterator[tuple[int, float]]:
        """Yield the rows of *lead* in each base window of *span* with samples, in order."""
        before = self._rows if self._of is not None and is_same(self._of, lead.counted) else {}
        self._of, self._rows = lead.counted, {}
        columns = {lead.key.summary: lead.counted}
        for end_ns, payloads in reader.payloads(series, *span):
            digest = hash(tuple(payloads))
            known, rows = before.get(end_ns, (None, 0.0))
            if known != digest:
                vector = reader.counts(payloads, columns).get(lead.key)
                rows = 0.0 if vector is None else float(vector[_CELLS])
            self._rows[end_ns] = (digest, rows)
            yield end_ns, rows


def span_of(memory: Memory, past_ns: int) -> tuple[int, int]:
    """Return the span to check: judged windows only, so none before *past_ns*."""
    begun_ns = max(memory.end_ns - SPAN_NS, past_ns, memory.begun_ns + DAY_NS)
    return min(begun_ns, memory.end_ns), memory.end_ns


def check(
    entity: str,
    reader: Reader,
    series: Sequence[SeriesRecord],
    book: Book,
    kept: Mapping[int, Mapping[int, Floats]],
    looked: Looked,
    before: Late,
    span: tuple[int, int],
) -> Found:
    """Count the windows of *span* again.

    Args:
        entity: Name of the entity.
        reader: Reader of the entity's samples.
        series: Series of the entity.
        book: Subjects of the entity.
        kept: Counts of the base windows as they were judged, by their ends and slots.
        looked: Rows that earlier checks have counted.
        before: Result of the last check.
        span: Windows to check: they end in ``(start_ns, end_ns]``.
    """
    lead, judged = _lead(book, kept)
    known = tuple(one for one in before.found if one[0] > span[0])
    if lead is None:
        return Found(Late(checked_ns=span[1], found=known), {})
    own = [one for one in series if one.summary == stored_summary(lead.key.summary)]
    ends, rows = [], 0.0
    for end_ns, now in looked.rows(reader, own, lead, span):
        old = kept.get(end_ns, {}).get(lead.slot)
        more = now - (0.0 if old is None else float(old[_CELLS]))
        if more > _LEAST:
            ends.append(end_ns)
            rows += more
    windows = {}
    every = {one.key.summary: one.counted for one in book.watched}
    slots = book.slots
    for end in ends:
        for window in reader.base_windows(series, every, end - BASE_NS, end):
            windows[end] = {slots[k]: v for k, v in window.counts.items() if k in slots}
    found = (*known, (span[1], round(rows))) if ends else known
    late = Late(checked_ns=span[1], found=found, judged=round(judged))
    if late.share >= CONSIDERABLE > before.share:
        log.warning(
            "many rows arrive after their window was judged, they change no evidence: check the "
            "connections and the clocks of the agents",
            extra={"entity": entity, "rows": late.rows},
        )
    return Found(late, windows)


def _lead(book: Book, kept: Mapping[int, Mapping[int, Floats]]) -> tuple[Watched | None, float]:
    """Return the summary with the most rows in *kept*, and these rows."""
    best: Watched | None = None
    most = 0.0
    for one in book.watched:
        if is_pooled(one.key):
            rows = sum(float(row[one.slot][_CELLS]) for row in kept.values() if one.slot in row)
            if rows > most:
                best, most = one, rows
    return best, most
