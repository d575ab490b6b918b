"""Converts heavy hitters to protobuf and back."""

from nilometer.sketch.frequent import Frequent
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.bounds import MAX_COUNT

MAX_CAPACITY = 4096  # a larger value is an attack or corrupt


def frequent_to_wire(frequent: Frequent) -> pb.Frequent:
    """Return a sketch as a message: values with counts, and errors if there are any.

    Characters that UTF-8 cannot encode become ``?``.
    """
    counts: dict[str, int] = {}
    excess: dict[str, int] = {}
    for value, count in frequent.top(frequent.capacity):
        name = value.encode("utf-8", "replace").decode()
        counts[name] = counts.get(name, 0) + count
        excess[name] = excess.get(name, 0) + frequent.errors.get(value, 0)
    errors = list(excess.values())
    return pb.Frequent(
        capacity=frequent.capacity,
        total=frequent.total,
        values=list(counts),
        counts=list(counts.values()),
        errors=errors if any(errors) else [],
    )


def frequent_from_wire(message: pb.Frequent) -> Frequent:
    """Return a sketch with the values in a message.

    Raises:
        ValueError: If lists differ in length, a name repeats, or a number is out of bounds.
    """
    if not 1 <= message.capacity <= MAX_CAPACITY or len(message.values) > message.capacity:
        raise ValueError(f"heavy hitters: capacity must be 1 to {MAX_CAPACITY} and fit all names")
    if len(set(message.values)) != len(message.values) or message.total > MAX_COUNT:
        raise ValueError("heavy hitters: a name repeats, or the total is out of bounds")
    errors = list(message.errors) or [0] * len(message.values)
    triples = zip(message.values, message.counts, errors, strict=True)
    counts, kept = {}, {}
    for value, count, error in triples:
        if not error <= count <= MAX_COUNT:
            raise ValueError(f"heavy hitters: error {error} or count {count} is out of bounds")
        counts[value] = count
        if error:
            kept[value] = error
    if sum(counts.values()) - sum(kept.values()) > message.total:
        raise ValueError("heavy hitters: the counts are above the total")
    return Frequent(message.capacity, message.total, counts, kept)
