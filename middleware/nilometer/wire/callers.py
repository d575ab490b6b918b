"""Reads the callers of a service profile without decoding the rest of the sample."""

from typing import NamedTuple

from nilometer.profile.callers import NO_CALLERS, Callers
from nilometer.wire.contents.service import callers_from_wire
from nilometer.wire.samples import message_from_bytes


class Requests(NamedTuple):
    """The requests of one sample of a service.

    Attributes:
        requests: Number of requests.
        callers: Entities that sent them, as far as known.
    """

    requests: int
    callers: Callers


def requests_from_bytes(packed: bytes) -> Requests:
    """Return the requests in the bytes of a sample; none if it is not a sample of a service.

    Raises:
        ValueError: If the bytes are not a sample.
    """
    service = message_from_bytes(packed).service
    callers = callers_from_wire(service.callers) if service.HasField("callers") else NO_CALLERS
    return Requests(sum(service.outcomes.values()), callers)
