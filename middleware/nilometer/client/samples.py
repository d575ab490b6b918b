"""Samples of one summary with their sketches: merged, queried, converted and drawn here.

The sketches come from the collector, so any quantile of any merge is computed without asking it again.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import overload

from nilometer.client import drawing
from nilometer.client.columns import Column, Kind, Tabular, named_columns
from nilometer.client.spans import instant
from nilometer.profile import Content, Coverage, FeatureProfile, ServiceProfile, SummarySample
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import sample_from_bytes

SHOWN_CATEGORIES = 20
SHOWN_BINS = 60
BAND = (0.05, 0.95)  # quantiles of the band behind the median


class NoSamples(NilometerError):
    """A question about samples needs at least one sample."""


class Sample:
    """What was measured of one summary, label set and window. Immutable.

    Args:
        of: Sample of the library, with its content.
    """

    __slots__ = ("of",)

    def __init__(self, of: SummarySample) -> None:
        self.of = of

    @property
    def entity(self) -> str:
        """Name of the entity."""
        return self.of.entity

    @property
    def summary(self) -> str:
        """Name of the summary."""
        return self.of.summary

    @property
    def labels(self) -> dict[str, str]:
        """Labels that all merged samples have in common."""
        return self.of.labels.as_dict()

    @property
    def start(self) -> datetime:
        """Start of the window, UTC."""
        return instant(self.of.window.start_ns / NANOSECONDS)

    @property
    def end(self) -> datetime:
        """End of the window, UTC; not part of it."""
        return instant(self.of.window.end_ns / NANOSECONDS)

    @property
    def count(self) -> int:
        """Number of finite numbers and categories, or of requests."""
        return self.of.content.count

    @property
    def coverage(self) -> Coverage:
        """What happened to the observations of the window."""
        return self.of.coverage

    @property
    def content(self) -> Content:
        """All sketches, such as a `FeatureProfile`."""
        return self.of.content

    @overload
    def quantile(self, q: float) -> float: ...

    @overload
    def quantile(self, q: Sequence[float]) -> list[float]: ...

    def quantile(self, q: float | Sequence[float]) -> float | list[float]:
        """Return the value below which a share *q* of the numbers is; seconds for ``service``.

        Args:
            q: Share, 0 to 1, or several of them.

        Returns:
            A number, or one for each share; NaN without numbers.

        Raises:
            ValueError: If a share is not between 0 and 1.
            TypeError: If the content has no quantiles.
        """
        shares = [q] if isinstance(q, int | float) else list(q)
        if not all(0 <= one <= 1 for one in shares):
            raise ValueError(f"q = {q!r}: must be between 0 and 1")
        content = self.of.content
        if isinstance(content, FeatureProfile):
            digest = content.numbers.digest
            empty = not content.numbers.count
            found = [math.nan if empty else float(digest.quantile(one)) for one in shares]
        elif isinstance(content, ServiceProfile):
            seconds = (content.latency.quantile(one) for one in shares)
            found = [math.nan if one is None else one for one in seconds]
        else:
            raise TypeError(f"{self.summary} is of type {content.kind}, which has no quantiles")
        return found[0] if isinstance(q, int | float) else found

    def cdf(self, value: float) -> float:
        """Return the share of the numbers up to *value*, 0 to 1; NaN without numbers.

        Raises:
            TypeError: If the content has no distribution.
        """
        content = self.of.content
        if not isinstance(content, FeatureProfile):
            raise TypeError(f"{self.summary} is of type {content.kind}, which has no distribution")
        return float(content.numbers.digest.rank(value)) if content.numbers.count else math.nan

    def top(self, most: int = 10) -> list[tuple[str, int]]:
        """Return the *most* frequent categories with their counts; empty without categories."""
        content = self.of.content
        return content.categories.top(most) if isinstance(content, FeatureProfile) else []

    def statistics(self) -> dict[str, float | None]:
        """Return every statistic that alerters may name, such as ``mean`` and ``missing_ratio``."""
        content = self.of.content
        found = type(content).statistics()
        return {name: _call(statistic, content) for name, statistic in found.items()}

    def __repr__(self) -> str:
        return (
            f"<Sample {self.entity} {self.summary} [{self.start.isoformat()}, "
            f"{self.end.isoformat()}) count={self.count}>"
        )

    def _repr_html_(self) -> str:
        content = self.of.content
        title = " ".join(filter(None, (self.entity, self.summary, str(self.of.labels))))
        span = (
            f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC, {self.count:,} values"
        )
        parts: list[str] = []
        if isinstance(content, FeatureProfile) and content.numbers.count:
            low, high = self.quantile([0.005, 0.995])
            heights = _heights(self, low, high)
            across = drawing.number(low), drawing.number(high)
            parts.append(
                drawing.plot(drawing.bars(heights), ("0 %", f"{max(heights):.0%}"), across)
            )
        top = self.top(SHOWN_CATEGORIES)
        if top:
            parts.append(drawing.table(("category", "count"), top))
        known = {name: one for name, one in self.statistics().items() if one is not None}
        rows = [(name, drawing.number(one)) for name, one in known.items() if not math.isnan(one)]
        parts.append(drawing.table(("statistic", "value"), rows))
        return drawing.figure(title, "".join(parts), span)


class Samples(Sequence[Sample], Tabular):
    """Samples of one summary, by label set and time. Immutable.

    Args:
        entity: Name of the entity.
        summary: Name of the summary.
        samples: Samples of this summary.
    """

    def __init__(self, entity: str, summary: str, samples: Iterable[Sample]) -> None:
        self.entity = entity
        self.summary = summary
        self._samples = tuple(samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> "Samples": ...

    def __getitem__(self, index: int | slice) -> "Sample | Samples":
        if isinstance(index, slice):
            return Samples(self.entity, self.summary, self._samples[index])
        return self._samples[index]

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)

    def merge(self) -> Sample:
        """Return one sample of all: the same bits in every order of the samples.

        Raises:
            NoSamples: If there are no samples.
            ValueError: If the samples are of different types.
        """
        if not self._samples:
            raise NoSamples(f"{self.summary} of {self.entity} has no samples in this time")
        parts = [one.of for one in self._samples]
        window = Window(
            min(part.window.start_ns for part in parts), max(part.window.end_ns for part in parts)
        )
        shared = set.intersection(*(set(part.labels.pairs) for part in parts))
        return Sample(SummarySample.merge_all(parts, window, Labels(tuple(sorted(shared)))))

    def columns(self) -> list[Column]:
        """Return a row for each sample: its window, labels, count and every statistic."""
        rows = self._samples
        return [
            Column("summary", Kind.TEXT, [self.summary] * len(rows)),
            Column("window_start", Kind.TIME, [one.start for one in rows]),
            Column("window_end", Kind.TIME, [one.end for one in rows]),
            *named_columns("labels.", [one.labels for one in rows], Kind.TEXT),
            Column("count", Kind.WHOLE, [one.count for one in rows]),
            Column("seen", Kind.WHOLE, [one.coverage.seen for one in rows]),
            *named_columns("", [_finite(one.statistics()) for one in rows]),
        ]

    def __repr__(self) -> str:
        return f"<Samples {self.entity} {self.summary} windows={len(self)}>"

    def _repr_html_(self) -> str:
        title = f"{self.entity} {self.summary}"
        if not self._samples:
            return drawing.figure(title, "", "no samples in this time")
        first, last = self._samples[0].start, self._samples[-1].end
        note = f"{len(self)} windows"
        across = f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M} UTC"
        if isinstance(self._samples[0].content, FeatureProfile | ServiceProfile):
            low, middle, high = zip(
                *(one.quantile([BAND[0], 0.5, BAND[1]]) for one in self._samples), strict=True
            )
            if any(not math.isnan(one) for one in middle):
                drawn = drawing.plot(
                    drawing.line(middle, (low, high)), drawing.ends([*low, *middle, *high]), across
                )
                is_service = isinstance(self._samples[0].content, ServiceProfile)
                what = "median of the latency in seconds" if is_service else "median"
                drawn_as = f"line: {what}; band: quantiles {BAND[0]:g} to {BAND[1]:g}"
                return drawing.figure(title, drawn, f"{drawn_as}; {note}")
        counts = [float(one.count) for one in self]
        drawn = drawing.plot(drawing.line(counts), drawing.ends(counts), across)
        return drawing.figure(title, drawn, f"count of each window; {note}")


def sample_of(packed: bytes) -> Sample:
    """Return the sample in the protobuf bytes *packed*.

    Raises:
        ValueError: If the bytes are not a sample.
    """
    return Sample(sample_from_bytes(packed))


def _call(statistic: Callable[[Content], float | None], content: Content) -> float | None:
    return statistic(content)


def _finite(numbers: Mapping[str, float | None]) -> dict[str, float | None]:
    return {
        name: None if one is None or math.isnan(one) else float(one)
        for name, one in numbers.items()
        if name != "count"
    }


def _heights(sample: Sample, low: float, high: float) -> list[float]:
    """Return the share of the numbers in each of `SHOWN_BINS` equal bins from *low* to *high*."""
    if not high > low:
        return [1.0]
    ends = [low + (high - low) * at / SHOWN_BINS for at in range(SHOWN_BINS + 1)]
    shares = [sample.cdf(end) for end in ends]
    return [max(after - before, 0.0) for before, after in pairwise(shares)]
