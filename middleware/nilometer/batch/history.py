"""Past windows of a table: what agents would have sent for its rows, for the collector to store.

The rows are read in parts. Each part is split by window and label set, and each piece is profiled
like live traffic. If a window continues in the next part, its profiles are merged, as long as few
windows are open. A window is finished when it is complete, or when too many are open and it is the
oldest. It then becomes one sample per summary. The collector adds samples of one window, so rows
may be in any order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nilometer.batch.profile import profile_of, summary_of
from nilometer.bodies.arrow_cells import python_cells
from nilometer.profile import Coverage, FeatureProfile, FeatureSpec, SummarySample
from nilometer.profile.profiler import Profiler
from nilometer.profiling.event_time import EventTimes
from nilometer.profiling.segments import cell_label
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window

if TYPE_CHECKING:
    import pyarrow

OPEN_PROFILES = 1024  # limit for unfinished windows that later rows may continue; about 25 MB
SLOTS = 64  # sequences for one column in one window: its own summary and the derived ones
OWN_SLOTS = 1024  # sequences for all summaries of the user's profilers in one window

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOptions:
    """How rows become windows.

    Attributes:
        entity: Name of the monitored entity.
        time_column: Column with the time of each row; it is not profiled.
        window_seconds: Length of a window; >= 1. Windows are aligned to the epoch, as agents' are.
        times: Unit and time zone of times without an offset.
        labels: Column of each label, by label key.
        profilers: Profilers of users.
    """

    entity: str
    time_column: str
    window_seconds: int
    times: EventTimes = field(default_factory=EventTimes)
    labels: Mapping[str, str] = field(default_factory=dict)
    profilers: tuple[Profiler, ...] = ()


@dataclass(slots=True)
class HistoryCounts:
    """Counts of the rows and windows up to now.

    Attributes:
        rows: Number of rows.
        untimed: Number of rows without a time that can be read; they are left out.
        windows: Number of pairs of window and label set that were yielded.
        first_ns: Start of the earliest window, Unix nanoseconds; None without any.
        last_ns: End of the latest window.
    """

    rows: int = 0
    untimed: int = 0
    windows: int = 0
    first_ns: int | None = None
    last_ns: int | None = None


@dataclass(frozen=True, slots=True)
class NumberedSample:
    """A sample and its number in the table, which is the same in every run.

    Attributes:
        sequence: Number of the sample, >= 1; larger than those of all earlier samples.
        sample: Sample of one summary, label set and window.
    """

    sequence: int
    sample: SummarySample


@dataclass(slots=True)
class _OpenWindow:
    rows: int
    profiles: dict[str, FeatureProfile]


class History:
    """The past windows of one table. One owner.

    Args:
        options: How rows become windows.
        spec_of: Function that returns how agents count a summary.
    """

    def __init__(self, options: HistoryOptions, spec_of: Callable[[str], FeatureSpec]) -> None:
        self._options = options
        self._spec_of = spec_of
        self._open: dict[tuple[int, Labels], _OpenWindow] = {}
        self._columns: list[str] = []  # summaries of the table, in the order of their numbers
        self.counts = HistoryCounts()

    def samples(self, parts: Iterable["pyarrow.Table"]) -> Iterator[NumberedSample]:
        """Yield the samples of all rows of *parts*, by ascending sequence.

        Raises:
            ConfigError: If a part does not have the column of the time or of a label.
            NilometerError: If a user's profiler fails.
        """
        for table in parts:
            yield from self._part(table)
        for key in sorted(self._open, key=_order):
            yield from self._closed(key)

    def _part(self, table: "pyarrow.Table") -> Iterator[NumberedSample]:
        options = self._options
        for column in (options.time_column, *options.labels.values()):
            if column not in table.column_names:
                raise ConfigError(f"the table has no column {column!r}")
        self._columns += [
            name
            for name in map(summary_of, table.column_names)
            if name not in self._columns and name != summary_of(options.time_column)
        ]
        self.counts.rows += table.num_rows
        for start_ns, labels, rows in self._windows(table):
            held = self._open.setdefault((start_ns, labels), _OpenWindow(0, {}))
            held.rows += rows.num_rows
            for summary, feature in profile_of(rows, self._spec_of, options.profilers).items():
                before = held.profiles.get(summary)
                held.profiles[summary] = feature if before is None else before.merge(feature)
        most = max(OPEN_PROFILES // max(len(self._columns), 1), 1)
        for key in sorted(self._open, key=_order)[: max(len(self._open) - most, 0)]:
            yield from self._closed(key)

    def _windows(self, table: "pyarrow.Table") -> Iterator[tuple[int, Labels, "pyarrow.Table"]]:
        """Yield the rows of each window and label set of *table*, with the start of the window."""
        options = self._options
        times = _times(table.column(options.time_column), options.times)
        known = times >= 0
        self.counts.untimed += int((~known).sum())
        if not known.any():
            return
        if not known.all():
            table, times = table.filter(_mask(known)), times[known]
        length = options.window_seconds * NANOSECONDS
        starts = times - times % length
        label_sets = _label_sets(table, options.labels)
        found, code = np.unique(
            np.stack([starts, *(codes for codes, _ in label_sets.values())]),
            axis=1,
            return_inverse=True,
        )
        order = np.argsort(code, kind="stable")
        bounds = np.searchsorted(code[order], np.arange(found.shape[1] + 1))
        rows = table.drop_columns([options.time_column]).take(order)
        for at, (first, last) in enumerate(pairwise(bounds.tolist())):
            labels = {
                key: values[int(found[1 + place, at])]
                for place, (key, (_, values)) in enumerate(label_sets.items())
            }
            yield int(found[0, at]), Labels.of(labels), rows.slice(first, last - first)

    def _closed(self, key: tuple[int, Labels]) -> Iterator[NumberedSample]:
        start_ns, labels = key
        held = self._open.pop(key)
        window = Window(start_ns, start_ns + self._options.window_seconds * NANOSECONDS)
        counts = self.counts
        counts.first_ns = min(
            start_ns, counts.first_ns if counts.first_ns is not None else start_ns
        )
        counts.last_ns = max(window.end_ns, counts.last_ns or 0)
        base = 1 + counts.windows * (SLOTS * len(self._columns) + OWN_SLOTS)
        counts.windows += 1
        for slot, summary in self._slots(held.profiles):
            yield NumberedSample(
                base + slot,
                SummarySample(
                    entity=self._options.entity,
                    summary=summary,
                    labels=labels,
                    window=window,
                    coverage=Coverage(profiled=held.rows),
                    content=held.profiles[summary],
                ),
            )

    def _slots(self, summaries: Iterable[str]) -> list[tuple[int, str]]:
        """Return each of *summaries* with its number in the window, ascending.

        A column and the summaries derived from it have their own range of numbers. A reference
        decides what is derived from vectors, so it must not change the numbers of other columns.
        """
        of_column: dict[str, list[str]] = {}
        for summary in sorted(summaries):
            owners = [
                name for name in self._columns if summary == name or summary.startswith(f"{name}.")
            ]
            of_column.setdefault(max(owners, key=len, default=""), []).append(summary)
        found = []
        for place, name in enumerate([*self._columns, ""]):
            most = SLOTS if name else OWN_SLOTS
            for slot, summary in enumerate(of_column.get(name, ())[:most]):
                found.append((place * SLOTS + slot, summary))
        return found


def _order(key: tuple[int, Labels]) -> tuple[int, tuple[tuple[str, str], ...]]:
    return key[0], key[1].pairs


def _times(column: "pyarrow.ChunkedArray", times: EventTimes) -> Times:
    """Return Unix nanoseconds of each cell, shape (n,); -1 for a cell that is not a time."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.types as kinds

    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kinds.is_date(column.type):
        column = column.cast(pyarrow.timestamp("s"))
    if kinds.is_timestamp(column.type):
        if column.type.tz is None:
            zone = str(times.zone)
            column = pyarrow.compute.assume_timezone(
                column, zone, ambiguous="earliest", nonexistent="earliest"
            )
        unit = {"s": NANOSECONDS, "ms": 10**6, "us": 10**3, "ns": 1}[column.type.unit]
        # Times before 1970 or after 2116 are not times of traffic, and would overflow.
        whole = column.cast(pyarrow.int64()).fill_null(-1).to_numpy()
        fits = (whole >= 0) & (whole <= (1 << 62) // unit)
        return np.where(fits, whole, 0) * unit - np.where(fits, 0, 1)
    found = (times.unix_ns(cell) for cell in python_cells(column))
    return np.fromiter((-1 if one is None else one for one in found), np.int64, len(column))


def _label_sets(
    table: "pyarrow.Table", labels: Mapping[str, str]
) -> dict[str, tuple[Times, list[str]]]:
    """Return the code of each row and the value of each code, for each label key in order."""
    found: dict[str, tuple[Times, list[str]]] = {}
    for key, column in sorted(labels.items()):
        values = [cell_label(cell) for cell in python_cells(table.column(column))]
        names, codes = np.unique(np.asarray(values, dtype=object), return_inverse=True)
        found[key] = codes.astype(np.int64), [*names.tolist()]
    return found


def _mask(known: NDArray[np.bool_]) -> "pyarrow.Array":
    import pyarrow

    return pyarrow.array(known)
