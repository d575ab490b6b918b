"""What the resources of channels and targets share: create or replace one, delete one."""

import msgspec

from nilometer_collector.alerting.receivers import (
    ChannelDefinition,
    check_names,
    with_stored_secrets,
)
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json, refuse_controls
from nilometer_collector.api.operation import Call
from nilometer_collector.declared.applying import By, change_one
from nilometer_collector.declared.kind import Misdeclared
from nilometer_collector.declared.receivers import ReceiverObjects, object_of
from nilometer_collector.errors import Conflict, Unknown
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

    def put() -> ChannelDefinition:
        declaring, store = context.declaring(), context.store
        receiver = with_stored_secrets(definition, kind.read(store, definition.name))
        given = object_of(receiver, {**receiver.secrets})
        try:
            completed = kind.completed(given, declaring)
        except Misdeclared as error:  # its names are checked, so a value is not allowed here
            raise Conflict(str(error), error.field) from error
        key, plain, command = kind.key(completed), kind.checked(completed), kind.put(completed)
        change_one(declaring, kind, key, plain, command, by, context.clock.now_ns())
        return receiver.shown()

    answer = await context.ask(put)
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
        lambda: change_one(
            context.declaring(), kind, key, None, kind.remove(key), by, context.clock.now_ns()
        )
    )
    if not existed:
        raise Unknown(f"there is no stored {kind.name} {name!r}")
