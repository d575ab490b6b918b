"""Messages of performance that contradict themselves are refused, and allocate nothing large."""

import math
from typing import Any

import pytest

from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.samples import sample_from_wire

ONE: dict[str, Any] = {"count": 1, "total": {"parts": [1.0]}, "squares": {"parts": [1.0]}}
ROWS: dict[str, Any] = {"classes": ["0", "1"], "cells": [3], "counts": [2], "correct": 2}
SCORES: dict[str, Any] = {"index": 1, "cells": [500], "counts": [2], "sums": [9]}
LISTS: dict[str, Any] = {"reciprocal_ranks": ONE}


def message(**content: Any) -> pb.SummarySample:
    return pb.SummarySample(entity="e", summary="logged.x", window_end_unix_nano=1, **content)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "classes in disorder": ({"classification": {"classes": ["1", "0"]}}, "must ascend"),
    "too many classes": (
        {"classification": {"classes": [f"{at:03}" for at in range(65)]}},
        "at most 64",
    ),
    "a cell that is not there": ({"classification": {**ROWS, "cells": [4]}}, "in range"),
    "a count without a cell": ({"classification": {**ROWS, "counts": [1, 1]}}, "differ in number"),
    "a huge count": ({"classification": {**ROWS, "counts": [1 << 60]}}, "out of bounds"),
    "more right than predicted": ({"classification": {**ROWS, "correct": 3}}, "contradicts"),
    "scores of no class": (
        {"classification": {**ROWS, "scores": [{**SCORES, "index": 2}]}},
        "does not exist",
    ),
    "scores twice": ({"classification": {**ROWS, "scores": [SCORES, SCORES]}}, "repeats"),
    "a bin that is not there": (
        {"classification": {**ROWS, "scores": [{**SCORES, "cells": [648]}]}},
        "in range",
    ),
    "a threshold outside": ({"classification": {"thresholds": [1.0]}}, "between 0 and 1"),
    "a mean of no rows": ({"regression": {"absolute": {**ONE, "count": 0}}}, "no rows"),
    "an impossible mean": (
        {"regression": {"absolute": {**ONE, "squares": {"parts": [0.5]}}}},
        "too small",
    ),
    "an infinite sum": (
        {"regression": {"absolute": {**ONE, "total": {"parts": [math.inf]}}}},
        "not finite",
    ),
    "a long sum": (
        {"regression": {"absolute": {**ONE, "total": {"parts": [1.0] * 65}}}},
        "over 64 parts",
    ),
    "a sum beyond float64": (
        {"regression": {"absolute": {**ONE, "total": {"parts": [1.7e308] * 2}}}},
        "beyond float64",
    ),
    "squares beyond float64": (
        {"ranking": {"reciprocal_ranks": {**ONE, "squares": {"parts": [1.7e308] * 2}}}},
        "beyond float64",
    ),
    "huge rows without a class": (
        {"classification": {**ROWS, "unlabelled": (1 << 64) - 1}},
        "out of bounds",
    ),
    "huge rows without a score": (
        {"classification": {**ROWS, "unscored": (1 << 64) - 1}},
        "out of bounds",
    ),
    "huge rows without a value": ({"regression": {"unlabelled": (1 << 64) - 1}}, "out of bounds"),
    "huge unusable rows": ({"regression": {"unusable": (1 << 64) - 1}}, "out of bounds"),
    "huge lists": ({"ranking": {"without_relevant": (1 << 64) - 1}}, "out of bounds"),
    "huge rows of metrics": ({"row_metrics": {"rows": (1 << 64) - 1}}, "out of bounds"),
    "too few sums": ({"regression": {"sums": [{"parts": [1.0]}]}}, "instead of 8"),
    "sums of no rows": ({"regression": {"sums": [{"parts": [1.0]}] * 8}}, "sums of no rows"),
    "errors without rows": ({"regression": {"absolute": ONE}}, "another number of errors"),
    "ranks in disorder": ({"ranking": {"cutoffs": [{"rank": 2}, {"rank": 1}]}}, "must ascend"),
    "a rank of 0": ({"ranking": {"cutoffs": [{"rank": 0}]}}, "from 1 to"),
    "gains of other lists": ({"ranking": {**LISTS, "cutoffs": [{"rank": 1}]}}, "another number"),
    "more hits than lists": (
        {"ranking": {**LISTS, "cutoffs": [{"rank": 1, "gain": ONE, "hits": 2}]}},
        "another number",
    ),
    "metrics in disorder": (
        {"row_metrics": {"metrics": [{"name": "b"}, {"name": "a"}]}},
        "must ascend",
    ),
    "a metric of too many rows": (
        {"row_metrics": {"metrics": [{"name": "a", "mean": ONE}]}},
        "more numbers",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_message_that_contradicts_itself_is_refused(name: str) -> None:
    content, why = BAD[name]
    with pytest.raises(ValueError, match=why):
        sample_from_wire(message(**content))


def test_the_messages_are_refused_for_what_their_name_says() -> None:
    rows = {**ROWS, "scores": [SCORES]}
    assert sample_from_wire(message(classification=rows)).content.count == 2
    lists = {**LISTS, "cutoffs": [{"rank": 1, "gain": ONE, "hits": 1}]}
    assert sample_from_wire(message(ranking=lists)).content.count == 1
    metrics = {"rows": 1, "metrics": [{"name": "a", "mean": ONE}]}
    assert sample_from_wire(message(row_metrics=metrics)).content.count == 1
