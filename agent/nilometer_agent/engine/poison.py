"""Dropping poison: removes the observations from a batch that crash the agent."""

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
    """Return *batch* without its poison, which is counted as lost and logged.

    Args:
        batch: Batch with the poison; it is not changed. Without poison, it is returned unchanged.
        poison: Indexes of the observations that `Trial.poison` found.
        now_ns: Event time of the loss if the batch has none, Unix nanoseconds.
    """
    if not poison:
        return batch
    kept, lost = b"", batch.count
    if not batch.partials and WHOLE not in poison:
        arrays = raw_arrays(batch.observations)
        kept = pack([array for at, array in enumerate(arrays) if at not in poison])
        lost = len(poison)
        for at in poison:
            _log_dropped(batch, **_shape(arrays[at]))
    else:
        _log_dropped(batch, observations=lost, bytes=_size(batch), partials=len(batch.partials))
    reason = DropReason.POISON.value
    return msgspec.structs.replace(
        batch,
        observations=kept,
        partials=(),
        count=batch.count - lost,
        dropped={**batch.dropped, reason: batch.dropped.get(reason, 0) + lost},
        dropped_unix_nano=batch.dropped_unix_nano or now_ns,
    )


def _log_dropped(batch: Batch, **told: object) -> None:
    log.error(
        "observation dropped as poison: it crashed every process that profiled it alone; please "
        "report this: entity %s, %s",
        batch.entity,
        ", ".join(f"{name} {value}" for name, value in told.items()),
        extra={"entity": batch.entity, **told},
    )


def _size(batch: Batch) -> int:
    return len(batch.observations) + sum(map(len, batch.partials))


def _shape(array: list[Any]) -> dict[str, object]:
    """Describe the shape of an observation without its values, so that it can be logged safely."""
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
