"""Exact sums <-> float64 numbers, and means of exact sums <-> protobuf."""

import math
import sys
from collections.abc import Iterator

from nilometer.profile.performance.mean import Mean
from nilometer.sketch.exact import UNIT_BITS, units_of
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.bounds import MAX_COUNT

MAX_PARTS = 64  # float64 that one exact sum needs at most; 2^-1074 to 2^1023 are 2,098 bits

_LARGEST_UNITS = units_of(sys.float_info.max)


def parts_of(units: int) -> Iterator[float]:
    """Yield the float64 nearest to *units*, then nearest to what is left, until nothing is."""
    nearest = units / (1 << UNIT_BITS)
    yield nearest
    left = units - units_of(nearest)
    if left:
        yield from parts_of(left)


def finite_units_of(value: float) -> int:
    """Return *value* in units of 2^-1074.

    Raises:
        ValueError: If it is not finite.
    """
    if not math.isfinite(value):
        raise ValueError("an amount is not finite")
    return units_of(value)


def sum_to_wire(units: int) -> pb.ExactSum:
    """Return an exact sum as a message."""
    return pb.ExactSum(parts=parts_of(units) if units else ())


def sum_from_wire(message: pb.ExactSum) -> int:
    """Return the exact sum in a message, in units of 2^-1074.

    Raises:
        ValueError: If it has too many parts, one that is not finite, or a sum beyond float64.
    """
    if len(message.parts) > MAX_PARTS:
        raise ValueError(f"an exact sum has over {MAX_PARTS} parts")
    units = sum(map(finite_units_of, message.parts))
    if abs(units) > _LARGEST_UNITS:
        raise ValueError("an exact sum is beyond float64")
    return units


def mean_to_wire(mean: Mean) -> pb.Mean:
    """Return a mean as a message."""
    return pb.Mean(
        count=mean.count, total=sum_to_wire(mean.total), squares=sum_to_wire(mean.squares)
    )


def mean_from_wire(message: pb.Mean) -> Mean:
    """Return the mean in a message.

    Raises:
        ValueError: If its sums cannot be those of its number of rows.
    """
    mean = Mean(message.count, sum_from_wire(message.total), sum_from_wire(message.squares))
    if mean.count > MAX_COUNT or (not mean.count and (mean.total or mean.squares)):
        raise ValueError("a mean has too many rows, or sums of no rows")
    # By Cauchy and Schwarz, sum(x)^2 <= n sum(x^2).
    if mean.total**2 > (mean.squares << UNIT_BITS) * mean.count:
        raise ValueError("the squares of a mean are too small for its sum")
    return mean
