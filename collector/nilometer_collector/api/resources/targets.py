"""The HTTP resource of targets: list, create or replace, delete."""

import msgspec

from nilometer.values.errors import ConfigError
from nilometer_collector.alerting.receivers import check_names, with_stored_secrets
from nilometer_collector.alerting.targets import MOST_TARGETS, TargetDefinition
from nilometer_collector.api.body import read_json, refuse_controls
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import RequiredText
from nilometer_collector.errors import Conflict, Unknown
from nilometer_collector.store import API_ORIGIN

NAME = RequiredText("name", "Name of the target.")


class TargetsView(msgspec.Struct, frozen=True, kw_only=True):
    """Targets by name. In place of each secret is its public part."""

    targets: list[TargetDefinition]


async def list_targets(call: Call) -> TargetsView:
    """List the targets."""
    call.access.require_all()
    context = call.context
    found = await context.ask(context.store.targets.all)
    return TargetsView(targets=[one.shown() for one in found])


async def put_target(call: Call) -> TargetDefinition:
    """Create the target, or replace the target of this name.

    A secret that is sent as `list_targets` shows it keeps its value, as long as nothing changes about
    where orders go.

    Raises:
        ConfigError: If a setting is unknown or missing.
        Conflict: If this collector does not accept a value, such as a forbidden address.
    """
    call.access.require_all()
    context = call.context
    definition = await read_json(call.request, TargetDefinition)
    refuse_controls(msgspec.structs.replace(definition, settings={}, secrets={}))
    check_names(definition)

    def put() -> TargetDefinition:
        stored = context.store.targets.read(definition.name)
        target = with_stored_secrets(definition, stored)
        try:
            context.targets.check(target)
        except ConfigError as error:
            raise Conflict(str(error)) from error
        context.store.targets.put(target, API_ORIGIN, context.clock.now_ns(), MOST_TARGETS)
        return target.shown()

    return await context.ask(put)


async def delete_target(call: Call) -> None:
    """Delete the target; runs that are not sent yet fail.

    Raises:
        Unknown: If there is no target of this name.
    """
    call.access.require_all()
    name, context = call.parameters.value(NAME), call.context
    if not await context.ask(lambda: context.store.targets.delete(name, context.clock.now_ns())):
        raise Unknown(f"there is no target {name!r}")


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/targets",
        name="listTargets",
        about="List the targets of actions, without their secrets.",
        handler=list_targets,
        answer=TargetsView,
    ),
    Operation(
        method="PUT",
        path="/api/v1/targets",
        name="putTarget",
        about="Create or replace the target of this name.",
        handler=put_target,
        answer=TargetDefinition,
        body=TargetDefinition,
        errors=(400, 409, 413, 415, 422),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/targets",
        name="deleteTarget",
        about="Delete a target. Runs that are not sent yet fail.",
        handler=delete_target,
        answer=None,
        parameters=(NAME,),
        errors=(404, 422),
    ),
)
