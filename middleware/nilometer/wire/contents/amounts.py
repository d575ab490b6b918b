"""Amounts <-> protobuf: exact sums as the nearest float64 and what it lacks."""

import math
from collections.abc import Sequence

from nilometer.profile.logged.amounts import (
    NO_AMOUNT,
    Aggregation,
    Amount,
    Amounts,
    K,
    Stamp,
)
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.contents.exact import MAX_PARTS, finite_units_of, parts_of


def amounts_to_wire(amounts: Amounts[K], keys: Sequence[K]) -> pb.Amounts:
    """Return amounts as a message, with the cells in the order of *keys*."""
    cells = [amounts.cells.get(key, NO_AMOUNT) for key in keys]
    message = pb.Amounts(
        aggregation=amounts.aggregation.value,
        unit=amounts.unit,
        count=amounts.count,
        end_unix_nano=amounts.stamp.end_ns,
        created_unix_nano=amounts.stamp.created_ns,
    )
    for index, cell in enumerate(cells):
        message.values.append(cell.nearest)
        if cell.lacks:
            message.remainders.add(index=index, parts=parts_of(cell.lacks))
    if any(cell.weight != 1 for cell in cells):
        message.weights.extend(cell.weight for cell in cells)
    return message


def amounts_from_wire(message: pb.Amounts, keys: Sequence[K]) -> Amounts[K]:
    """Return the amounts in a message, whose cells are at *keys*.

    Raises:
        ValueError: If a part contradicts itself.
    """
    weights = message.weights or [1] * len(message.values)
    if not len(message.values) == len(weights) == len(keys) == len(set(keys)):
        raise ValueError("amounts, weights and keys differ in number")
    if not all(map(math.isfinite, message.values)):
        raise ValueError("an amount is not finite")
    cells = [
        Amount(value + 0.0, 0, weight) if weight else NO_AMOUNT
        for value, weight in zip(message.values, weights, strict=True)
    ]
    for remainder in message.remainders:
        if remainder.index >= len(cells) or len(remainder.parts) > MAX_PARTS:
            raise ValueError("a remainder belongs to no amount, or is too long")
        cell = cells[remainder.index]
        if not cell.weight:
            continue
        units = cell.units + sum(map(finite_units_of, remainder.parts))
        try:
            cells[remainder.index] = Amount.of_units(units, cell.weight)
        except OverflowError as error:
            raise ValueError("an amount is beyond float64") from error
    if not message.count and keys:
        raise ValueError("amounts of no sample")
    return Amounts(
        aggregation=Aggregation(message.aggregation) if message.count else Aggregation.LAST,
        unit=message.unit,
        count=message.count,
        stamp=Stamp(message.end_unix_nano, message.created_unix_nano),
        cells=dict(zip(keys, cells, strict=True)),
    )
