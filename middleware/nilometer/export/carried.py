"""Counts that a process leaves to its successor, with the time at which they began.

An agent that ends because no worker is connected is started again with the next one. Its successor goes
on with the counts and their start time, so that cumulative points stay monotonic. The successor
removes the file when it reads it. So a process that is killed leaves nothing, and its successor
begins at zero, with a start time of its own.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from nilometer.export.metric import Metric
from nilometer.export.series import (
    ADDING,
    Attributes,
    Binned,
    Distribution,
    Family,
    Point,
)
from nilometer.settings.private import open_private

MAX_BYTES = 32 << 20  # largest file


class Carried(NamedTuple):
    """Cumulative families of a process, and when they began.

    Attributes:
        started_ns: Start of the counts, Unix nanoseconds.
        families: Counters and histograms, without exemplars.
    """

    started_ns: int
    families: tuple[Family, ...] = ()


class _Point(msgspec.Struct, frozen=True, array_like=True):
    """One series; exactly one of its values is set."""

    attributes: Attributes
    count: int | float | None = None
    distribution: Distribution | None = None
    binned: Binned | None = None


class _Family(msgspec.Struct, frozen=True, array_like=True):
    metric: Metric
    points: tuple[_Point, ...]


class _File(msgspec.Struct, frozen=True):
    """Content of the file; *resource* identifies the process whose points they are."""

    started_ns: int
    resource: dict[str, str]
    families: tuple[_Family, ...]


def leave(
    path: Path, started_ns: int, families: Iterable[Family], resource: Mapping[str, str]
) -> None:
    """Leave the counters and histograms of *families* to the next process.

    Args:
        path: File, which is replaced.
        started_ns: Start of the counts, Unix nanoseconds.
        families: Families of this process; gauges are left out.
        resource: Resource attributes of the points.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If it would be too large.
    """
    adding = [one for one in families if one.metric.instrument in ADDING]
    packed = tuple(
        _Family(one.metric, tuple(_packed(point) for point in one.points)) for one in adding
    )
    content = msgspec.msgpack.encode(_File(started_ns, dict(resource), packed))
    if len(content) > MAX_BYTES:
        raise ValueError(f"{len(content)} bytes of counts, must be at most {MAX_BYTES}")
    partial = path.with_suffix(".partial")
    with os.fdopen(open_private(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def take(path: Path, resource: Mapping[str, str]) -> Carried | None:
    """Return what the process before has left, and remove it; None without it.

    It is also None if its points had other resource attributes, such as another version.

    Raises:
        OSError: If the file cannot be read or removed.
        ValueError: If the file is damaged.
    """
    try:
        with os.fdopen(open_private(path, os.O_RDONLY), "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    path.unlink()
    _make_durable(path.parent)  # else a loss of power brings older counts back
    found = msgspec.msgpack.decode(content, type=_File)
    if found.resource != resource:
        return None
    families = tuple(
        Family(one.metric, tuple(_unpacked(point) for point in one.points))
        for one in found.families
    )
    return Carried(found.started_ns, families)


def _packed(point: Point) -> _Point:
    match point.value:
        case Distribution() as distribution:
            return _Point(point.attributes, distribution=replace(distribution, exemplars={}))
        case Binned() as binned:
            return _Point(point.attributes, binned=binned)
        case count:
            return _Point(point.attributes, count=count)


def _unpacked(point: _Point) -> Point:
    value = next(
        one for one in (point.distribution, point.binned, point.count or 0) if one is not None
    )
    return Point(point.attributes, value)


def _make_durable(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
