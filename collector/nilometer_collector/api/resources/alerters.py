"""The HTTP resource of alerters: list, create or replace, delete."""

import msgspec

from nilometer.alert import Alerter
from nilometer_collector.access.needs import Need
from nilometer_collector.alerting.definitions import (
    AlerterDefinition,
    AlerterView,
    alerter_of,
    alerter_view,
)
from nilometer_collector.alerting.statuses import AlerterStatus
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.fields import Health, Why, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY, ENTITY, RequiredText
from nilometer_collector.declared.alerters import AlerterObjects, alerter_key
from nilometer_collector.declared.apart import check_apart
from nilometer_collector.declared.applying import By, change_one, remove_one
from nilometer_collector.declared.kind import Plain
from nilometer_collector.errors import Unknown
from nilometer_collector.query.alerter_statuses import alerter_statuses
from nilometer_collector.query.missing_names import KnownNames, missing_names
from nilometer_collector.store import Command, Origin, RemoveAlerter

OBJECTS = AlerterObjects()
NAME = RequiredText("name", "Name of the alerter.")


class UnreadAlerter(msgspec.Struct, frozen=True, kw_only=True):
    """A stored alerter that this collector cannot read and does not send to agents."""

    entity: str
    name: str
    summary: str
    kind: str
    reason: str  # reason why it cannot be read


class AlerterStatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The status of an alerter on one summary and label set."""

    alerter: str
    summary: str  # the alerter's pattern if it has judged no window
    labels: dict[str, str]
    status: Health
    reason: Why
    sentence: str  # reason in words
    judged: float | None  # end of the newest window that it judged, or could not judge
    value: float | None  # newest measured value
    measured: float | None  # end of the window in which it was measured
    openings: int  # episodes that the alerter has opened in the last 30 days, over all summaries
    measure: str  # comparator or statistic
    unit: str


class AlerterStatuses(msgspec.Struct, frozen=True, kw_only=True):
    """Statuses, ordered by alerter, summary and labels."""

    statuses: list[AlerterStatusView]


class PutAlerter(AlerterView, frozen=True, kw_only=True):
    """The stored alerter, with warnings of likely mistakes."""

    warnings: list[str]  # its names that do not exist yet, each with the most similar known name


class Alerters(msgspec.Struct, frozen=True, kw_only=True):
    """Alerters, ordered by entity and name."""

    alerters: list[AlerterView]
    unread: list[UnreadAlerter] | msgspec.UnsetType = (
        msgspec.UNSET
    )  # absent if every alerter can be read


async def list_alerters(call: Call) -> Alerters:
    """List the alerters of all entities or of one."""
    alerts, entity = call.context.store.alerts, call.parameters.value(ANY_ENTITY)
    found, unread = await call.context.ask(
        lambda: (alerts.alerters(entity), alerts.unread_alerters(entity))
    )
    may = call.access.may
    return Alerters(
        alerters=[alerter_view(one) for one in found if may(one.entity)],
        unread=[_unread_alerter(*one) for one in unread if may(one[0].entity)] or msgspec.UNSET,
    )


async def list_alerter_statuses(call: Call) -> AlerterStatuses:
    """List the status of each alerter of an entity on each summary and label set."""
    context, entity = call.context, call.parameters.value(ENTITY)
    store, now_ns = context.store, context.clock.now_ns()
    found, alerters = await context.ask(
        lambda: (
            alerter_statuses(store, entity, now_ns),
            {one.name: one for one in store.alerts.alerters(entity)},
        )
    )
    return AlerterStatuses(statuses=[_status_view(one, alerters.get(one.alerter)) for one in found])


def _status_view(one: AlerterStatus, alerter: Alerter | None) -> AlerterStatusView:
    condition = None if alerter is None else alerter.condition
    return AlerterStatusView(
        alerter=one.alerter,
        summary=one.summary,
        labels=one.labels.as_dict(),
        status=one.status.value,
        reason=one.reason.value,
        sentence=one.sentence,
        judged=seconds(one.judged_ns) if one.judged_ns else None,
        value=one.value,
        measured=seconds(one.value_ns) if one.value_ns else None,
        openings=one.openings,
        measure="" if condition is None else condition.measure,
        unit="" if condition is None else condition.unit,
    )


async def put_alerter(call: Call) -> PutAlerter:
    """Create the alerter, or replace the alerter of this entity and name.

    Raises:
        Forbidden: If the caller may not change alerters of this entity.
    """
    context, by = call.context, By(author_of(call), Origin.API)
    definition = await read_json(call.request, AlerterDefinition)
    alerter = await context.ask(lambda: alerter_of(definition))  # it may read a time zone's file
    call.access.require((alerter.entity,))
    check_apart(definition, context.store.workspaces)
    declaring, now_ns = context.declaring(), context.clock.now_ns()

    def make() -> tuple[Plain, Command]:
        completed = OBJECTS.completed(definition, declaring)
        return OBJECTS.checked(completed), OBJECTS.put(completed)

    key = OBJECTS.key(definition)
    await context.ask(lambda: change_one(declaring, OBJECTS, key, make, by, now_ns))
    context.wake()
    may_read = call.access.for_need(Need.READ).may  # because a warning reveals names
    warnings = []
    if may_read(alerter.entity):
        warnings = await context.ask(
            lambda: missing_names(KnownNames(context.store, may_read), alerter)
        )
    return PutAlerter(**msgspec.structs.asdict(alerter_view(alerter)), warnings=warnings)


async def delete_alerter(call: Call) -> None:
    """Delete the alerter.

    Raises:
        Unknown: If there is no alerter of this entity and name.
    """
    entity, name = call.parameters.value(ENTITY), call.parameters.value(NAME)
    context, now_ns, by = (
        call.context,
        call.context.clock.now_ns(),
        By(author_of(call), Origin.API),
    )
    key, command = alerter_key(entity, name), RemoveAlerter(entity, name)
    if not await call.context.ask(
        lambda: remove_one(context.declaring(), OBJECTS, key, command, by, now_ns)
    ):
        raise Unknown(f"{entity} has no alerter {name!r}")
    call.context.wake()


def _unread_alerter(alerter: Alerter, reason: str) -> UnreadAlerter:
    return UnreadAlerter(
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
        about="List the alerters.",
        handler=list_alerters,
        answer=Alerters,
        parameters=(ANY_ENTITY,),
    ),
    Operation(
        method="GET",
        path="/api/v1/alerters/statuses",
        name="listAlerterStatuses",
        about="List the status of the alerters of an entity, each with its reason.",
        handler=list_alerter_statuses,
        answer=AlerterStatuses,
        parameters=(ENTITY,),
    ),
    Operation(
        method="PUT",
        path="/api/v1/alerters",
        name="putAlerter",
        about="Create or replace the alerter of this entity and name.",
        handler=put_alerter,
        answer=PutAlerter,
        body=AlerterDefinition,
        errors=(400, 413, 415, 422),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/alerters",
        name="deleteAlerter",
        about="Delete an alerter; its open episodes close.",
        handler=delete_alerter,
        answer=None,
        parameters=(ENTITY, NAME),
        errors=(404, 422),
    ),
)
