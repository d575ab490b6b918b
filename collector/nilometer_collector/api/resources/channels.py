"""The HTTP resource of channels: list, create or replace, delete, test."""

import msgspec

from nilometer.values.errors import ConfigError
from nilometer_collector.alerting.receivers import (
    MOST_CHANNELS,
    ChannelDefinition,
    check_names,
    check_values,
    with_stored_secrets,
)
from nilometer_collector.api.body import read_json, refuse_controls
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import RequiredText
from nilometer_collector.channels import Outcome, send_sample
from nilometer_collector.errors import Conflict, Unknown
from nilometer_collector.store import API_ORIGIN

NAME = RequiredText("name", "Name of the channel.")


class Channels(msgspec.Struct, frozen=True, kw_only=True):
    """Channels by name. In place of each secret is its public part."""

    channels: list[ChannelDefinition]


class ChannelTest(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a test message."""

    delivered: bool
    reason: str  # reason why it was not delivered; empty if it was


async def list_channels(call: Call) -> Channels:
    """List the channels."""
    call.access.require_all()
    context = call.context
    found = await context.ask(lambda: context.receivers.all(context.store))
    return Channels(channels=[one.shown() for one in found])


async def put_channel(call: Call) -> ChannelDefinition:
    """Create the channel, or replace the channel of this name.

    A secret that is sent as `list_channels` shows it keeps its value, as long as nothing changes about
    where messages go.

    Raises:
        ConfigError: If a setting is unknown or missing.
        Conflict: If this collector does not accept a value, such as a forbidden address.
    """
    call.access.require_all()
    context = call.context
    definition = await read_json(call.request, ChannelDefinition)
    refuse_controls(msgspec.structs.replace(definition, settings={}, secrets={}))
    check_names(definition)

    def put() -> ChannelDefinition:
        stored = context.store.channels.read(definition.name)
        channel = with_stored_secrets(definition, stored)
        try:
            check_values(channel, context.receivers.allowed)
        except ConfigError as error:
            raise Conflict(str(error)) from error
        context.store.channels.put(channel, API_ORIGIN, context.clock.now_ns(), MOST_CHANNELS)
        return channel.shown()

    answer = await context.ask(put)
    context.wake()
    return answer


async def delete_channel(call: Call) -> None:
    """Delete the channel; its waiting notifications are not sent.

    Raises:
        Unknown: If there is no channel of this name.
    """
    call.access.require_all()
    name, context = call.parameters.value(NAME), call.context
    if not await context.ask(lambda: context.store.channels.delete(name, context.clock.now_ns())):
        raise Unknown(f"there is no stored channel {name!r}")


async def test_channel(call: Call) -> ChannelTest:
    """Send a test message to the channel, and its closing.

    Raises:
        Unknown: If there is no channel of this name.
    """
    call.access.require_all()
    name, context = call.parameters.value(NAME), call.context

    def test() -> ChannelTest:
        channel = context.receivers.read(context.store, name)
        if channel is None:
            raise Unknown(f"there is no channel {name!r}")
        answer = send_sample(channel, context.receivers, context.store, context.clock.now_ns())
        return ChannelTest(
            delivered=answer.outcome is Outcome.DELIVERED,
            reason=answer.reason,
        )

    return await context.ask_slowly(test)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/channels",
        name="listChannels",
        about="List the channels, without their secrets.",
        handler=list_channels,
        answer=Channels,
    ),
    Operation(
        method="PUT",
        path="/api/v1/channels",
        name="putChannel",
        about="Create or replace the channel of this name.",
        handler=put_channel,
        answer=ChannelDefinition,
        body=ChannelDefinition,
        errors=(400, 409, 413, 415, 422),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/channels",
        name="deleteChannel",
        about="Delete a channel. Its waiting notifications are not sent.",
        handler=delete_channel,
        answer=None,
        parameters=(NAME,),
        errors=(404, 422),
    ),
    Operation(
        method="POST",
        path="/api/v1/channels/test",
        name="testChannel",
        about="Send a test message to a channel, and its closing.",
        handler=test_channel,
        answer=ChannelTest,
        parameters=(NAME,),
        errors=(404, 422),
    ),
)
