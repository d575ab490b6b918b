"""Judges predictions: logged rows with their ground truth -> the content of performance."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from nilometer.predictions import Scalar
from nilometer.profile.performance import (
    Classification,
    Ranking,
    Regression,
    binary,
    classes_only,
    multiclass,
)
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.truths import number_of, relevances_of

Judged: TypeAlias = Classification | Regression | Ranking


class JudgedRow(msgspec.Struct, frozen=True, gc=False):
    """The output columns of one prediction, and the canonical text of its ground truth."""

    outputs: Mapping[str, Scalar]
    value: str


def judged(definition: PerformanceDefinition, rows: Sequence[JudgedRow]) -> Judged:
    """Return the performance of *rows*.

    An output column that is missing or not a number is a row without a usable score or prediction:
    the content counts it as unscored, unusable, or as a prediction of no class.
    """
    match definition.task:
        case "binary":
            return binary(
                [_number(row.outputs.get(definition.score)) for row in rows],
                [row.value for row in rows],
                _classes(definition, rows),
                positive=definition.positive,
                negative=definition.negative,
                threshold=definition.threshold,
            )
        case "multiclass":
            columns = list(definition.scores.values())
            scores = [[_number(row.outputs.get(name)) for name in columns] for row in rows]
            return multiclass(
                np.array(scores, dtype=np.float64).reshape(len(rows), len(columns)),
                list(definition.scores),
                [row.value for row in rows],
                _classes(definition, rows),
            )
        case "classes":
            return classes_only(_classes(definition, rows) or [], [row.value for row in rows])
        case "regression":
            return Regression.of(
                [_number(row.outputs.get(definition.predicted)) for row in rows],
                [number_of(row.value) for row in rows],
            )
        case "ranking":
            lists = [relevances_of(row.value) for row in rows]
            return Ranking.of(lists, cutoffs=definition.cutoffs)


def merged(parts: Sequence[Judged]) -> Judged:
    """Return the performance of all rows of *parts*, which are of one task."""
    kind: Any = type(parts[0])  # each kind merges only contents of its own kind
    whole: Judged = kind.merge_all(parts)
    return whole


def without(whole: Judged, part: Judged) -> Judged | None:
    """Return the performance of the rows of *whole* that are not in *part*.

    Returns:
        None if it cannot be told from counts: a regression has a digest, and merged classes are not
        counted one by one.
    """
    try:
        if isinstance(whole, Classification) and isinstance(part, Classification):
            return whole.without(part)
        if isinstance(whole, Ranking) and isinstance(part, Ranking):
            return whole.without(part)
    except ValueError:
        return None
    return None


def _classes(definition: PerformanceDefinition, rows: Sequence[JudgedRow]) -> list[Scalar] | None:
    """Return the predicted classes; None if the scores decide them."""
    if not definition.predicted:
        return None
    return [row.outputs.get(definition.predicted) for row in rows]


def _number(value: Scalar) -> float:
    if isinstance(value, int | float):  # a boolean is 0 or 1
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return np.nan
    return np.nan
