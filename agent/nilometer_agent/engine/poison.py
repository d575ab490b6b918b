"""Dropping poison: what a batch is without the observations that end the agent."""

import logging
from collections.abc import Collection
from typing import Any

import msgspec

from nilometer.profiling.observation import pack, raw_arrays
from nilometer.values.reasons import DropReason
from nilometer.wire.frames import Batch
from nilometer_agent.engine.trial import WHOLE

log = logging.getLogger("nilometer.agent")


def without_poison(batch: Batch, poison: Collection[int], now_ns: int) -> Batch:
    """*batch* with its poison booked as lost, and logged; the batch itself where there is none.

    Args:
        batch: It is not changed.
        poison: Indexes, as `Trial.poison` found them.
        now_ns: Event time that the loss is booked on, where the batch names none.
    """
    if not poison:
        return batch
    kept, lost = b"", batch.count
    if not batch.partials and WHOLE not in poison:
        arrays = raw_arrays(batch.observations)
        kept = pack([array for at, array in enumerate(arrays) if at not in poison])
        lost = len(poison)
        for at in poison:
            _tell(batch, **_shape(arrays[at]))
    else:
        _tell(batch, observations=lost, bytes=_size(batch), partials=len(batch.partials))
    reason = DropReason.POISON.value
    return msgspec.structs.replace(
        batch,
        observations=kept,
        partials=(),
        count=batch.count - lost,
        dropped={**batch.dropped, reason: batch.dropped.get(reason, 0) + lost},
        dropped_unix_nano=batch.dropped_unix_nano or now_ns,
    )


def _tell(batch: Batch, **told: object) -> None:
    log.error(
        "dropped as poison: alone, it ended every process that profiled it; please report it: "
        "entity %s, %s",
        batch.entity,
        ", ".join(f"{name} {value}" for name, value in told.items()),
        extra={"entity": batch.entity, **told},
    )


def _size(batch: Batch) -> int:
    return len(batch.observations) + sum(map(len, batch.partials))


def _shape(array: list[Any]) -> dict[str, object]:
    """Sizes and shape of an observation, from what cannot harm: types, lengths and brackets."""
    told: dict[str, object] = {"bytes": len(pack(array)), "fields": len(array)}
    for side, kind, body in (("request", 8, 12), ("response", 10, 13)):
        if len(array) > body and isinstance(array[body], bytes):
            content = array[body]
            told[f"{side}_type"] = array[kind]
            told[f"{side}_bytes"] = len(content)
            told[f"{side}_objects"] = content.count(b"{")
            told[f"{side}_lists"] = content.count(b"[")
            told[f"{side}_commas"] = content.count(b",")
    return told
