"""Refuses definitions that reach from one workspace into another."""

from collections.abc import Iterator
from functools import singledispatch

import msgspec

from nilometer_collector.access.workspaces import Workspaces
from nilometer_collector.alerting.actions import ActionDefinition
from nilometer_collector.alerting.definitions import AlerterDefinition
from nilometer_collector.declared.entities import EntityObject
from nilometer_collector.declared.kind import Misdeclared


@singledispatch
def outside(definition: msgspec.Struct, workspaces: Workspaces) -> Iterator[str]:
    """Yield the place of each name in *definition* that is not in the workspace of its entity.

    Whether the named object exists makes no difference, so this reveals nothing.
    """
    del definition, workspaces
    yield from ()


@outside.register
def _(definition: EntityObject, workspaces: Workspaces) -> Iterator[str]:
    for at, source in enumerate(definition.reads_from):
        if not workspaces.are_together(definition.name, source):
            yield f"reads_from[{at}]"
    for source in definition.columns:
        if not workspaces.are_together(definition.name, source):
            yield f"columns.{source[:64]}"


@outside.register
def _(definition: AlerterDefinition, workspaces: Workspaces) -> Iterator[str]:
    parameters = definition.parameters or {}
    other = str(parameters.get("other_entity", ""))
    if other and not workspaces.are_together(definition.entity, other):
        yield "parameters.other_entity"


@outside.register
def _(definition: ActionDefinition, workspaces: Workspaces) -> Iterator[str]:
    for place, name in (("target", definition.target), ("escalate_to", definition.escalate_to)):
        if not workspaces.serves_all(name, definition.entity):
            yield place


def check_apart(definition: msgspec.Struct, workspaces: Workspaces) -> None:
    """Refuse *definition* if it names something outside the workspace of its entity.

    Raises:
        Misdeclared: The message and the field name the place.
    """
    for place in outside(definition, workspaces):
        raise Misdeclared(
            f"{place}: is not in the workspace of this entity: workspaces are kept apart", place
        )
