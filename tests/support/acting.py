"""Actions and their episodes for tests, without a collector."""

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.actions import KIND, ActionDefinition
from nilometer_collector.store import (
    Change,
    Command,
    Key,
    Origin,
    RemoveObject,
    Revision,
    SetObject,
    Store,
)
from nilometer_collector.store.acting import definition_text
from nilometer_collector.testing import ENTITY, START_NS

SECOND_NS = NANOSECONDS


def an_action(**changes: object) -> ActionDefinition:
    """Return a live action that retrains with these *changes*."""
    known: dict[str, object] = {
        "entity": ENTITY,
        "name": "retrain",
        "cure": "retrain",
        "target": "ci",
        "mode": "live",
    }
    return ActionDefinition(**{**known, **changes})  # type: ignore[arg-type]


def declare(store: Store, *actions: ActionDefinition, gone: tuple[str, ...] = ()) -> None:
    """Declare *actions*, and remove those of the entity whose name is in *gone*."""
    keys = [Key(KIND, one.entity, one.name) for one in actions]
    texts = [definition_text(one) for one in actions]
    changes = [
        Change(key=key, before=None, after=text) for key, text in zip(keys, texts, strict=True)
    ]
    removed = [Key(KIND, ENTITY, name) for name in gone]
    changes += [Change(key=key, before="{}", after=None) for key in removed]
    commands: list[Command] = [
        *(SetObject(key, text) for key, text in zip(keys, texts, strict=True)),
        *(RemoveObject(key) for key in removed),
    ]
    revision = Revision(author="alice", origin=Origin.APPLY, commands=commands, changes=changes)
    store.history.commit(revision, START_NS)


def step(store: Store, seconds: float = 0.0) -> int:
    """Advance the runs of the entity after *seconds*; return the number of queued messages."""
    return store.actions.step(ENTITY, {}, START_NS + round(seconds * SECOND_NS))


def states(store: Store) -> list[str]:
    """Return the states of all runs, oldest first."""
    return [run.state.value for run in reversed(store.actions.runs())]
