"""The comparators that alerters and queries may name."""

import math

import msgspec

from nilometer.compare import COMPARATORS, Comparator, Counted
from nilometer_collector.api.operation import Call, Operation


class ComparatorView(msgspec.Struct, frozen=True, kw_only=True):
    """A comparator with its unit, bounds and bias."""

    name: str
    about: str
    unit: str  # unit of the distance; empty for shares and plain numbers
    highest: float | None  # largest possible distance; null if it has no bound
    bias: str  # formula of the distance without drift, for n and N values in k bins
    source: str
    numbers_only: bool
    fewest_reference: int  # fewest values of the reference for a distance
    fewest_current: int  # fewest values of a window for a distance


class ComparatorsView(msgspec.Struct, frozen=True, kw_only=True):
    """All comparators; comparators of extensions come last."""

    comparators: list[ComparatorView]


def comparator_view(comparator: Comparator) -> ComparatorView:
    """Return *comparator* as the API shows it."""
    return ComparatorView(
        name=comparator.name,
        about=comparator.about,
        unit=comparator.unit,
        highest=comparator.highest if math.isfinite(comparator.highest) else None,
        bias=comparator.bias,
        source=comparator.source,
        numbers_only=comparator.needs_order and comparator.counted is not Counted.CELLS,
        fewest_reference=comparator.fewest.reference,
        fewest_current=comparator.fewest.current,
    )


async def list_comparators(call: Call) -> ComparatorsView:
    """List the comparators."""
    del call
    return ComparatorsView(comparators=[*map(comparator_view, COMPARATORS.values())])


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/comparators",
        name="listComparators",
        about="List the comparators that alerters and queries may name.",
        handler=list_comparators,
        answer=ComparatorsView,
    ),
)
