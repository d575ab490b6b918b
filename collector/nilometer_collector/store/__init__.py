"""The collector's store behind one protocol, `Store`. Only this package contains SQL."""

from nilometer_collector.store.alerting_verbs import MOST_EPISODES
from nilometer_collector.store.deciding import NormalRecord
from nilometer_collector.store.declaring import Entities
from nilometer_collector.store.entity_records import (
    UNDECLARED,
    DeclaredEntity,
    EntityDeclaration,
    EntityKind,
)
from nilometer_collector.store.levels import LEVELS, ROLLED_UP, Level
from nilometer_collector.store.logged_types import LoggedType
from nilometer_collector.store.opening import back_up_store, open_store, restore_store
from nilometer_collector.store.protocol import (
    LEASE_SECONDS,
    MOST_GROUPS,
    MOST_WAIT_SECONDS,
    Pins,
    References,
    Samples,
    Store,
)
from nilometer_collector.store.records import (
    DeliveryCounts,
    EntityTotals,
    EpisodeRecord,
    LevelRecord,
    Notice,
    PartRecord,
    ReferenceRecord,
    RollUp,
    SampleRecord,
    SeriesRecord,
    Size,
    StalePart,
    Stretch,
    TransitionRecord,
)
from nilometer_collector.store.shipments import Arrival, RowContent, SampleRow, Shipment, Shipped
from nilometer_collector.store.watch_records import EpisodeStep, HeardRecord, WatchRecord, WatchStep

__all__ = [
    "LEASE_SECONDS",
    "LEVELS",
    "MOST_EPISODES",
    "MOST_GROUPS",
    "MOST_WAIT_SECONDS",
    "ROLLED_UP",
    "UNDECLARED",
    "Arrival",
    "DeclaredEntity",
    "DeliveryCounts",
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
    "back_up_store",
    "open_store",
    "restore_store",
]
