"""Arguments and results of the store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nilometer.alert import Alerter
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.alerting.decisions import Decision
from nilometer_collector.store.levels import Level
from nilometer_collector.store.shipments import SampleRow

ALERTER_DELETED = "the alerter was deleted"
AGENTS_SILENT = "no agent has judged this any more"
SUMMARY_LEFT = "the alerter no longer watches this summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRecord:
    """Statistics of the samples of one entity, summary and label set.

    Attributes:
        seen: Number of observations, profiled or not.
        numbers: Number of finite numbers.
        categories: Number of strings and booleans.
        samples: Number of samples.
        first_start_ns: Start of the oldest window.
        last_end_ns: End of the newest window.
        longest_window_ns: Length of the longest window.
        last_window_ns: Length of the window that arrived last.
        last_received_ns: Wall time of the last arrival.
    """

    id: int
    entity: str
    summary: str
    labels: Labels
    seen: int
    numbers: int
    categories: int
    samples: int
    first_start_ns: int
    last_end_ns: int
    longest_window_ns: int
    last_window_ns: int
    last_received_ns: int


class EntityTotals(NamedTuple):
    """Statistics of all series of an entity.

    Attributes:
        summaries: Number of its summaries.
        seen: Largest number of observations of a summary, because all summaries count the same
            requests.
        first_start_ns: Start of the oldest window.
        last_end_ns: End of the newest window.
        last_received_ns: Wall time of the last arrival.
        last_window_ns: Length of the window that arrived last.
    """

    entity: str
    summaries: int
    seen: int
    first_start_ns: int
    last_end_ns: int
    last_received_ns: int
    last_window_ns: int


class SampleRecord(NamedTuple):
    """One stored sample: its window, and bytes that match their checksum.

    The window of a roll-up is also contained in its bytes.

    Attributes:
        series: Id of its series.
        level: Level that it was read from.
    """

    window_start_ns: int
    window_end_ns: int
    payload: bytes
    series: int
    level: Level


class Size(NamedTuple):
    """Number of samples, and the bytes of their contents."""

    samples: int
    bytes: int

    def plus(self, other: "Size") -> "Size":
        """Return the size of both together."""
        return Size(self.samples + other.samples, self.bytes + other.bytes)

    def minus(self, other: "Size") -> "Size":
        """Return what remains without *other*."""
        return Size(self.samples - other.samples, self.bytes - other.bytes)

    def fits(self, most: "Size") -> bool:
        """Return whether there are at most as many samples and bytes as in *most*."""
        return self.samples <= most.samples and self.bytes <= most.bytes


class TooLarge(NilometerError):
    """More samples match than may be read.

    Args:
        size: Samples that were counted until there were too many.
    """

    def __init__(self, size: Size) -> None:
        super().__init__(f"{size.samples} samples of {size.bytes} bytes are too many to read")
        self.size = size


@dataclass(frozen=True, slots=True)
class Stretch:
    """Stored samples of one series and level, as columns: no object for each sample.

    Attributes:
        series: Id of the series.
        level: Level that the samples were read from.
        starts: Start of the window of each sample, in nanoseconds, in any order.
        ends: End of each window.
        payloads: Bytes of each sample, which match their checksum.
    """

    series: int
    level: Level
    starts: Sequence[int]
    ends: Sequence[int]
    payloads: Sequence[bytes]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.payloads)

    @property
    def size(self) -> Size:
        """Number and bytes of the samples."""
        return Size(len(self.payloads), sum(map(len, self.payloads)))

    def records(self) -> Iterator[SampleRecord]:
        """Yield the samples one by one."""
        for start, end, payload in zip(self.starts, self.ends, self.payloads, strict=True):
            yield SampleRecord(start, end, payload, self.series, self.level)


class Part(NamedTuple):
    """A roll-up's unit: samples of one window of one series that arrived on one day.

    Samples from a later day belong to another part of the same window. So a part can be merged
    again from all its samples while it can change, because they are kept for longer than a day.

    Attributes:
        level: Level of the window.
        arrival_day: Day of arrival, UTC, counted from 1970.
    """

    entity: str
    series: int
    level: Level
    window: Window
    arrival_day: int

    @property
    def last_start_ns(self) -> int:
        """Largest start of a sample in the part; the smallest start is that of the window."""
        return self.window.start_ns if self._is_own else self.window.end_ns - 1

    @property
    def longest_ns(self) -> int:
        """Length below which any sample may belong to the part; longer ones need its window."""
        return 0 if self._is_own else self.level.length_ns

    @property
    def _is_own(self) -> bool:
        """Whether the window is that of a sample that is longer than the level's windows."""
        return self.window != Window.containing(self.window.start_ns, self.level.length_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class StalePart:
    """A part without some of its samples.

    Attributes:
        labels: Labels of its series.
        version: Number that changes when another sample arrives.
    """

    part: Part
    labels: Labels
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollUp:
    """The merged samples of a stale part.

    Attributes:
        rows: Usually one sample. There are several if the samples do not merge with each other, and
            none if no sample can be read.
    """

    stale: StalePart
    rows: Sequence[SampleRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRecord:
    """The content of a level.

    Attributes:
        rows: Number of stored samples or roll-ups.
        bytes: Size of the encoded samples, without indexes.
        stale: Number of parts that wait to be rolled up to this level.
        held_from_ns: Time of arrival from which the level is complete; 0 if nothing was removed
            yet.
    """

    level: Level
    rows: int
    bytes: int
    stale: int
    held_from_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncollected:
    """The samples that `RollUps.collect` has not yet added to the statistics of their series.

    Attributes:
        rows: Number of samples.
        oldest_ns: Time of arrival of the oldest one, Unix nanoseconds; 0 without samples.
    """

    rows: int
    oldest_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRecord:
    """One version of a reference, without its columns.

    Attributes:
        expires_ns: Wall time from which no window is compared with it, Unix nanoseconds; None for
            never.
    """

    id: int
    entity: str
    name: str
    digest: str
    created_ns: int
    rows: int
    source: str
    current: bool
    expires_ns: int | None = None

    def has_expired(self, at_ns: int) -> bool:
        """Return whether it has expired at *at_ns*."""
        return self.expires_ns is not None and self.expires_ns <= at_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRecord:
    """An opening or a closing of an episode, with the alerter and the evidence at that time.

    Attributes:
        status: Status after it: ALERTING for an opening, OK for a closing, PAUSED if the alerter was
            deleted or its new normal accepted, NO_DATA if nothing was judged any more, LEARNING if
            the default alerter learns a new normal.
        at_ns: End of the window that caused it.
        window_start_ns: Start of that window.
        recorded_ns: Wall time at which the collector stored the transition.
    """

    status: str
    at_ns: int
    window_start_ns: int
    recorded_ns: int
    value: float
    evidence: str
    reference_digest: str
    alerter: Alerter


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """A summary and label set that drifted in an episode of the default alerter.

    Attributes:
        labels: Label set; empty for all traffic.
        component: Component that drifted, such as ``position``.
        direction: 1 if it is above normal, -1 if below.
        onset_ns: Estimated start of the drift.
        opened_ns: End of the window that opened the part.
        closed_ns: End of the window that closed it; None while it is open.
        effect: Distance from normal since the onset, measured when the part opened, in `unit`.
        bound: Lower bound of the effect, with 99 % confidence.
        tolerance: Distance from normal that did not count as drift at that time, in `unit`.
        unit: Unit of `effect`, `bound` and `tolerance`.
        severity: ``info``, ``warning`` or ``critical``, by the lower bound.
        evidence: What moved, how far and since when, one sentence.
        ended: How it closed, a `PartEnd`; None while it is open, and for parts of older versions.
    """

    summary: str
    labels: Labels
    component: str
    direction: int
    onset_ns: int
    opened_ns: int
    closed_ns: int | None
    effect: float
    bound: float
    tolerance: float
    unit: str
    severity: str
    evidence: str
    ended: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRecord:
    """The time from an alerter's opening to its closing.

    Attributes:
        alerter: Alerter as it was when the episode opened.
        since_ns: Start of the first window of the breaches that opened it.
        opened_ns: End of the window that opened it.
        worst: Value with the largest excess over the threshold up to now.
        worst_ns: End of the window in which it was measured; None for episodes of older versions.
        number: Number of an episode of the default alerter within its entity; None for others.
        closed_ns: End of the window that closed it; None while it is open.
        history: Openings and closings, oldest first.
        parts: Parts of an episode of the default alerter, oldest first; empty for others.
        decisions: Decisions of people about it, oldest first.
    """

    id: int
    summary: str
    labels: Labels
    alerter: Alerter
    since_ns: int
    opened_ns: int
    closed_ns: int | None
    worst: float
    reference_digest: str
    evidence: str
    history: tuple[TransitionRecord, ...]
    parts: tuple[PartRecord, ...] = ()
    decisions: tuple[Decision, ...] = ()
    worst_ns: int | None = None
    number: int | None = None
