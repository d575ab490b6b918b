"""Contents of the store by level."""

from typing import Literal, cast

import msgspec

from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.store import LevelRecord

LevelName = Literal["shipped", "5m", "1h", "1d"]


class StoredLevelView(msgspec.Struct, frozen=True, kw_only=True):
    """A level: samples as agents shipped them, or roll-ups of a length."""

    level: LevelName
    rows: int
    bytes: int  # size of the encoded samples, without indexes
    stale: int  # roll-ups of this level with new samples that are not merged yet
    held_from: float | None  # time of the oldest arrival that is held; null if nothing was removed


class StoredLevels(msgspec.Struct, frozen=True, kw_only=True):
    """The levels of the store, finest first; empty if the caller may not read all entities."""

    levels: list[StoredLevelView]


async def read_storage(call: Call) -> StoredLevels:
    """Return the contents of each level; empty if the caller may not read all entities."""
    if not call.access.is_unlimited:
        return StoredLevels(levels=[])
    found = await call.context.ask(call.context.store.rollups.levels)
    return StoredLevels(levels=[_level_view(one) for one in found])


def _level_view(held: LevelRecord) -> StoredLevelView:
    return StoredLevelView(
        level=cast("LevelName", held.level.value),
        rows=held.rows,
        bytes=held.bytes,
        stale=held.stale,
        held_from=seconds(held.held_from_ns) if held.held_from_ns else None,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/storage",
        name="readStorage",
        about="Read how many samples and roll-ups the store holds, and their size.",
        handler=read_storage,
        answer=StoredLevels,
    ),
)
