"""The HTTP resource of deliveries: what each channel was told, with every attempt."""

from typing import Literal, TypeAlias, cast

import msgspec

from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY, Text
from nilometer_collector.store import AttemptRecord, DeliveryRecord

CHANNEL = Text("channel", "Only deliveries to this channel.")

Outcome: TypeAlias = Literal["waiting", "delivered", "refused", "withheld"]
Tried: TypeAlias = Literal["delivered", "refused", "failed"]


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to send a message."""

    at: float
    outcome: Tried
    reason: str  # reason why it was not delivered; empty if it was


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """A notification of a channel."""

    channel: str
    entity: str
    episode: int
    status: str  # status of the episode that it tells, or ACKNOWLEDGED, or ACTION
    key: str  # idempotency key of the message; notifications of one message share it
    queued: float
    outcome: Outcome
    settled: float | None  # time of the outcome; null while it waits
    tries: int
    last_failure: str
    attempts: list[AttemptView]  # attempts at the message, oldest first


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries, newest first; at most 1,000."""

    deliveries: list[DeliveryView]


async def list_deliveries(call: Call) -> Deliveries:
    """List the newest deliveries of the entities that the caller may read."""
    channel, entity = call.parameters.value(CHANNEL), call.parameters.value(ANY_ENTITY)
    deliveries = call.context.store.deliveries
    found = await call.context.ask(lambda: deliveries.records(channel, entity, among=call.among()))
    return Deliveries(deliveries=[_view(one) for one in found])


def _view(delivery: DeliveryRecord) -> DeliveryView:
    return DeliveryView(
        channel=delivery.channel,
        entity=delivery.entity,
        episode=delivery.episode,
        status=delivery.status,
        key=delivery.key,
        queued=seconds(delivery.created_ns),
        outcome=cast("Outcome", delivery.outcome),
        settled=None if delivery.settled_ns is None else seconds(delivery.settled_ns),
        tries=delivery.tries,
        last_failure=delivery.last_failure,
        attempts=[_attempt_view(one) for one in delivery.attempts],
    )


def _attempt_view(attempt: AttemptRecord) -> AttemptView:
    return AttemptView(
        at=seconds(attempt.at_ns),
        outcome=cast("Tried", attempt.outcome),
        reason=attempt.reason,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/deliveries",
        name="listDeliveries",
        about="List the newest notifications of the channels, with every attempt.",
        handler=list_deliveries,
        answer=Deliveries,
        parameters=(CHANNEL, ANY_ENTITY),
    ),
)
