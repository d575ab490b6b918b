"""Converts coverage to protobuf and back."""

from dataclasses import replace
from functools import lru_cache

from nilometer.profile.coverage import Coverage, added
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.reasons import OF_NEWER
from nilometer.wire.unknown_fields import has_unknown_fields

MOST_KEPT_BYTES = 1024  # of a coverage whose decoded form is kept


def coverage_to_wire(coverage: Coverage) -> pb.Coverage:
    """Return a coverage as a message, including the total for readers in other languages."""
    return pb.Coverage(
        seen=coverage.seen,
        profiled=coverage.profiled,
        sampled_out=coverage.sampled_out,
        # Passing an empty map to protobuf costs as much as passing a full one.
        dropped=coverage.dropped or None,
        undecodable=coverage.undecodable or None,
        lost_inputs=coverage.lost_inputs or None,
        lost_outputs=coverage.lost_outputs or None,
        unnamed=coverage.unnamed or None,
        lost_cells=coverage.lost_cells or None,
        suppressed=coverage.suppressed,
        unread_times=coverage.unread_times,
    )


def coverage_from_wire(message: pb.Coverage) -> Coverage:
    """Return the coverage in a message.

    All features of a window have the same coverage, so equal messages are decoded once. Observations
    in a part that only a newer version knows count as dropped, with the reason `OF_NEWER`.

    Raises:
        ValueError: If the parts do not add up to the seen observations, or if more observations
            lost one side than were profiled.
    """
    packed = message.SerializeToString(deterministic=True)
    return _kept(packed) if len(packed) <= MOST_KEPT_BYTES else _decoded(message)


@lru_cache(maxsize=256)
def _kept(packed: bytes) -> Coverage:
    return _decoded(pb.Coverage.FromString(packed))


def _decoded(message: pb.Coverage) -> Coverage:
    coverage = Coverage(
        profiled=message.profiled,
        sampled_out=message.sampled_out,
        dropped=dict(message.dropped),
        undecodable=dict(message.undecodable),
        lost_inputs=dict(message.lost_inputs),
        lost_outputs=dict(message.lost_outputs),
        unnamed=dict(message.unnamed),
        lost_cells=dict(message.lost_cells),
        suppressed=message.suppressed,
        unread_times=message.unread_times,
    )
    if coverage.seen < message.seen and has_unknown_fields(message):
        unknown = {OF_NEWER: message.seen - coverage.seen}
        coverage = replace(coverage, dropped=added(coverage.dropped, unknown))
    if coverage.seen != message.seen:
        raise ValueError(f"coverage of {coverage.seen} does not add up to {message.seen} seen")
    for side, counts in (("inputs", coverage.lost_inputs), ("outputs", coverage.lost_outputs)):
        lost = sum(counts.values())
        if lost > coverage.profiled:
            raise ValueError(f"{side}: {lost} lost exceed {coverage.profiled} profiled")
    return coverage
