"""The outcome of a gRPC call that ends around the deadline of its client."""

import math
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from nilometer.capture.grpc.status import Deadline, ended
from nilometer.capture.grpc.sync import deadline_of

EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("remaining", "elapsed", "expected"),
    [
        (None, 9.0, Deadline.NONE),
        (math.inf, 9.0, Deadline.AHEAD),
        (0.0, 9.0, Deadline.PAST),
        (0.049, 0.0, Deadline.NEAR),
        (0.06, 0.05, Deadline.AHEAD),
        (0.9, 9.0, Deadline.NEAR),
        (1.1, 9.0, Deadline.AHEAD),
    ],
)
def test_a_deadline_is_near_if_little_of_it_is_left(
    remaining: float | None, elapsed: float, expected: Deadline
) -> None:
    assert Deadline.of(remaining, elapsed) is expected


@pytest.mark.parametrize(
    ("deadline", "outcome"),
    [
        (Deadline.NONE, "server_error"),
        (Deadline.AHEAD, "server_error"),
        (Deadline.NEAR, "client_left"),
        (Deadline.PAST, "client_left"),
        (Deadline.UNKNOWN, "client_left"),
    ],
)
def test_an_exceeded_deadline_is_that_of_the_client_unless_it_is_ahead(
    deadline: Deadline, outcome: str
) -> None:
    assert ended(EXCEEDED, None, left=True, deadline=deadline) == (504, outcome)


def test_a_deadline_that_the_context_does_not_tell_has_not_passed() -> None:
    call: Any = SimpleNamespace(elapsed=1.0)
    assert deadline_of(call, object()) is Deadline.UNKNOWN
    assert deadline_of(call, SimpleNamespace(time_remaining=lambda: 0.0)) is Deadline.PAST
    assert ended(grpc.StatusCode.OK, None, left=False, deadline=Deadline.UNKNOWN) == (200, "ok")
