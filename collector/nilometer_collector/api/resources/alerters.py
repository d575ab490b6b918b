"""Alerters, as they are written."""

import msgspec

from nilometer.alert import Alerter
from nilometer_collector.alerting.rules import AlerterView, Rule, alerter_of, rule_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY, ENTITY, RequiredText
from nilometer_collector.errors import Unknown

ORIGIN = "api"  # of a rule that came over HTTP
NAME = RequiredText("name", "Name of the alerter.")


class UnreadRule(msgspec.Struct, frozen=True, kw_only=True):
    """A stored rule that this collector cannot read: it gives it to no agent."""

    entity: str
    name: str
    summary: str
    kind: str
    reason: str  # what is not known


class Alerters(msgspec.Struct, frozen=True, kw_only=True):
    """The rules, by name."""

    alerters: list[AlerterView]
    unread: list[UnreadRule] | msgspec.UnsetType = msgspec.UNSET  # where there are some


async def list_alerters(call: Call) -> Alerters:
    """The rules of all or one entity."""
    alerts, entity = call.context.store.alerts, call.given.value(ANY_ENTITY)
    found, unread = await call.context.ask(
        lambda: (alerts.rules(entity), alerts.unread_rules(entity))
    )
    may = call.access.may
    return Alerters(
        alerters=[rule_of(one) for one in found if may(one.entity)],
        unread=[_unread_rule(*one) for one in unread if may(one[0].entity)] or msgspec.UNSET,
    )


async def put_alerter(call: Call) -> AlerterView:
    """Create the rule, or replace the one of its entity and name.

    Raises:
        Forbidden: If the caller may not change rules of this entity.
    """
    alerter = alerter_of(await read_json(call.request, Rule))
    call.access.require((alerter.entity,))
    context = call.context
    await context.ask(lambda: context.store.alerts.put(alerter, ORIGIN, context.clock.now_ns()))
    context.wake()
    return rule_of(alerter)


async def delete_alerter(call: Call) -> None:
    """Remove the rule.

    Raises:
        Unknown: If there is none of this entity and name.
    """
    entity, name = call.given.value(ENTITY), call.given.value(NAME)
    alerts, now_ns = call.context.store.alerts, call.context.clock.now_ns()
    if not await call.context.ask(lambda: alerts.delete(entity, name, now_ns)):
        raise Unknown(f"{entity} has no alerter {name!r}")
    call.context.wake()


def _unread_rule(alerter: Alerter, reason: str) -> UnreadRule:
    return UnreadRule(
        entity=alerter.entity,
        name=alerter.name,
        summary=alerter.summary,
        kind=alerter.condition.kind,
        reason=reason,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/alerters",
        name="listAlerters",
        about="The rules.",
        handler=list_alerters,
        answer=Alerters,
        parameters=(ANY_ENTITY,),
    ),
    Operation(
        method="PUT",
        path="/api/v1/alerters",
        name="putAlerter",
        about="Create or replace the rule of this entity and name.",
        handler=put_alerter,
        answer=AlerterView,
        body=Rule,
        errors=(400, 413, 415, 422),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/alerters",
        name="deleteAlerter",
        about="Remove a rule; its open episodes close.",
        handler=delete_alerter,
        answer=None,
        parameters=(ENTITY, NAME),
        errors=(404, 422),
    ),
)
