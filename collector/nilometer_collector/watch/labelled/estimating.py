"""Learns how wrong predictions are at each score, from the labelled predictions of an entity."""

from collections.abc import Sequence

from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.expected_errors import (
    LEAST_REFERENCE,
    ExpectedErrors,
    expected_column,
)
from nilometer.profile import ScoreProfile
from nilometer.profile.performance import Classification
from nilometer.wire.contents.codec import EdgesOf
from nilometer_collector.store import Samples, SeriesRecord
from nilometer_collector.watch.labelled.columns import TOLERANCE
from nilometer_collector.watch.labelled.windows import (
    PerformanceReader,
    performance_summaries,
    scored_rows,
)


def estimated_column(
    samples: Samples,
    edges_of: EdgesOf,
    summary: str,
    series: Sequence[SeriesRecord],
    span: tuple[int, int],
) -> SummaryColumn | None:
    """Return the column of the estimated error rate of the scores in *summary*.

    Args:
        samples: Stored samples.
        edges_of: Function that finds the edges of the entity's references.
        summary: Name of the summary with the scores.
        series: Series of the entity.
        span: Windows with labelled predictions to learn from: they end in ``(start_ns, end_ns]``.

    Returns:
        The column; None while there are too few labelled predictions with such scores.
    """
    for name in performance_summaries(samples, series, {}):
        reader = PerformanceReader(samples, edges_of, name, series)
        if all(one.summary != summary for one in reader.outputs):
            continue
        labelled, scores = scored_rows(reader.window(*span)), reader.scores(*span)
        expected = _learned(labelled, scores)
        if labelled is not None and expected is not None:
            column = expected_column(summary, labelled.count)
            return SummaryColumn(column=column, tolerance=TOLERANCE, expected=expected)
    return None


def _learned(labelled: Classification | None, scores: ScoreProfile | None) -> ExpectedErrors | None:
    if labelled is None or scores is None or labelled.count < LEAST_REFERENCE:
        return None
    try:
        return ExpectedErrors.of(labelled, scores)
    except ValueError:  # the scores are of other classes
        return None
