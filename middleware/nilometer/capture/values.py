"""`log` and `label`: let the model's code add values to the observation of its request.

A context variable refers to the request. Asyncio tasks, `asyncio.to_thread` and the thread pools of
Starlette and FastAPI copy it. Outside a request both functions do nothing.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from nilometer.handoff.annotations import (
    MAX_NAMES,
    MAX_VALUES,
    SCALARS,
    mark_used,
    plain,
    valid_labels,
)
from nilometer.handoff.plain import Annotations, lane


class Holder(Protocol):
    """The object in the context variable: the exchange or call that is being served."""

    annotations: Annotations | None


current: ContextVar[Holder | None] = ContextVar("nilometer_current", default=None)


def log(**values: object) -> None:
    """Add *values* to the observation of the current request.

    A value is a number, text, a boolean, None, or a sequence or array of these. Repeated values of
    one name become a list. At most 256 names and 4096 values of each are kept. The function does
    nothing outside a request, and never raises.
    """
    holder = current.get()
    if holder is None:
        mark_used()
        return
    try:
        held = _annotations(holder)
        recorded = held.values
        if (
            not recorded
            and len(values) <= MAX_NAMES
            and SCALARS.issuperset(map(type, values.values()))
        ):
            held.values = values  # a new dictionary without other references
            return
        for name, value in values.items():
            if name in recorded:
                gathered = recorded[name]
                if not isinstance(gathered, list):
                    gathered = recorded[name] = [gathered]
                more = plain(value)
                gathered.extend(more if isinstance(more, list) else [more])
                del gathered[MAX_VALUES:]
            elif len(recorded) < MAX_NAMES:
                recorded[name] = value if type(value) in SCALARS else plain(value)
    except Exception as error:  # monitoring must never fail a prediction
        _note_error(holder, error)


def label(**labels: str) -> None:
    """Add *labels*, which name the segment, to the observation of the current request.

    An invalid label key, and a value over 256 bytes, are left out. The function does nothing
    outside a request, and never raises.
    """
    holder = current.get()
    if holder is None:
        mark_used()
        return
    try:
        added = _annotations(holder).labels
        added.update(valid_labels(labels))
    except Exception as error:  # monitoring must never fail a prediction
        _note_error(holder, error)


def _annotations(holder: Holder) -> Annotations:
    annotations = holder.annotations
    if annotations is None:
        annotations = holder.annotations = Annotations()
    return annotations


def _note_error(holder: Holder, error: Exception) -> None:
    worker = getattr(holder, "worker", None)
    if worker is not None:
        worker.note(error)


if lane is not None and not TYPE_CHECKING:
    log = lane.log_function(current, log)  # this function serves what is not plain
