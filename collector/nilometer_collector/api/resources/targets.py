"""The HTTP resource of targets: list, create or replace, delete."""

import msgspec

from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import RequiredText
from nilometer_collector.api.resources.receivers import delete_receiver, put_receiver
from nilometer_collector.declared.receivers import TargetObjects

OBJECTS = TargetObjects()
NAME = RequiredText("name", "Name of the target.")


class TargetsView(msgspec.Struct, frozen=True, kw_only=True):
    """Targets by name. In place of each secret is its public part."""

    targets: list[TargetDefinition]


async def list_targets(call: Call) -> TargetsView:
    """List the targets."""
    call.access.require_all()
    context = call.context
    found = await context.ask(context.store.targets.all)
    return TargetsView(targets=[one.shown() for one in found if call.access.may_use(one.name)])


async def put_target(call: Call) -> ChannelDefinition:
    """Create the target, or replace the target of this name."""
    return await put_receiver(call, OBJECTS)


async def delete_target(call: Call) -> None:
    """Delete the target; runs that are not sent yet fail."""
    await delete_receiver(call, OBJECTS, call.parameters.value(NAME))


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
