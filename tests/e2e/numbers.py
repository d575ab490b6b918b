"""Reads the numbers of the collector and of an exporter's receiver, in comparable form."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.otlp_receiver import attributes

from nilometer.export.series import downscaled
from nilometer.profile import FeatureProfile, ServiceProfile
from nilometer.profile.numeric import NumericProfile
from nilometer.sketch.exponential import Buckets, ExponentialHistogram
from nilometer.wire.samples import sample_from_bytes

MOST_BUCKETS = 1 << 20  # nothing is made coarser here


@dataclass
class Stored:
    """What the collector has, read from its file: merged over all windows, and what was closed last."""

    service: ServiceProfile
    features: dict[str, FeatureProfile]
    newest: dict[str, FeatureProfile]
    fates: Counter[str] = field(default_factory=Counter)


def stored(database: Path) -> Stored:
    found: dict[str, list[tuple[int, Any]]] = {}
    fates: Counter[str] = Counter()
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        for (payload,) in connection.execute("SELECT payload FROM samples ORDER BY id"):
            sample = sample_from_bytes(payload)
            if isinstance(sample.content, ServiceProfile | FeatureProfile):
                found.setdefault(sample.summary, []).append(
                    (sample.window.start_ns, sample.content)
                )
            if sample.summary == "service":
                fates["profiled"] += sample.coverage.profiled
                fates["dropped"] += sum(sample.coverage.dropped.values())
                fates["undecodable"] += sum(sample.coverage.undecodable.values())
    service = ServiceProfile()
    for _, content in found.pop("service"):
        service = service.merge(content)
    newest = {}
    for summary, samples in found.items():
        newest[summary] = samples[-1][1]  # in the order of their arrival
    features = {
        summary: FeatureProfile.merge_all(content for _, content in samples)
        for summary, samples in found.items()
    }
    return Stored(service, features, newest, fates)


class Received:
    """The newest point of each series that came out on a far side, whatever its envelope."""

    def __init__(self, messages: Iterable[Any]) -> None:
        self.points: dict[str, dict[tuple[Any, ...], Any]] = {}
        self.kinds: dict[str, str] = {}
        self.resources: set[str] = set()
        self.count = 0
        self.resets: set[tuple[str, Any]] = set()
        for message in messages:
            for resource in message.resource_metrics:
                name = attributes(resource.resource)["service.name"]
                self.resources.add(name)
                for metric in (m for scope in resource.scope_metrics for m in scope.metrics):
                    self._take(name, metric)

    def _take(self, service: str, metric: Any) -> None:
        kind = metric.WhichOneof("data")
        self.kinds[metric.name] = kind
        series = self.points.setdefault(metric.name, {})
        for point in getattr(metric, kind).data_points:
            self.count += 1
            key = (service, *sorted(attributes(point).items()))
            before = series.get(key)
            if before is not None and before.time_unix_nano > point.time_unix_nano:
                continue
            if before is not None and before.start_time_unix_nano != point.start_time_unix_nano:
                self.resets.add((metric.name, key))
            series[key] = point

    def of(self, name: str, **wanted: Any) -> list[Any]:
        chosen = []
        for point in self.points.get(name, {}).values():
            told = attributes(point)
            if all(told.get(key.replace("__", ".")) == value for key, value in wanted.items()):
                chosen.append(point)
        return chosen

    def histogram(self, name: str, **wanted: Any) -> tuple[ExponentialHistogram, float | None]:
        merged, total = ExponentialHistogram(), 0.0
        told = True
        for point in self.of(name, **wanted):
            positive, negative = (
                Buckets(side.offset, tuple(side.bucket_counts))
                for side in (point.positive, point.negative)
            )
            held = ExponentialHistogram(
                point.scale, point.zero_count, positive, negative, MOST_BUCKETS
            )
            merged = merged.merge(held)
            told = told and point.HasField("sum")
            total += point.sum
        return merged, total if told else None

    def total(self, name: str, **wanted: Any) -> float:
        points = self.of(name, **wanted)
        return float(sum(getattr(point, point.WhichOneof("value")) for point in points))


def counted(numbers: NumericProfile) -> ExponentialHistogram | None:
    """The counts by magnitude that a stored profile has; None where it counts on edges."""
    return numbers.histogram


def same_buckets(ours: ExponentialHistogram | None, theirs: ExponentialHistogram) -> bool:
    """Whether both hold the same, at the coarser of both scales."""
    if ours is None:
        return False
    scale = min(ours.scale, theirs.scale)

    def shown(histogram: ExponentialHistogram) -> tuple[Any, ...]:
        sides = (
            downscaled(side, histogram.scale - scale)
            for side in (histogram.positive, histogram.negative)
        )
        found = tuple(
            tuple((side.offset + i, n) for i, n in enumerate(side.counts) if n) for side in sides
        )
        return (histogram.zero_count, *found)

    return shown(ours) == shown(theirs)
