"""Alerters, as they are written."""

import msgspec

from nilometer_collector.alerting.rules import AlerterView, Rule, alerter_of, rule_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY, ENTITY, RequiredText
from nilometer_collector.errors import Unknown

ORIGIN = "api"  # of a rule that came over HTTP
NAME = RequiredText("name", "Name of the alerter.")


class Alerters(msgspec.Struct, frozen=True, kw_only=True):
    """The rules, by name."""

    alerters: list[AlerterView]


async def list_alerters(call: Call) -> Alerters:
    """The rules of all or one entity."""
    alerts, entity = call.context.store.alerts, call.given.value(ANY_ENTITY)
    found = await call.context.ask(
        lambda: [rule_of(one) for one in alerts.rules(entity) if call.access.may(one.entity)]
    )
    return Alerters(alerters=found)


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
