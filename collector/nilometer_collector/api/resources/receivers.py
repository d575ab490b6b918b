"""What the resources of channels and targets share: create or replace one, delete one."""

import msgspec

from nilometer_collector.alerting.receivers import ChannelDefinition, check_names
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json, refuse_controls
from nilometer_collector.api.operation import Call
from nilometer_collector.declared.applying import By, remove_one
from nilometer_collector.declared.arriving import put_receiver as declared_receiver
from nilometer_collector.declared.receivers import ReceiverObjects
from nilometer_collector.errors import Unknown
from nilometer_collector.store import Origin


async def put_receiver(call: Call, kind: ReceiverObjects) -> ChannelDefinition:
    """Create the receiver, or replace the receiver of this name; return it without its secrets.

    A secret that is sent as the lists show it keeps its value, as long as nothing changes about where
    messages go.

    Raises:
        ConfigError: If a setting is unknown or missing.
        Conflict: If this collector does not accept a value, such as a forbidden address.
    """
    call.access.require_all()
    definition = await read_json(call.request, kind.receiver)
    call.access.require_named(definition.name)
    context, by = call.context, By(author_of(call), Origin.API)
    refuse_controls(msgspec.structs.replace(definition, settings={}, secrets={}))
    check_names(definition)

    answer = await context.ask(
        lambda: declared_receiver(context.declaring(), kind, definition, by, context.clock.now_ns())
    )
    context.wake()
    return answer


async def delete_receiver(call: Call, kind: ReceiverObjects, name: str) -> None:
    """Delete the receiver.

    Raises:
        Unknown: If there is none of this name.
    """
    call.access.require_named(name)
    context, by = call.context, By(author_of(call), Origin.API)
    key = kind.key_named("", name)
    existed = await context.ask(
        lambda: remove_one(
            context.declaring(), kind, key, kind.remove(key), by, context.clock.now_ns()
        )
    )
    if not existed:
        raise Unknown(f"there is no stored {kind.name} {name!r}")
