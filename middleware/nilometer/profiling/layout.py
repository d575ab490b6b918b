"""Where the fields of packed observations are, and what is checked of many at once."""

from collections.abc import Sequence
from typing import Any

from nilometer.profiling.observation import (
    LEAST_SHARE,
    MOST_BYTES,
    MOST_COUNT,
    MOST_NS,
    MOST_SECONDS,
    Observation,
)

PLACE = {name: at for at, name in enumerate(Observation.__struct_fields__)}
# What observations must have in common to be read at once.
SAME = tuple(
    PLACE[name]
    for name in (
        "outcome", "status", "method", "event_time", "stream_end", "values",
        "share", "left_out", "values_only", "request_type", "request_encoding", "response_type", "response_encoding",
    )
)  # fmt: skip
ARRIVAL, LATENCY, LABELS, IN_FLIGHT = (
    PLACE[name] for name in ("arrival_ns", "latency", "labels", "in_flight")
)
REQUEST, RESPONSE = PLACE["request_body"], PLACE["response_body"]
REQUEST_SIZE, RESPONSE_SIZE = PLACE["request_size"], PLACE["response_size"]
# What must be a number of this type and at most so large, as `Observation` asks for.
NUMBERS = (
    (ARRIVAL, int, MOST_NS),
    (LATENCY, float, MOST_SECONDS),
    (REQUEST_SIZE, int, MOST_BYTES),
    (RESPONSE_SIZE, int, MOST_BYTES),
    (IN_FLIGHT, int, MOST_COUNT),
)
SHARE, LEFT_OUT = PLACE["share"], PLACE["left_out"]
ENDS = PLACE["response_ends"]
OLDEST_FIELDS = PLACE["event_time"]  # what the first workers sent
DEFAULTS = [None] * (len(PLACE) - len(Observation.__struct_defaults__))
DEFAULTS += Observation.__struct_defaults__


def usable_share(share: float) -> float:
    """*share* as it may stand on a sample: what is no share is the whole."""
    return share if LEAST_SHARE <= share <= 1.0 else 1.0


def is_share(share: object, left_out: object) -> bool:
    """Whether an observation may be held at *share*, and left out as *left_out* says."""
    return type(share) is float and type(left_out) is bool and share == usable_share(share)


def by_share(arrays: Sequence[Sequence[Any]]) -> list[Sequence[Sequence[Any]]]:
    """*arrays* by the share they were held at, those that were left out apart."""
    if not arrays or max(map(len, arrays)) <= SHARE:
        return [arrays]
    parts: dict[tuple[Any, ...], list[Sequence[Any]]] = {}
    try:
        for array in arrays:
            parts.setdefault(tuple(array[SHARE:ENDS]), []).append(array)
    except TypeError:  # a list or a map: no such field
        return [arrays]
    return list(parts.values())


def storable(columns: Sequence[Sequence[Any]]) -> bool:
    """Whether all numbers are in the bounds of `Observation`, and none is no number."""
    in_bounds = all(min(columns[at]) >= 0 and max(columns[at]) <= most for at, _, most in NUMBERS)
    return in_bounds and sum(columns[LATENCY]) >= 0  # false for a NaN, which has no order


def alike_columns(arrays: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]] | None:
    """One column a field of *arrays*; None where the observations are not of one kind."""
    # Columns, in one pass in C instead of an attribute a cell.
    try:
        columns = [*zip(*arrays, strict=True)]
    except ValueError:  # of workers of two versions
        return None
    if not OLDEST_FIELDS <= len(columns) <= len(DEFAULTS):
        return None
    columns += [(default,) for default in DEFAULTS[len(columns) :]]
    try:
        if any(len(set(columns[at])) > 1 for at in SAME):
            return None
    except TypeError:  # a list or a map: no such field
        return None
    if any(columns[LABELS]) or any(
        set(map(type, columns[at])) != {kind} for at, kind, _ in NUMBERS
    ):
        return None
    return columns
