"""Versions of references compared with each other."""

import msgspec

from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY, Comparators, RequiredText
from nilometer_collector.api.resources.references import ReferenceView, StoredVersions
from nilometer_collector.api.resources.samples import DistanceView, distance_view
from nilometer_collector.query.reference_versions import compared_columns, version_named

REFERENCE = RequiredText("reference", "Name of a current reference, or digest of a version.")
OTHER = RequiredText("other", "Name or digest of the version to compare with it.")
COMPARATOR = Comparators("comparator", "Name of a comparator; by default psi and ks.")


class ComparedColumnView(msgspec.Struct, frozen=True, kw_only=True):
    """A column of two references."""

    summary: str
    in_reference: bool
    in_other: bool
    distances: dict[str, DistanceView]  # by comparator; empty if a reference lacks the column


class ReferenceComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The distances of one version of a reference from another."""

    reference: ReferenceView
    other: ReferenceView
    columns: list[ComparedColumnView]


async def compare_references(call: Call) -> ReferenceComparison:
    """Compare all columns of two versions.

    Raises:
        Unknown: If there is no such version.
    """
    value, stored = call.parameters.value, call.context.store.references
    entity = value(ENTITY)

    def compare() -> ReferenceComparison:
        current = StoredVersions(stored, entity)
        one, other = (version_named(stored, entity, value(word)) for word in (REFERENCE, OTHER))
        return ReferenceComparison(
            reference=current.view(one),
            other=current.view(other),
            columns=[
                ComparedColumnView(
                    summary=column.summary,
                    in_reference=column.summary in one.columns,
                    in_other=column.summary in other.columns,
                    distances={
                        name: distance_view(found) for name, found in column.distances.items()
                    },
                )
                for column in compared_columns(one, other, value(COMPARATOR))
            ],
        )

    return await call.context.ask(compare)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/references/comparison",
        name="compareReferences",
        about="Compare all columns of two versions of references of an entity.",
        handler=compare_references,
        answer=ReferenceComparison,
        parameters=(ENTITY, REFERENCE, OTHER, COMPARATOR),
        errors=(404, 422),
    ),
)
