"""Performance that no rows can have is refused before it is stored; that of rows is accepted."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from nilometer.profile.performance import (
    Classification,
    Performance,
    Ranking,
    Regression,
    binary,
    multiclass,
)
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.contents.performance import PERFORMANCE_CODECS
from nilometer_collector.errors import Refused
from nilometer_collector.limits.performance import (
    check_classification,
    check_ranking,
    check_regression,
)

BINS = 162
CODECS: Mapping[str, Any] = {codec.kind: codec for codec in PERFORMANCE_CODECS}


CHECKS: Mapping[str, Callable[[Any], None]] = {
    Classification.kind: check_classification,
    Ranking.kind: check_ranking,
    Regression.kind: check_regression,
}


def unchanged(message: pb.SummarySample) -> None:
    del message


def checked(content: Performance, change: Callable[[pb.SummarySample], None] = unchanged) -> None:
    """Check *content* as it arrives after its message was changed."""
    codec = CODECS[content.kind]
    message = pb.SummarySample()
    codec.put(message, content)
    change(message)
    CHECKS[content.kind](codec.read(message, lambda _: None))


def large_gain(message: pb.SummarySample) -> None:
    message.ranking.cutoffs[0].gain.total.parts[:] = [9.0]
    message.ranking.cutoffs[0].gain.squares.parts[:] = [99.0]


def negative_rank(message: pb.SummarySample) -> None:
    message.ranking.reciprocal_ranks.total.parts[:] = [-1.0]


def wide_rank(message: pb.SummarySample) -> None:
    message.ranking.reciprocal_ranks.squares.parts[:] = [1.9]


def fewer_hits(message: pb.SummarySample) -> None:
    message.ranking.cutoffs[0].hits = 2
    message.ranking.cutoffs[1].hits = 1


def negative_brier(message: pb.SummarySample) -> None:
    message.classification.brier.total.parts[:] = [-0.5]
    message.classification.brier.squares.parts[:] = [1.0]


def large_brier(message: pb.SummarySample) -> None:
    message.classification.brier.total.parts[:] = [4.5]
    message.classification.brier.squares.parts[:] = [9.0]


def negative_loss(message: pb.SummarySample) -> None:
    message.classification.log_loss.total.parts[:] = [-0.5]


def large_loss(message: pb.SummarySample) -> None:
    message.classification.log_loss.total.parts[:] = [200.0]
    message.classification.log_loss.squares.parts[:] = [20_000.0]


def more_scored_as_true(message: pb.SummarySample) -> None:
    scores = message.classification.scores[0]
    scores.cells[:], scores.counts[:], scores.sums[:] = [3 * BINS + 100], [4], [1 << 31]


def negative_error(message: pb.SummarySample) -> None:
    message.regression.absolute.total.parts[:] = [-1.0]


def negative_percentage(message: pb.SummarySample) -> None:
    message.regression.percentage.total.parts[:] = [-0.5]


LISTS = Ranking.of([[0, 1, 0], [1, 0, 2]])
NUMBERS = Regression.of([1.0, 2.0, 4.0], [1.0, 1.0, 5.0])
ROWS = binary([0.9, 0.2, 0.6, 0.4], ["1", "0", "0", "1"])


@pytest.mark.parametrize(
    ("content", "change", "why"),
    [
        (LISTS, large_gain, "mean must be from 0 to 1"),
        (LISTS, negative_rank, "mean must be from 0 to 1"),
        (LISTS, wide_rank, "squares of a mean are too large"),
        (LISTS, fewer_hits, "must not have fewer hits"),
        (ROWS, negative_brier, "brier: a mean must be from 0 to 1"),
        (ROWS, large_brier, "brier: a mean must be from 0 to 1"),
        (ROWS, negative_loss, "log_loss: a mean must be from 0 to 37"),
        (ROWS, large_loss, "log_loss: a mean must be from 0 to 37"),
        (NUMBERS, negative_error, "regression: a mean must be from 0"),
        (NUMBERS, negative_percentage, "regression: a mean must be from 0"),
        (ROWS, more_scored_as_true, "of more rows than the confusion"),
    ],
)
def test_what_no_rows_can_have_is_refused(
    content: Performance, change: Callable[[pb.SummarySample], None], why: str
) -> None:
    checked(content)
    with pytest.raises(Refused, match=why):
        checked(content, change)


def test_extreme_rows_are_accepted() -> None:
    random = np.random.default_rng(5)
    checked(binary([0.0, 1.0, 1.0, 0.0], ["1", "0", "1", "0"]))
    checked(binary([0.5, float("nan")], ["other", "1"], threshold=0.3))
    several = [f"{at:02}" for at in range(64)]
    checked(multiclass(np.ones((9, 64)), several, random.choice(several, 9).tolist()))
    checked(Ranking.of(random.random((30, 5)), np.round(random.random((30, 5)), 1)))
    checked(Ranking.of([[1e-300, 1e60, 1e59]]))
    checked(Regression.of([5e59, -5e59, 1e-60], [-5e59, 5e59, 1e-50]))
