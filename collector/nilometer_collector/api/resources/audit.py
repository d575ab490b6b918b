"""The audit log over HTTP."""

from typing import Literal, TypeAlias

import msgspec

from nilometer_collector.access.needs import Need
from nilometer_collector.access.rights import Access
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY, AnyId, Count, Flag
from nilometer_collector.store import AuditEntry, AuditRecord, Outcome

PAGE = 1000  # entries that are read from the store at once
LISTED = 200  # entries in one answer by default
MOST_LISTED = 10_000  # most entries in one answer

OutcomeWord: TypeAlias = Literal["done", "failed", "refused", "started"]

BEFORE = AnyId("before", "Value of `next` from the page before.")
LIMIT = Count("limit", "Largest number of entries in the answer.", LISTED, MOST_LISTED)
ONLY_REFUSED = Flag("refused", "Whether to list only refused requests, or only others.")


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """One request, or equal requests of one hour that were not done."""

    at: float  # time of the newest of them
    principal: str  # empty for a caller without a known token
    author: str  # person that a trusted proxy names, else the principal
    workspace: str  # workspace of the principal; empty for none
    address: str  # where the request came from
    operation: str
    entity: str
    name: str  # object that it names; empty for none
    outcome: OutcomeWord
    status: int
    times: int


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of the audit log, newest first."""

    entries: list[AuditView]
    next: int | None  # value of `before` for older entries; null on the last page


def may_see(access: Access, entry: AuditEntry) -> bool:
    """Return whether the caller may see *entry*.

    Tries that were not done are for administrators: of the workspace whose principals tried, or of the
    collector. Else the names in them would pass from one workspace to another.
    """
    if access.is_unlimited and entry.outcome is Outcome.DONE:
        return True
    workspace = "" if access.workspace is None else access.workspace.name
    if access.workspace is not None and entry.workspace not in {"", workspace}:
        return False  # it may name what is in this workspace, and still tell who its caller is
    is_ours = access.workspace is None or entry.workspace == workspace
    if entry.outcome is not Outcome.DONE:
        return is_ours and _administers(access)
    if access.workspace is not None and is_ours and not entry.entity:
        return access.may_use(f"{workspace}/")
    if entry.entity:
        return access.may(entry.entity)
    return bool(entry.name) and access.may_use(entry.name)


def _administers(access: Access) -> bool:
    """Return whether the caller may change everything in its workspace, or in the collector."""
    name = "" if access.workspace is None else f"{access.workspace.name}/"
    return access.for_need(Need.WRITE).may_use(name) and access.may_use(name)


async def list_audit(call: Call) -> AuditPage:
    """List the requests that the caller may see."""
    value, access, store = call.parameters.value, call.access, call.context.store
    entity, refused, limit = value(ANY_ENTITY), value(ONLY_REFUSED), value(LIMIT)

    def is_asked(entry: AuditEntry) -> bool:
        return (
            entity in {None, entry.entity}
            and refused in {None, entry.outcome is Outcome.REFUSED}
            and may_see(access, entry)
        )

    def read() -> AuditPage:
        found: list[AuditRecord] = []
        before = value(BEFORE)
        while True:
            page = store.audit.entries(before, PAGE)
            found += [one for one in page if is_asked(one.entry)]
            if len(page) < PAGE or len(found) > limit:
                break
            before = page[-1].id
        return AuditPage(
            entries=[audit_view(one.entry) for one in found[:limit]],
            next=found[limit - 1].id if len(found) > limit else None,
        )

    return await call.context.ask(read)


def audit_view(entry: AuditEntry) -> AuditView:
    """Return *entry* as the API shows it."""
    return AuditView(
        at=seconds(entry.at_ns),
        principal=entry.principal,
        author=entry.author,
        workspace=entry.workspace,
        address=entry.address,
        operation=entry.operation,
        entity=entry.entity,
        name=entry.name,
        outcome=entry.outcome.value,
        status=entry.status,
        times=entry.times,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/audit",
        name="listAudit",
        about="List who changed what, and who tried to without the right.",
        handler=list_audit,
        answer=AuditPage,
        parameters=(ANY_ENTITY, ONLY_REFUSED, BEFORE, LIMIT),
    ),
)
