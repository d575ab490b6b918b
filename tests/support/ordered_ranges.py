"""Hooks of schemathesis: what JSON Schema cannot say about alerters, incidents, zones and samples."""

from collections.abc import Mapping
from typing import Any

import msgspec
import schemathesis

from nilometer_collector.api.body import decoded
from nilometer_collector.api.logged import LoggedSample, sample_of
from nilometer_collector.api.problems import ApiError


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out bodies that are refused although the schema allows them.

    This is an alerter whose ``low`` is above its ``high``, an incident that ends before it starts, a
    time zone that does not exist, and a sample that contradicts itself.
    """
    del context
    body = case.body
    if not isinstance(body, Mapping):
        return True
    rows = body.get("samples")
    if case.path == "/api/v1/samples" and isinstance(rows, list):
        return all(map(_agrees_with_itself, rows))
    alerters = [body, *_mappings(body, "alerters")]
    incidents, rules = _mappings(body, "incidents"), _mappings(body, "watch")
    return (
        all(_is_ordered(one, "low", "high") for one in alerters if one.get("kind") == "RANGE")
        and all(_is_ordered(one, "start", "end", strictly=True) for one in incidents)
        and all(one.get("time_zone", "UTC") == "UTC" for one in rules)
    )


def _mappings(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    listed = body.get(key)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _is_ordered(one: Mapping[str, Any], low: str, high: str, *, strictly: bool = False) -> bool:
    numbers = [n for n in (one.get(low, 0.0), one.get(high, 0.0)) if isinstance(n, (int, float))]
    return numbers == sorted(numbers) and not (strictly and len(set(numbers)) < len(numbers))


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
