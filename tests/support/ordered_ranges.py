"""Hooks of schemathesis: what JSON Schema cannot say about alerters and about logged samples."""

from collections.abc import Mapping
from typing import Any

import msgspec
import schemathesis

from nilometer_collector.api.body import decoded
from nilometer_collector.api.logged import LoggedSample, sample_of
from nilometer_collector.api.problems import ApiError


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out bodies that are refused only for what JSON Schema cannot say."""
    del context
    body = case.body
    if not isinstance(body, Mapping):
        return True
    rows = body.get("samples")
    if case.path == "/api/v1/samples" and isinstance(rows, list):
        return all(map(_agrees_with_itself, rows))
    return body.get("kind") != "RANGE" or _is_ordered(body)


def _is_ordered(alerter: Mapping[str, Any]) -> bool:
    """Whether ``low`` is not above ``high``."""
    bounds = (alerter.get("low", 0.0), alerter.get("high", 0.0))
    numbers = [bound for bound in bounds if isinstance(bound, (int, float))]
    return numbers == sorted(numbers)


def _agrees_with_itself(row: object) -> bool:
    """Whether *row* is no sample, or one whose rows have one length, and so on."""
    try:
        sample = decoded(msgspec.json.encode(row), LoggedSample)
    except (ApiError, TypeError, ValueError):
        return True
    try:
        sample_of(sample, 0)
    except ValueError:
        return False
    return True
