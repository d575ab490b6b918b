"""References of entities."""

import msgspec

from nilometer.profile import Reference
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY
from nilometer_collector.contents.feature import FeatureView
from nilometer_collector.store import ReferenceRecord


class ReferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """A reference and, when a summary was asked for, its distribution."""

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
    """*reference* as it is shown, with its distribution of one *feature*."""
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
    """The references of all or one entity."""
    stored, entity = call.context.store.references, call.given.value(ANY_ENTITY)
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
        about="The current references.",
        handler=list_references,
        answer=References,
        parameters=(ANY_ENTITY,),
    ),
)
