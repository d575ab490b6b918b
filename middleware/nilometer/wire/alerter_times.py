"""Converts the limits and times of alerters to protobuf and back."""

from nilometer.alert.limit import Limit
from nilometer.alert.times import ALWAYS, Hours, Maintenance, Repeat, Times
from nilometer.v1 import alert_pb2 as pb


def limit_to_wire(limit: Limit | None) -> pb.Limit | None:
    """Return a limit as a message; None if there is none."""
    return None if limit is None else pb.Limit(**limit.given)


def limit_from_wire(message: pb.Limit) -> Limit:
    """Return the limit in a message."""
    values = {key: getattr(message, key) for key in ("threshold", "low", "high")}
    return Limit(**{key: value for key, value in values.items() if message.HasField(key)})


def times_to_wire(times: Times) -> pb.Times | None:
    """Return times as a message; None if the alerter always judges."""
    if times == ALWAYS:
        return None
    return pb.Times(
        time_zone=times.time_zone,
        hours=[
            pb.Times.Hours(days=one.days, start_minute=one.start_minute, end_minute=one.end_minute)
            for one in times.hours
        ],
        maintenance=[
            pb.Times.Maintenance(
                start_unix_nano=one.start_ns, end_unix_nano=one.end_ns, repeat=one.repeat.value
            )
            for one in times.maintenance
        ],
    )


def times_from_wire(message: pb.Times) -> Times:
    """Return the times in a message.

    Raises:
        ValueError: If a period is unknown.
    """
    return Times(
        time_zone=message.time_zone,
        hours=tuple(
            Hours(days=tuple(one.days), start_minute=one.start_minute, end_minute=one.end_minute)
            for one in message.hours
        ),
        maintenance=tuple(
            Maintenance(
                start_ns=one.start_unix_nano,
                end_ns=one.end_unix_nano,
                repeat=Repeat(one.repeat),
            )
            for one in message.maintenance
        ),
    )
