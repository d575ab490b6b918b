"""The collector's store behind one protocol, `Store`. Only this package uses SQL."""

from nilometer_collector.store.levels import LEVELS, ROLLED_UP, Level
from nilometer_collector.store.opening import open_store
from nilometer_collector.store.protocol import (
    LEASE_SECONDS,
    MOST_EPISODES,
    MOST_GROUPS,
    Pins,
    References,
    Samples,
    Store,
)
from nilometer_collector.store.records import (
    Arrival,
    DeliveryCounts,
    EpisodeRecord,
    LevelRecord,
    Notice,
    ReferenceRecord,
    RollUp,
    RowContent,
    SampleRecord,
    SampleRow,
    SeriesRecord,
    Shipment,
    Shipped,
    StalePart,
    TransitionRecord,
)

__all__ = [
    "LEASE_SECONDS",
    "LEVELS",
    "MOST_EPISODES",
    "MOST_GROUPS",
    "ROLLED_UP",
    "Arrival",
    "DeliveryCounts",
    "EpisodeRecord",
    "Level",
    "LevelRecord",
    "Notice",
    "Pins",
    "ReferenceRecord",
    "References",
    "RollUp",
    "RowContent",
    "SampleRecord",
    "SampleRow",
    "Samples",
    "SeriesRecord",
    "Shipment",
    "Shipped",
    "StalePart",
    "Store",
    "TransitionRecord",
    "open_store",
]
