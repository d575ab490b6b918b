"""What a function of a user is asked for."""

from dataclasses import dataclass
from datetime import datetime

from nilometer.client.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What a function is asked for: the status of an entity in one interval.

    Attributes:
        entity: Name of the entity.
        alerter: Name of the alerter.
        start: Start of the interval, UTC.
        end: End of the interval, UTC.
        client: Client of the collector that runs the function. It may only read.
    """

    entity: str
    alerter: str
    start: datetime
    end: datetime
    client: Client
