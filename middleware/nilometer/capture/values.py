"""From inside the model: `log` and `label` add to the observation of the request that is served.

The request is found through a context variable: asyncio tasks, `asyncio.to_thread` and the thread
pools of Starlette and FastAPI carry it along; outside a request both do nothing.
"""

from contextvars import ContextVar
from typing import Protocol

from nilometer.handoff.noted import MAX_NAMES, MAX_VALUES, SCALARS, Noted, plain, valid_labels, want


class Holder(Protocol):
    """What the context variable holds: the exchange, or call, that is being served."""

    noted: Noted | None


current: ContextVar[Holder | None] = ContextVar("nilometer_current", default=None)


def log(**values: object) -> None:
    """Add *values* to the observation of the current request.

    A value is a number, text, a truth value, None, or a sequence or array of them; a name that
    comes again gathers its values in a list. At most 256 names and 4096 values of each are kept.
    Does nothing outside a request, and never raises.
    """
    holder = current.get()
    if holder is None:
        want()
        return
    try:
        held = _noted(holder)
        noted = held.values
        if (
            not noted
            and len(values) <= MAX_NAMES
            and SCALARS.issuperset(map(type, values.values()))
        ):
            held.values = values  # the call's own: nobody else has it
            return
        for name, value in values.items():
            if name in noted:
                gathered = noted[name]
                if not isinstance(gathered, list):
                    gathered = noted[name] = [gathered]
                more = plain(value)
                gathered.extend(more if isinstance(more, list) else [more])
                del gathered[MAX_VALUES:]
            elif len(noted) < MAX_NAMES:
                noted[name] = value if type(value) in SCALARS else plain(value)
    except Exception as error:  # monitoring must never fail a prediction
        _tell(holder, error)


def label(**labels: str) -> None:
    """Add *labels* to the observation of the current request: its segment.

    A key that is no label key, or a value over 256 bytes, is left out. Does nothing outside a
    request, and never raises.
    """
    holder = current.get()
    if holder is None:
        want()
        return
    try:
        noted = _noted(holder).labels
        noted.update(valid_labels(labels))
    except Exception as error:  # monitoring must never fail a prediction
        _tell(holder, error)


def _noted(holder: Holder) -> Noted:
    noted = holder.noted
    if noted is None:
        noted = holder.noted = Noted()
    return noted


def _tell(holder: Holder, error: Exception) -> None:
    worker = getattr(holder, "worker", None)
    if worker is not None:
        worker.note(error)
