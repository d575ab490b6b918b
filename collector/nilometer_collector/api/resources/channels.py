"""The HTTP resource of channels: list, create or replace, delete, test."""

import msgspec

from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import RequiredText
from nilometer_collector.api.resources.receivers import delete_receiver, put_receiver
from nilometer_collector.channels import Outcome, send_sample
from nilometer_collector.declared.receivers import ChannelObjects
from nilometer_collector.errors import Unknown

OBJECTS = ChannelObjects()
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
    return Channels(channels=[one.shown() for one in found if call.access.may_use(one.name)])


async def put_channel(call: Call) -> ChannelDefinition:
    """Create the channel, or replace the channel of this name."""
    return await put_receiver(call, OBJECTS)


async def delete_channel(call: Call) -> None:
    """Delete the channel; its waiting notifications are not sent."""
    await delete_receiver(call, OBJECTS, call.parameters.value(NAME))


async def test_channel(call: Call) -> ChannelTest:
    """Send a test message to the channel, and its closing.

    Raises:
        Unknown: If there is no channel of this name.
    """
    name, context = call.parameters.value(NAME), call.context
    call.access.require_named(name)

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
