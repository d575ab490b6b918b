"""Messages of logged contents that contradict themselves are refused, and allocate nothing large."""

import math
from typing import Any

import pytest

from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.samples import sample_from_wire

AMOUNTS: dict[str, Any] = {"aggregation": "sum", "count": 1, "values": [1.0]}


def message(**content: Any) -> pb.SummarySample:
    return pb.SummarySample(entity="e", summary="logged.x", window_end_unix_nano=1, **content)


BAD: dict[str, dict[str, Any]] = {
    "number without a number": {"number": {"amounts": {**AMOUNTS, "values": []}}},
    "not finite": {"number": {"amounts": {**AMOUNTS, "values": [math.nan]}}},
    "infinite remainder": {
        "number": {"amounts": {**AMOUNTS, "remainders": [{"index": 0, "parts": [math.inf]}]}}
    },
    "remainder of nothing": {
        "number": {"amounts": {**AMOUNTS, "remainders": [{"index": 1, "parts": [1.0]}]}}
    },
    "unknown aggregation": {"number": {"amounts": {**AMOUNTS, "aggregation": "median"}}},
    "more weights than numbers": {"number": {"amounts": {**AMOUNTS, "weights": [1, 1]}}},
    "amounts of no sample": {"line": {"amounts": {**AMOUNTS, "count": 0}, "x": [1.0]}},
    "large matrix": {"matrix": {"amounts": AMOUNTS, "rows": 1 << 31, "columns": 1 << 31}},
    "matrix of another shape": {"matrix": {"amounts": AMOUNTS, "rows": 1, "columns": 2}},
    "x twice": {"line": {"amounts": {**AMOUNTS, "values": [1.0, 1.0]}, "x": [2.0, 2.0]}},
    "x not finite": {"line": {"amounts": AMOUNTS, "x": [-math.inf]}},
    "labels in disorder": {
        "confusion_matrix": {"amounts": AMOUNTS, "labels": ["b", "a"], "cells": [0]}
    },
    "cell without a label": {
        "confusion_matrix": {"amounts": AMOUNTS, "labels": ["a"], "cells": [1]}
    },
    "rows without keys": {
        "table": {"amounts": AMOUNTS, "columns": ["a"], "texts": [0], "rows": 1 << 31}
    },
    "key that is no text": {
        "table": {"amounts": AMOUNTS, "columns": ["a"], "texts": [0], "rows": 1, "keys": ["x"]}
    },
    "overflow of one text only": {
        "table": {
            "amounts": AMOUNTS,
            "columns": ["a", "b"],
            "texts": [0, 1],
            "rows": 1,
            "keys": ["nilometer_overflow", "=x"],
        }
    },
    "text column that is not there": {
        "table": {"amounts": AMOUNTS, "columns": ["a"], "texts": [1], "rows": 1, "keys": ["=x"]}
    },
    "column twice": {"table": {"amounts": AMOUNTS, "columns": ["a", "a"], "rows": 0}},
}


WHY = {
    "number without a number": "differ in number",
    "not finite": "not finite",
    "infinite remainder": "not finite",
    "remainder of nothing": "belongs to no amount",
    "unknown aggregation": "median",
    "more weights than numbers": "differ in number",
    "amounts of no sample": "of no sample",
    "large matrix": "over 64",
    "matrix of another shape": "differ in number",
    "x twice": "differ in number",
    "x not finite": "finite x",
    "overflow of one text only": "no text",
    "labels in disorder": "ascending",
    "cell without a label": "no labels",
    "rows without keys": "too many rows",
    "key that is no text": "no text",
    "text column that is not there": "do not exist",
    "column twice": "one twice",
}


@pytest.mark.parametrize("name", BAD)
def test_a_message_that_contradicts_itself_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=WHY[name]):
        sample_from_wire(message(**BAD[name]))


def test_the_messages_are_refused_for_what_their_name_says() -> None:
    assert sample_from_wire(message(number={"amounts": AMOUNTS})).content.count == 1
    assert sample_from_wire(message(line={"amounts": AMOUNTS, "x": [2.0]})).content.count == 1
    table = {"amounts": AMOUNTS, "columns": ["a"], "texts": [0], "rows": 1, "keys": ["=x"]}
    assert sample_from_wire(message(table=table)).content.count == 1
