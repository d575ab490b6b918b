"""References of entities."""

import msgspec

from nilometer.profile import Reference
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY
from nilometer_collector.contents.feature import FeatureView
from nilometer_collector.store import ReferenceRecord


class ReferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """A reference, with its distribution if the request names a summary."""

    entity: str
    name: str
    digest: str
    rows: int
    source: str
    created: float
    feature: FeatureView | None


class References(msgspec.Struct, frozen=True, kw_only=True):
    """The current references, by name."""

    references: list[ReferenceView]


def reference_view(
    reference: Reference | ReferenceRecord, feature: FeatureView | None = None
) -> ReferenceView:
    """Return *reference* as the API shows it, with its distribution of one *feature*."""
    return ReferenceView(
        entity=reference.entity,
        name=reference.name,
        digest=reference.digest,
        rows=reference.rows,
        source=reference.source,
        created=seconds(reference.created_ns),
        feature=feature,
    )


async def list_references(call: Call) -> References:
    """List the current references of all entities or of one."""
    stored, entity = call.context.store.references, call.parameters.value(ANY_ENTITY)
    access = call.access
    found = await call.context.ask(
        lambda: [reference_view(one) for one in stored.records(entity) if access.may(one.entity)]
    )
    return References(references=found)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/references",
        name="listReferences",
        about="List the current references.",
        handler=list_references,
        answer=References,
        parameters=(ANY_ENTITY,),
    ),
)
