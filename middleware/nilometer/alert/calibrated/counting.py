"""Counts the cells of samples for the columns that are judged.

The collector counts stored samples of all agents. An agent that is cut off counts its own samples by
the same code, so both see the same cells.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from nilometer.alert.calibrated.columns import Column, Floats, Total
from nilometer.alert.calibrated.episodes import NO_LABELS, PartKey
from nilometer.alert.calibrated.expected_errors import ExpectedErrors
from nilometer.alert.calibrated.service import service_vector
from nilometer.alert.calibrated.tolerance import DEFAULT, Tolerance
from nilometer.profile import (
    DictionaryCounts,
    FeatureProfile,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
)
from nilometer.values.entity import SERVICE_PARTS
from nilometer.values.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryColumn:
    """How the cells of a summary are counted.

    Attributes:
        column: Bins and rates.
        names: Categories that were learned, most frequent first. They are counted from the names
            that samples keep. Empty if agents count on a dictionary, or for numbers. For
            performance, they are the true classes whose errors are counted.
        tolerance: Tolerance that applies unless a person has set another.
        expected: How wrong predictions are expected from scores; None for other summaries.
    """

    column: Column
    names: tuple[str, ...] = ()
    tolerance: Tolerance = DEFAULT
    expected: ExpectedErrors | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of one column in one sample.

    Attributes:
        summary: Summary of the column.
        labels: Label set of the sample.
        share: Share of the requests that was profiled, 0 to 1.
        vector: Counts of the column.
    """

    summary: str
    labels: Labels
    share: float
    vector: Floats


def counts_of(sample: SummarySample, columns: Mapping[str, SummaryColumn]) -> Iterator[Counted]:
    """Yield the counts of each of *columns* that *sample* holds.

    A feature whose numbers were counted on other edges needs its t-digest.
    """
    content = sample.content
    if isinstance(content, ServiceProfile):
        for summary in (sample.summary, *SERVICE_PARTS):
            if summary in columns:
                counts = service_vector(columns[summary].column, content)
                yield Counted(summary, sample.labels, sample.sample, counts)
        return
    counted = columns.get(sample.summary)
    vector = None if counted is None else _vector(sample, counted)
    if vector is not None:
        yield Counted(sample.summary, sample.labels, sample.sample, vector)


def added(parts: Iterable[tuple[float, Floats]]) -> Floats:
    """Return the sum of the vectors of samples, each with the share that was profiled.

    If shares differ, counts of small shares are scaled up, but weigh only as their real rows.
    """
    known = list(parts)
    most = max(share for share, _ in known)
    total = np.zeros_like(known[0][1])
    squares = 0.0
    for share, vector in known:
        weight = most / share
        total += weight * vector
        squares += weight**2 * vector[Total.CELLS - len(Total)]
    if any(share != most for share, _ in known):
        total[Total.SQUARES - len(Total)] = squares
    return total


def is_pooled(key: PartKey) -> bool:
    """Return whether *key* is all traffic of its summary."""
    return key.labels == NO_LABELS


def _vector(sample: SummarySample, counted: SummaryColumn) -> Floats | None:
    """Return the counts of a sample of one column; None if its content cannot be judged."""
    content, requests = sample.content, sample.coverage.profiled
    if isinstance(content, ScoreProfile):
        expected = counted.expected
        return None if expected is None else expected.vector(content, requests)
    if not isinstance(content, FeatureProfile):
        return None
    if counted.names:
        content = _with_names_counted(content, counted)
    return counted.column.vector(content, requests=requests)


def _with_names_counted(content: FeatureProfile, counted: SummaryColumn) -> FeatureProfile:
    """Return *content* with learned categories counted by the names in it."""
    categories = content.categories
    kept = categories.frequent.counts
    counts = tuple(kept.get(name, 0) for name in counted.names)
    other = max(categories.total - sum(counts), 0)
    known = DictionaryCounts(counted.column.dictionary, counts, other)
    return replace(content, categories=replace(categories, dictionary=known))
