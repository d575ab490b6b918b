"""Converts histograms by magnitude to protobuf and back."""

from nilometer.sketch.exponential import MAX_BUCKETS, MIN_SCALE, Buckets, ExponentialHistogram
from nilometer.v1 import summary_pb2 as pb

# Limits on the content of a message; larger content is an attack or corrupt.
MAX_OTLP_SCALE = 20
FLOAT64_EXPONENTS = 1100  # largest absolute binary exponent


def histogram_to_wire(histogram: ExponentialHistogram) -> pb.ExponentialHistogram:
    """Return a histogram as a message."""
    return pb.ExponentialHistogram(
        scale=histogram.scale,
        zero_count=histogram.zero_count,
        positive=_buckets(histogram.positive),
        negative=_buckets(histogram.negative),
    )


def histogram_from_wire(message: pb.ExponentialHistogram, *limits: int) -> ExponentialHistogram:
    """Return the histogram in a message.

    Args:
        message: Message of the histogram.
        limits: Largest numbers of buckets per sign, ascending; the first that fits becomes the
            limit of the histogram. None means `MAX_BUCKETS`.

    Raises:
        ValueError: If the scale, the buckets or their positions exceed the range of float64.
    """
    if not MIN_SCALE <= message.scale <= MAX_OTLP_SCALE:
        raise ValueError(
            f"histogram: scale {message.scale} is outside {MIN_SCALE} to {MAX_OTLP_SCALE}"
        )
    reach = FLOAT64_EXPONENTS * 2.0**message.scale + 2
    positive, negative = _buckets_from(message.positive), _buckets_from(message.negative)
    most = max(len(positive.counts), len(negative.counts))
    limit = next((one for one in limits or (MAX_BUCKETS,) if most <= one), None)
    near = all(
        -reach <= side.offset <= side.offset + len(side.counts) <= reach
        for side in (positive, negative)
        if side.counts
    )
    if limit is None or not near:
        raise ValueError("histogram: buckets are out of range")
    return ExponentialHistogram(message.scale, message.zero_count, positive, negative, limit)


def _buckets_from(side: pb.ExponentialHistogram.Buckets) -> Buckets:
    return Buckets(side.offset, tuple(side.counts))


def _buckets(side: Buckets) -> pb.ExponentialHistogram.Buckets | None:
    if not side.counts:
        return None
    return pb.ExponentialHistogram.Buckets(offset=side.offset, counts=side.counts)
