"""References of entities."""

import msgspec

from nilometer.profile import Reference
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY, Flag
from nilometer_collector.contents.feature import FeatureView
from nilometer_collector.store import ReferenceRecord
from nilometer_collector.store import References as StoredReferences


class ReferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """A reference, with its distribution if the request names a summary."""

    entity: str
    name: str
    digest: str
    rows: int
    source: str
    created: float
    current: bool  # whether agents get this version; each name has at most one such version
    expires: float | None  # time from which no window is compared with it; null for never
    feature: FeatureView | None


class References(msgspec.Struct, frozen=True, kw_only=True):
    """References by entity and name; several versions of one name are listed oldest first."""

    references: list[ReferenceView]


VERSIONS = Flag("versions", "Whether to list all versions; by default only the current ones.")


def reference_view(
    reference: Reference | ReferenceRecord,
    feature: FeatureView | None = None,
    *,
    is_current: bool = True,
    expires_ns: int | None = None,
) -> ReferenceView:
    """Return *reference* as the API shows it, with its distribution of one *feature*."""
    return ReferenceView(
        entity=reference.entity,
        name=reference.name,
        digest=reference.digest,
        rows=reference.rows,
        source=reference.source,
        created=seconds(reference.created_ns),
        current=is_current,
        expires=None if expires_ns is None else seconds(expires_ns),
        feature=feature,
    )


class StoredVersions:
    """The stored versions of the references of one entity, to show others beside them.

    Args:
        stored: Stored references.
        entity: Name of the entity.
    """

    def __init__(self, stored: StoredReferences, entity: str) -> None:
        self._records = {
            (one.name, one.digest): one for one in stored.records(entity, current=False)
        }

    def view(self, version: Reference) -> ReferenceView:
        """Return *version* as the API shows it, with its expiry if it is stored."""
        record = self._records.get((version.name, version.digest))
        return reference_view(
            version,
            is_current=record is not None and record.current,
            expires_ns=None if record is None else record.expires_ns,
        )


async def list_references(call: Call) -> References:
    """List the current references of all entities or of one, or all their versions."""
    stored, entity = call.context.store.references, call.parameters.value(ANY_ENTITY)
    access, versions = call.access, call.parameters.value(VERSIONS) or False
    found = await call.context.ask(
        lambda: [
            reference_view(one, is_current=one.current, expires_ns=one.expires_ns)
            for one in stored.records(entity, current=not versions)
            if access.may(one.entity)
        ]
    )
    return References(references=found)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/references",
        name="listReferences",
        about="List the current references, or all their versions.",
        handler=list_references,
        answer=References,
        parameters=(ANY_ENTITY, VERSIONS),
    ),
)
