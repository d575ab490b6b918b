"""Rows that are taken out of a content leave the content that was made of the other rows only."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nilometer.profile.performance import Ranking, binary, classes_only, multiclass

DRAWN = random.Random(5)
COUNT = 200
NAMES = ["a", "b", "c"]
SCORES = [DRAWN.choice([DRAWN.random(), float("nan"), 2.0, 1e-9]) for _ in range(COUNT)]
TRUTH = [DRAWN.choice(["1", "0", None]) for _ in range(COUNT)]
CLASSES = [DRAWN.choice(NAMES) for _ in range(COUNT)]
MATRIX = np.random.default_rng(5).random((COUNT, 3))
LISTS = [[float(DRAWN.random() < 0.4) for _ in range(6)] for _ in range(COUNT)]

KINDS: dict[str, Callable[[slice], Any]] = {
    "binary": lambda rows: binary(SCORES[rows], TRUTH[rows]),
    "threshold": lambda rows: binary(SCORES[rows], TRUTH[rows], threshold=0.37),
    "multiclass": lambda rows: multiclass(MATRIX[rows], NAMES, CLASSES[rows]),
    "classes": lambda rows: classes_only(CLASSES[rows], CLASSES[rows][::-1]),
    "ranking": lambda rows: Ranking.of(LISTS[rows]),
}


def told(content: Any) -> str:
    """Return all counts and sums of *content*."""
    if isinstance(content, Ranking):
        return repr(content)
    scores = {
        name: (cells.counts.tolist(), cells.sums.tolist()) for name, cells in content.scores.items()
    }
    confusion = sorted(content.confusion.items())
    rest = (content.correct, content.log_loss, content.brier, content.unlabelled, content.unscored)
    return repr((content.thresholds, confusion, scores, rest))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0, 1, 150, COUNT])
def test_the_rest_has_the_same_bits(kind: str, cut: int) -> None:
    made = KINDS[kind]
    first, rest, every = made(slice(cut)), made(slice(cut, None)), made(slice(None))
    if kind == "classes":  # its truth depends on the slice
        every = type(first).merge_all([first, rest])
    assert told(every.without(first)) == told(rest)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_not_in_a_content_cannot_be_taken_out(kind: str) -> None:
    made = KINDS[kind]
    with pytest.raises(ValueError, match="not in the content"):
        made(slice(10)).without(made(slice(10, 60)))


def test_other_thresholds_and_merged_classes_cannot_be_taken_out() -> None:
    with pytest.raises(ValueError, match="thresholds"):
        KINDS["binary"](slice(20)).without(KINDS["threshold"](slice(20)))
    names = [str(at) for at in range(100)]
    many = classes_only(names, names)
    with pytest.raises(ValueError, match="merged"):
        many.without(classes_only(names[:1], names[:1]))
