"""The kept counts of the base windows of one entity, merged for subjects with longer windows."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import History
from nilometer.alert.calibrated.judge import Judge
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer_collector.watch.memory import Book, Watched
from nilometer_collector.watch.packing import unpacked_window
from nilometer_collector.watch.reading import BaseWindow
from nilometer_collector.watch.sources import WatchedStore

Waiting = Sequence[tuple[int, bytes]]  # packed counts that the next step stores, by their ends


class KeptWindows:
    """Reads the kept windows of *entity* from *store*, and those that wait to be stored."""

    def __init__(self, entity: str, store: WatchedStore) -> None:
        self._entity = entity
        self._store = store

    def rows(
        self, start_ns: int, end_ns: int, waiting: Waiting
    ) -> Iterator[tuple[int, dict[int, Floats]]]:
        """Read the counts of the base windows that end in ``(start_ns, end_ns]``, in order."""
        stored = dict(self._store.watching.windows(self._entity, start_ns, end_ns))
        stored |= {end: content for end, content in waiting if start_ns < end <= end_ns}
        for end in sorted(stored):
            yield end, unpacked_window(stored[end])

    def due(
        self, judge: Judge, book: Book, window: BaseWindow, waiting: Waiting
    ) -> Mapping[PartKey, Floats]:
        """Return the counts of all subjects of *judge* whose window ends with *window*."""
        due = judge.due(window.end_ns)
        longest = min(due.values(), default=window.end_ns)
        if window.end_ns - longest <= BASE_NS:
            return window.counts
        lengths, slots = judge.lengths, book.slots
        wanted = {key: slots[key] for key in due if lengths[key] > 1}
        found = {key: window.counts[key] for key in due if key in window.counts}
        for end, row in self.rows(longest, window.end_ns - BASE_NS, waiting):
            for key, slot in wanted.items():
                if end > due[key] and slot in row:
                    found[key] = found[key] + row[slot] if key in found else row[slot]
        return found

    def history(self, watched: Watched, onset_ns: int, end_ns: int, waiting: Waiting) -> History:
        """Return the windows of *watched* from *onset_ns* up to *end_ns*."""
        length_ns = watched.length * BASE_NS
        first = onset_ns // length_ns * length_ns
        counts = np.zeros(((end_ns - first) // length_ns, watched.counted.column.width))
        for end, row in self.rows(first, end_ns, waiting):
            place = (end - 1 - first) // length_ns
            if watched.slot in row and place < len(counts):
                counts[place] += row[watched.slot]
        starts = first + np.arange(len(counts), dtype=np.int64) * length_ns
        return History(starts, counts)
