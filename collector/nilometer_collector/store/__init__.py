"""The collector's database. Only this package uses SQL."""

from nilometer_collector.store.records import (
    Arrival,
    DeliveryCounts,
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
from nilometer_collector.store.store import Store

__all__ = [
    "Arrival",
    "DeliveryCounts",
    "EpisodeRecord",
    "Notice",
    "ReferenceRecord",
    "RowContent",
    "SampleRecord",
    "SampleRow",
    "SeriesRecord",
    "Shipment",
    "Shipped",
    "Store",
    "TransitionRecord",
]
