"""Hooks of schemathesis: what JSON Schema cannot say about alerters, incidents and time zones."""

from collections.abc import Mapping
from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out what is refused although the schema allows it.

    This is an alerter whose ``low`` is above its ``high``, an incident that ends before it starts, and
    a time zone that does not exist.
    """
    del context
    body = case.body
    if not isinstance(body, Mapping):
        return True
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
