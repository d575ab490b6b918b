"""Converts moments to protobuf and back."""

from nilometer.sketch.moments import Moments
from nilometer.v1 import summary_pb2 as pb


def moments_to_wire(moments: Moments) -> pb.Moments:
    """Return moments as a message."""
    return pb.Moments(
        count=moments.count, mean=moments.mean, m2=moments.m2, m3=moments.m3, m4=moments.m4
    )


def moments_from_wire(message: pb.Moments) -> Moments:
    """Return the moments in a message."""
    return Moments(message.count, message.mean, message.m2, message.m3, message.m4)
