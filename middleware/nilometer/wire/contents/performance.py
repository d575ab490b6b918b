"""Performance <-> protobuf. Keys are sorted, so equal contents have equal bytes."""

from collections.abc import Sequence

import numpy as np

from nilometer.profile.performance.classification import MAX_CLASSES, Classification
from nilometer.profile.performance.ranking import MAX_CUTOFF, MAX_CUTOFFS, Ranking
from nilometer.profile.performance.regression import POWERS, Regression
from nilometer.profile.performance.row_metric import MAX_METRICS, RowMetrics
from nilometer.profile.performance.score_cells import Counts, ScoreCells
from nilometer.profile.score import score_edges
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.labels import OVERFLOW_KEY
from nilometer.wire.bounds import MAX_COUNT
from nilometer.wire.contents.codec import Codec, EdgesOf
from nilometer.wire.contents.exact import (
    mean_from_wire,
    mean_to_wire,
    sum_from_wire,
    sum_to_wire,
)
from nilometer.wire.contents.feature import feature_from_wire, feature_to_wire
from nilometer.wire.contents.scores import thresholds_from_wire


def _put_classification(message: pb.SummarySample, rows: Classification) -> None:
    classes = rows.classes
    place = {name: at for at, name in enumerate(classes)}
    confusion = sorted(
        (place[guess] * len(classes) + place[true], count)
        for (guess, true), count in rows.confusion.items()
    )
    message.classification.CopyFrom(
        pb.Classification(
            thresholds=rows.thresholds,
            classes=classes,
            cells=[cell for cell, _ in confusion],
            counts=[count for _, count in confusion],
            correct=rows.correct,
            scores=[
                _class_scores_to_wire(place[name], cells)
                for name, cells in sorted(rows.scores.items())
            ],
            log_loss=mean_to_wire(rows.log_loss),
            brier=mean_to_wire(rows.brier),
            unlabelled=rows.unlabelled,
            unscored=rows.unscored,
        )
    )


def _class_scores_to_wire(at: int, cells: ScoreCells) -> pb.Classification.ClassScores:
    filled = np.flatnonzero(cells.counts)
    return pb.Classification.ClassScores(
        index=at,
        cells=filled.tolist(),
        counts=cells.counts.ravel()[filled].tolist(),
        sums=cells.sums.ravel()[filled].tolist(),
    )


def _read_classification(message: pb.SummarySample, edges_of: EdgesOf) -> Classification:
    del edges_of
    found = message.classification
    classes, thresholds = list(found.classes), thresholds_from_wire(found.thresholds)
    if classes != sorted(set(classes)) or len(set(classes) - {OVERFLOW_KEY}) > MAX_CLASSES:
        raise ValueError(f"classes: must ascend, and be at most {MAX_CLASSES}")
    counts = _spread(found.cells, found.counts, len(classes) ** 2)
    confusion = {
        (classes[at // len(classes)], classes[at % len(classes)]): int(counts[at])
        for at in np.flatnonzero(counts).tolist()
    }
    right = sum(count for (guess, true), count in confusion.items() if guess == true)
    unsure = confusion.get((OVERFLOW_KEY, OVERFLOW_KEY), 0)
    if not right - unsure <= found.correct <= right:
        raise ValueError("the number of right predictions contradicts the counts")
    size = score_edges(thresholds).size + 1
    scores = {}
    for one in found.scores:
        if one.index >= len(classes) or classes[one.index] in scores:
            raise ValueError("scores: a class does not exist, or repeats")
        scores[classes[one.index]] = ScoreCells(
            _spread(one.cells, one.counts, 4 * size).reshape(2, 2, size),
            _spread(one.cells, one.sums, 4 * size, 2 * MAX_COUNT).reshape(2, 2, size),
        )
    return Classification(
        thresholds=thresholds,
        confusion=confusion,
        correct=found.correct,
        scores=scores,
        log_loss=mean_from_wire(found.log_loss),
        brier=mean_from_wire(found.brier),
        unlabelled=_count(found.unlabelled),
        unscored=_count(found.unscored),
    )


def _spread(
    places: Sequence[int], numbers: Sequence[int], size: int, most: int = MAX_COUNT
) -> Counts:
    """Return *numbers* at their *places* in an array of *size*.

    Raises:
        ValueError: If both differ in length, or a number or a place is out of bounds.
    """
    at = np.array(places, dtype=np.int64)
    if at.size != len(numbers):
        raise ValueError("cells and counts differ in number")
    if at.size and (at[-1] >= size or (np.diff(at) <= 0).any()):
        raise ValueError("cells must ascend and be in range")
    if any(number > most for number in numbers):
        raise ValueError("a count is out of bounds")
    spread = np.zeros(size, dtype=np.int64)
    spread[at] = list(numbers)
    return spread


def _count(number: int) -> int:
    """Return a number of rows.

    Raises:
        ValueError: If it is over `MAX_COUNT`.
    """
    if number > MAX_COUNT:
        raise ValueError("a count is out of bounds")
    return number


def _put_regression(message: pb.SummarySample, rows: Regression) -> None:
    message.regression.CopyFrom(
        pb.Regression(
            absolute=mean_to_wire(rows.absolute),
            percentage=mean_to_wire(rows.percentage),
            sums=map(sum_to_wire, rows.sums),
            residuals=feature_to_wire(rows.residuals),
            unlabelled=rows.unlabelled,
            unusable=rows.unusable,
        )
    )


def _read_regression(message: pb.SummarySample, edges_of: EdgesOf) -> Regression:
    found = message.regression
    if found.sums and len(found.sums) != len(POWERS):
        raise ValueError(f"a regression has {len(found.sums)} sums instead of {len(POWERS)}")
    sums = tuple(map(sum_from_wire, found.sums)) or (0,) * len(POWERS)
    rows = Regression(
        absolute=mean_from_wire(found.absolute),
        percentage=mean_from_wire(found.percentage),
        sums=sums,
        residuals=feature_from_wire(found.residuals, edges_of),
        unlabelled=_count(found.unlabelled),
        unusable=_count(found.unusable),
    )
    if rows.residuals.count != rows.count or rows.percentage.count > rows.count:
        raise ValueError("a regression has another number of errors than rows")
    if not rows.count and any(sums):
        raise ValueError("a regression has sums of no rows")
    return rows


def _put_ranking(message: pb.SummarySample, lists: Ranking) -> None:
    message.ranking.CopyFrom(
        pb.Ranking(
            cutoffs=[
                pb.Ranking.Cutoff(rank=rank, gain=mean_to_wire(gain), hits=lists.hits[rank])
                for rank, gain in sorted(lists.gains.items())
            ],
            reciprocal_ranks=mean_to_wire(lists.reciprocal_ranks),
            without_relevant=lists.without_relevant,
        )
    )


def _read_ranking(message: pb.SummarySample, edges_of: EdgesOf) -> Ranking:
    del edges_of
    found = message.ranking
    ranks = [cutoff.rank for cutoff in found.cutoffs]
    if len(ranks) > MAX_CUTOFFS or ranks != sorted(set(ranks)):
        raise ValueError(f"cutoffs: must ascend, and be at most {MAX_CUTOFFS}")
    if any(not 1 <= rank <= MAX_CUTOFF for rank in ranks):
        raise ValueError(f"cutoffs: each must be from 1 to {MAX_CUTOFF}")
    lists = Ranking(
        gains={cutoff.rank: mean_from_wire(cutoff.gain) for cutoff in found.cutoffs},
        hits={cutoff.rank: cutoff.hits for cutoff in found.cutoffs},
        reciprocal_ranks=mean_from_wire(found.reciprocal_ranks),
        without_relevant=_count(found.without_relevant),
    )
    if any(gain.count != lists.count for gain in lists.gains.values()) or any(
        hits > lists.count for hits in lists.hits.values()
    ):
        raise ValueError("a ranking has another number of gains or hits than lists")
    return lists


def _put_row_metrics(message: pb.SummarySample, metrics: RowMetrics) -> None:
    message.row_metrics.CopyFrom(
        pb.RowMetrics(
            rows=metrics.rows,
            metrics=[
                pb.RowMetrics.Metric(name=name, unit=unit, mean=mean_to_wire(mean))
                for (name, unit), mean in sorted(metrics.means.items())
            ],
        )
    )


def _read_row_metrics(message: pb.SummarySample, edges_of: EdgesOf) -> RowMetrics:
    del edges_of
    found = message.row_metrics
    names = [(one.name, one.unit) for one in found.metrics]
    if len(names) > MAX_METRICS or names != sorted(set(names)):
        raise ValueError(f"metrics: must ascend by name, and be at most {MAX_METRICS}")
    means = {(one.name, one.unit): mean_from_wire(one.mean) for one in found.metrics}
    if any(mean.count > found.rows for mean in means.values()):
        raise ValueError("a metric has more numbers than there are rows")
    return RowMetrics(_count(found.rows), means)


PERFORMANCE_CODECS = (
    Codec(
        kind=Classification.kind,
        field="classification",
        put=_put_classification,
        read=_read_classification,
        is_exact=True,
    ),
    Codec(kind=Regression.kind, field="regression", put=_put_regression, read=_read_regression),
    Codec(kind=Ranking.kind, field="ranking", put=_put_ranking, read=_read_ranking, is_exact=True),
    Codec(
        kind=RowMetrics.kind,
        field="row_metrics",
        put=_put_row_metrics,
        read=_read_row_metrics,
        is_exact=True,
    ),
)
