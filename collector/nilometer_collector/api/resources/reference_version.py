"""One version of a reference: its columns, and which of them are too small to judge with."""

import msgspec

from nilometer.compare import shortfalls
from nilometer.profile import Reference
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY, RequiredText, Text
from nilometer_collector.api.resources.references import ReferenceView, StoredVersions
from nilometer_collector.query.reference_versions import version_named

VERSION = RequiredText("reference", "Name of a current reference, or digest of a version.")
NAME = Text("name", "Name of the reference, because two may have versions with the same digest.")


class ReferenceColumnView(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a reference."""

    summary: str
    count: int  # finite numbers and categories


class ReferenceVersionView(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a reference with its columns."""

    reference: ReferenceView
    columns: list[ReferenceColumnView]
    warnings: list[str]  # columns that are too small to judge with, and how large they should be


def columns_of(reference: Reference) -> list[ReferenceColumnView]:
    """Return the columns of *reference*, ascending by summary."""
    return [
        ReferenceColumnView(summary=summary, count=column.feature.count)
        for summary, column in sorted(reference.columns.items())
    ]


async def read_version(call: Call) -> ReferenceVersionView:
    """Return a version of a reference of an entity.

    Raises:
        Unknown: If there is no such version.
    """
    entity, word = call.parameters.value(ENTITY), call.parameters.value(VERSION)
    stored, name = call.context.store.references, call.parameters.value(NAME)

    def read() -> ReferenceVersionView:
        found = version_named(stored, entity, word, name)
        return ReferenceVersionView(
            reference=StoredVersions(stored, entity).view(found),
            columns=columns_of(found),
            warnings=shortfalls(found),
        )

    return await call.context.ask(read)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/references/version",
        name="readReferenceVersion",
        about="Read one version of a reference: its columns, and warnings of those that are too small.",
        handler=read_version,
        answer=ReferenceVersionView,
        parameters=(ENTITY, VERSION, NAME),
        errors=(404, 422),
    ),
)
