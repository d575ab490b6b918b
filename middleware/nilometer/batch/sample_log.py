"""Logs samples of summaries that a job measures itself, each once however often it is sent.

A content is made by a function of this module, such as `number`, and gets its window when it is put.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np

from nilometer.batch.collector_calls import calls_to
from nilometer.profile import (
    Content,
    Coverage,
    FeatureRecorder,
    FeatureSpec,
    ScoreProfile,
    SummarySample,
)
from nilometer.profile.logged import confusion_matrix as confusion
from nilometer.profile.logged import line as lines
from nilometer.profile.logged import matrix as matrices
from nilometer.profile.logged import number as numbers
from nilometer.profile.logged import table as tables
from nilometer.profile.logged.amounts import Aggregation, Head, Stamp
from nilometer.profile.logged.text import Text
from nilometer.profile.performance import Performance
from nilometer.settings.credentials import NO_CREDENTIALS, Credentials
from nilometer.values.clock import SystemClock, nanoseconds
from nilometer.values.entity import LOGGED, entity_name
from nilometer.values.errors import BatchRejected
from nilometer.values.labels import Labels
from nilometer.values.senders import TABLES
from nilometer.values.window import Window
from nilometer.wire.samples import sample_to_wire
from nilometer.wire.services import Row, ShipRequest

MAX_ROWS = 200  # most samples that wait for one call
MAX_BYTES = 2 << 20  # most bytes of them; a collector takes calls of 4 MiB
SOURCE_BYTES = 16

Logged: TypeAlias = Callable[[Head], Content]


class SampleLog:
    """Logs samples of one entity. Use it in a ``with`` block, whose end sends what is left.

    Args:
        collector: Address of the collector's gRPC server, ``host:port``.
        entity: Name of the entity.
        credentials: Credentials for the collector.

    Raises:
        ConfigError: If the name is not allowed, or the token would be sent without TLS.

    Not thread-safe.
    """

    def __init__(
        self, collector: str, entity: str, credentials: Credentials = NO_CREDENTIALS
    ) -> None:
        self._entity = entity_name(entity)
        self._closing = ExitStack()
        self._calls = self._closing.enter_context(calls_to(collector, credentials))
        self._source = secrets.token_bytes(SOURCE_BYTES)
        self._next = 1
        self._rows: list[Row] = []
        self._bytes = 0  # of these rows

    def put(
        self,
        name: str,
        content: Logged,
        *,
        start: float,
        seconds: float,
        created: float | None = None,
        labels: Mapping[str, str] | None = None,
        aggregation: str = Aggregation.LAST.value,
        unit: str = "",
    ) -> None:
        """Log one sample; it is stored at the end of the block at the latest.

        If too many samples wait, they are sent first.

        Args:
            name: Name of the summary, without ``logged.``.
            content: Content, from a function of this module.
            start: Start of the window, Unix seconds.
            seconds: Length of the window.
            created: Unix seconds when the sample was made; None for now.
            labels: Labels of the sample.
            aggregation: How samples become one: ``sum``, ``mean``, ``min``, ``max`` or ``last``.
            unit: Unit of the numbers, for readers.

        Raises:
            ValueError: If the content contradicts itself or is too large, or *aggregation* is
                unknown.
            CollectorUnavailable: If the collector does not answer. This sample is not logged, so you
                may put it again; earlier samples wait for the next call.
            BatchRejected: If the collector refuses earlier samples; all others are stored or wait.
        """
        window = Window(nanoseconds(start), nanoseconds(start) + nanoseconds(seconds))
        created_ns = SystemClock().now_ns() if created is None else nanoseconds(created)
        made = content(Head(Aggregation(aggregation), unit, Stamp(window.end_ns, created_ns)))
        sample = SummarySample(
            entity=self._entity,
            summary=f"{LOGGED}{name}",
            labels=Labels.of(labels),
            window=window,
            coverage=Coverage(profiled=made.cells),
            content=made,
        )
        row = Row(sequence=self._next, sample=sample_to_wire(sample))
        size = row.ByteSize()
        if size > MAX_BYTES:
            raise ValueError(f"content: has {size} bytes, must be at most {MAX_BYTES}")
        try:
            if len(self._rows) >= MAX_ROWS or self._bytes + size > MAX_BYTES:
                self.send()
        except BatchRejected:  # of earlier samples
            self._wait(row, size)
            raise
        self._wait(row, size)

    def _wait(self, row: Row, size: int) -> None:
        self._rows.append(row)
        self._bytes += size
        self._next += 1

    def send(self) -> None:
        """Store all samples that wait.

        Raises:
            CollectorUnavailable: If the collector does not answer; the samples wait for the next call.
            BatchRejected: If the collector refuses samples; the others are stored. Refused samples are
                not sent again.
        """
        if not self._rows:
            return
        request = ShipRequest(
            agent=TABLES,
            epoch=self._source,
            oldest_held=self._rows[0].sequence,
            rows=self._rows,
        )
        summaries = {row.sequence: row.sample.summary for row in self._rows}
        try:
            reply = self._calls.call(self._calls.stub.Ship, request, "samples")
        except BatchRejected:
            self._rows, self._bytes = [], 0
            raise
        self._rows, self._bytes = [], 0
        if reply.rejected:
            first = reply.rejected[0]
            raise BatchRejected(
                f"the collector rejected {len(reply.rejected)} samples, the first of "
                f"{summaries[first.sequence]}: {first.reason}"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._closing:
            self.send()


def number(value: float, weight: int = 1) -> Logged:
    """Return a finite number; *weight* counts in a mean."""
    return lambda head: numbers.Number.of(float(value), head, weight)


def string(value: str) -> Logged:
    """Return a text; the newest one counts."""
    return lambda head: Text(value, 1, head.stamp)


def categories(counts: Mapping[str, int]) -> Logged:
    """Return counts by name, which add up."""

    def made(_: Head) -> Content:
        recorder = FeatureRecorder(FeatureSpec(readable=True))
        recorder.observe_categories(counts)
        return recorder.profile()

    return made


def distribution(values: Sequence[float]) -> Logged:
    """Return finite numbers, of which a t-digest, a histogram and moments are kept."""

    def made(_: Head) -> Content:
        recorder = FeatureRecorder()
        recorder.observe_numbers(np.asarray(values, dtype=np.float64))
        return recorder.profile()

    return made


def table(
    columns: Sequence[str], rows: Sequence[Sequence[tables.Value]], weight: int = 1
) -> Logged:
    """Return a table of texts, numbers and None; rows with equal texts are merged."""
    return lambda head: tables.Table.of(columns, rows, head, weight)


def matrix(rows: Sequence[Sequence[float]], weight: int = 1) -> Logged:
    """Return a matrix, row by row."""
    return lambda head: matrices.Matrix.of(rows, head, weight)


def line(points: Sequence[tuple[float, float]], weight: int = 1) -> Logged:
    """Return points of x and y."""
    return lambda head: lines.Line.of(points, head, weight)


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Logged:
    """Return counts with a row for each true class and a column for each predicted one."""
    return lambda head: confusion.ConfusionMatrix.of(labels, counts, head)


def score_histogram(scores: Sequence[float], truth: Sequence[str] | None = None) -> Logged:
    """Return scores from 0 to 1, counted in bins, by true class if it is known."""

    def made(_: Head) -> Content:
        profile = ScoreProfile()
        profile.observe(np.asarray(scores, dtype=np.float64), truth)
        return profile

    return made


def performance(content: Performance) -> Logged:
    """Return predictions that were judged by their ground truth, see docs/performance.md."""
    return lambda _: content
