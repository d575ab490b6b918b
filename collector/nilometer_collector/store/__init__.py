"""The collector's store behind one protocol, `Store`. Only this package uses SQL."""

from nilometer_collector.store.levels import LEVELS, Level
from nilometer_collector.store.opening import open_store
from nilometer_collector.store.protocol import (
    LEASE_SECONDS,
    MOST_EPISODES,
    Pins,
    References,
    Samples,
    Store,
)
from nilometer_collector.store.records import (
    Arrival,
    DeliveryCounts,
    EntityTotals,
    EpisodeRecord,
    Notice,
    ReferenceRecord,
    RowContent,
    SampleRecord,
    SampleRow,
    SeriesRecord,
    Shipment,
    Shipped,
    TransitionRecord,
)

__all__ = [
    "LEASE_SECONDS",
    "LEVELS",
    "MOST_EPISODES",
    "Arrival",
    "DeliveryCounts",
    "EntityTotals",
    "EpisodeRecord",
    "Level",
    "Notice",
    "Pins",
    "ReferenceRecord",
    "References",
    "RowContent",
    "SampleRecord",
    "SampleRow",
    "Samples",
    "SeriesRecord",
    "Shipment",
    "Shipped",
    "Store",
    "TransitionRecord",
    "open_store",
]
