"""The collector's store behind one protocol, `Store`. Only this package contains SQL."""

from nilometer_collector.store.deciding import NormalRecord
from nilometer_collector.store.declaring import Entities
from nilometer_collector.store.delivering import LEASE_SECONDS, MOST_DELIVERIES, MOST_WAIT_SECONDS
from nilometer_collector.store.delivery_records import (
    ACKNOWLEDGEMENT,
    AttemptRecord,
    DeliveryCounts,
    DeliveryRecord,
    Notice,
)
from nilometer_collector.store.entity_records import (
    UNDECLARED,
    DeclaredEntity,
    EntityDeclaration,
    EntityKind,
    LoggedType,
)
from nilometer_collector.store.levels import LEVELS, ROLLED_UP, Level
from nilometer_collector.store.opening import open_store
from nilometer_collector.store.protocol import (
    MOST_EPISODES,
    MOST_GROUPS,
    Pins,
    References,
    Samples,
    Store,
)
from nilometer_collector.store.records import (
    Arrival,
    EntityTotals,
    EpisodeRecord,
    LevelRecord,
    PartRecord,
    ReferenceRecord,
    RollUp,
    RowContent,
    SampleRecord,
    SampleRow,
    SeriesRecord,
    Shipment,
    Shipped,
    Size,
    StalePart,
    Stretch,
    TransitionRecord,
)
from nilometer_collector.store.watch_records import EpisodeStep, HeardRecord, WatchRecord, WatchStep

__all__ = [
    "ACKNOWLEDGEMENT",
    "LEASE_SECONDS",
    "LEVELS",
    "MOST_DELIVERIES",
    "MOST_EPISODES",
    "MOST_GROUPS",
    "MOST_WAIT_SECONDS",
    "ROLLED_UP",
    "UNDECLARED",
    "Arrival",
    "AttemptRecord",
    "DeclaredEntity",
    "DeliveryCounts",
    "DeliveryRecord",
    "Entities",
    "EntityDeclaration",
    "EntityKind",
    "EntityTotals",
    "EpisodeRecord",
    "EpisodeStep",
    "HeardRecord",
    "Level",
    "LevelRecord",
    "LoggedType",
    "NormalRecord",
    "Notice",
    "PartRecord",
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
    "Size",
    "StalePart",
    "Store",
    "Stretch",
    "TransitionRecord",
    "WatchRecord",
    "WatchStep",
    "open_store",
]
