"""Finds the entity and the labels of an OTLP resource, and reads attributes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from nilometer.export.keys import ENTITY
from nilometer.values.entity import entity_name
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels

MAX_EVENT_NS = 1 << 62
SERVICE_NAME = "service.name"
VERSION = "service.version"

Timed: TypeAlias = Span | HistogramDataPoint | ExponentialHistogramDataPoint
Attributes: TypeAlias = dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Entity and labels of a measurement."""

    entity: str
    labels: Labels


def place_of(resource: Resource) -> Place | None:
    """Return the place of a resource: entity from `nilometer.entity` or the service name."""
    told = attributes_in(resource.attributes)
    name = str(told.get(ENTITY) or told.get(SERVICE_NAME) or "")
    if not is_name(name):
        return None
    version = str(told.get(VERSION, ""))
    try:
        return Place(name, Labels.of({"version": version} if version else {}))
    except ConfigError:
        return Place(name, Labels())


def is_name(text: str) -> bool:
    """Whether *text* may name an entity."""
    try:
        entity_name(text)
    except ConfigError:
        return False
    return True


def attributes_in(pairs: Iterable[KeyValue]) -> Attributes:
    """Return the attributes in *pairs* that have scalar values."""
    found: Attributes = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if kind in {"string_value", "int_value", "double_value", "bool_value"}:
            found[pair.key] = getattr(pair.value, kind)
    return found


def times_fit(told: Timed) -> bool:
    """Return whether the times of a point or a span fit into a window."""
    start, end = told.start_time_unix_nano, getattr(told, "time_unix_nano", 0)
    end = end or getattr(told, "end_time_unix_nano", 0)
    return 0 < end < MAX_EVENT_NS and start <= end
