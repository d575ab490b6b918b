"""Hooks of schemathesis: what JSON Schema cannot say about objects and samples."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import schemathesis

from nilometer.testing import SteppedClock
from nilometer.values.clock import nanoseconds
from nilometer.values.errors import ConfigError
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.actions import ActionDefinition, check_action
from nilometer_collector.alerting.definitions import AlerterDefinition, alerter_of
from nilometer_collector.alerting.receivers import ChannelDefinition, check_channel
from nilometer_collector.alerting.routes import RouteDefinition, check_route
from nilometer_collector.alerting.silences import SilenceDefinition
from nilometer_collector.alerting.summaries import SummaryDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.api.body import decoded
from nilometer_collector.api.logged import LoggedSample, sample_of
from nilometer_collector.api.problems import ApiError
from nilometer_collector.declared.references import ReferenceObject
from nilometer_collector.errors import Refused
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.limits.bounds import FUTURE_SECONDS, has_control, is_plain
from nilometer_collector.limits.moments import nanoseconds_of
from nilometer_collector.limits.rows import check_made


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out bodies that are refused although the schema allows them.

    This is an alerter whose limits or times contradict each other, an incident that ends before it
    starts, a time zone that does not exist, a sample, a performance, a silence or a summary that
    contradicts itself, a sample from the future, an action whose fields do not fit together, a route
    that leaves its workspace, a reference with a wrong time, a proposed reference that expires, and a
    channel or target with a wrong value. A text with bidirectional controls is left out, too, because
    stored ones have the same schema and may have them.
    """
    del context
    body = case.body
    if any(map(_is_reordered, _texts([body, case.query]))):
        return False
    if not isinstance(body, Mapping):
        return True
    rows = body.get("samples")
    if case.path == "/api/v1/samples" and isinstance(rows, list):
        return all(map(_agrees_with_itself, rows))
    alerters = [body, *_mappings(body, "alerters")]
    incidents, rules = _mappings(body, "incidents"), _mappings(body, "watch")
    return (
        all(map(_is_consistent, alerters))
        and all(
            _passes(one, kind, check) for key, kind, check in CHECKS for one in _mappings(body, key)
        )
        and all(_is_ordered(one, "start", "end", strictly=True) for one in incidents)
        and all(one.get("time_zone", "UTC") == "UTC" for one in rules)
        and (case.path != "/api/v1/routes" or _passes(body, RouteDefinition, check_route))
        and not (body.get("current") is False and body.get("expires") is not None)
        and all(_can_be_used(one, ChannelDefinition) for one in _mappings(body, "channels"))
        and all(_can_be_used(one, TargetDefinition) for one in _mappings(body, "targets"))
    )


# Kind and check of the objects under each key of a document.
CHECKS: tuple[tuple[str, type[Any], Callable[[Any], object]], ...] = (
    ("performance", PerformanceDefinition, PerformanceDefinition.check),
    ("references", ReferenceObject, lambda one: one.expires and nanoseconds_of("", one.expires)),
    ("actions", ActionDefinition, check_action),
    ("routes", RouteDefinition, check_route),
    ("silences", SilenceDefinition, SilenceDefinition.with_plain_times),
    ("summaries", SummaryDefinition, SummaryDefinition.check),
)

# Fields of an alerter whose values must agree with other fields, with a calendar, or with a syntax.
AGREEING = (
    "low",
    "critical",
    "closing",
    "maintenance",
    "time_zone",
    "other_entity",
    "other_labels",
)


def _is_consistent(body: Mapping[str, Any]) -> bool:
    """Whether *body* is no alerter, or one whose fields agree with each other."""
    try:
        alerter_of(decoded(msgspec.json.encode(body), AlerterDefinition))
    except ConfigError as error:
        return not any(f": {field}" in str(error) for field in AGREEING)
    except (ApiError, TypeError, ValueError):
        return True
    return True


def _passes(body: Mapping[str, Any], kind: type[Any], check: Callable[[Any], object]) -> bool:
    """Whether *body* is no object of *kind*, or one that *check* does not refuse."""
    try:
        check(decoded(msgspec.json.encode(body), kind))
    except ConfigError:
        return False
    except (ApiError, TypeError, ValueError):
        return True
    return True


def _can_be_used(body: Mapping[str, Any], kind: type[ChannelDefinition]) -> bool:
    """Whether *body* is no receiver, or one with values that this collector accepts.

    A fingerprint of a secret is left out, because none of them is stored.
    """
    secrets = body.get("secrets")
    if isinstance(secrets, Mapping) and any(isinstance(one, Mapping) for one in secrets.values()):
        return False
    return _passes(body, kind, lambda one: check_channel(one, Allowed()))


def _texts(value: object) -> Iterator[str]:
    """Yield every text and key in *value*."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts([key, one])
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _is_reordered(text: str) -> bool:
    """Whether *text* is refused only for a bidirectional control."""
    return not is_plain(text) and not has_control(text)


def _mappings(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    listed = body.get(key)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _is_ordered(one: Mapping[str, Any], low: str, high: str, *, strictly: bool = False) -> bool:
    numbers = [n for n in (one.get(low, 0.0), one.get(high, 0.0)) if isinstance(n, (int, float))]
    return numbers == sorted(numbers) and not (strictly and len(set(numbers)) < len(numbers))


def _agrees_with_itself(row: object) -> bool:
    """Whether *row* is no sample, or one whose rows have one length, and so on, until now."""
    try:
        sample = decoded(msgspec.json.encode(row), LoggedSample)
    except (ApiError, TypeError, ValueError):
        return True
    try:
        check_made(sample_of(sample, 0), SteppedClock().now_ns() + nanoseconds(FUTURE_SECONDS))
    except (ValueError, Refused):
        return False
    return True
