"""Requests to the HTTP API of a collector, and the problems in its responses."""

from typing import Any

import httpx
import msgspec

from nilometer_collector.api.problems import Problem
from nilometer_collector.testing import ENTITY

ALERTER: dict[str, Any] = {
    "entity": ENTITY,
    "name": "drift",
    "summary": "input.*",
    "kind": "REFERENCE",
    "threshold": 0.2,
    "reference": "training",
}


def is_problem(answer: httpx.Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = msgspec.json.decode(answer.content, type=Problem)
    assert problem.status == status
    assert problem.detail
    return problem
