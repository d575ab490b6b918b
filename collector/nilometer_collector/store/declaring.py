"""The verbs of the store for declared entities, which `Store.entities` implements."""

from typing import Protocol

from nilometer_collector.store.entity_records import DeclaredEntity, EntityDeclaration
from nilometer_collector.store.logged_types import LoggedType


class Entities(Protocol):
    """Declarations of entities. Entities that only have data are not here."""

    def put(
        self, name: str, declaration: EntityDeclaration, now_ns: int, replaces: int | None = None
    ) -> int:
        """Declare the entity *name*, or replace its declaration, and return the new version.

        Args:
            name: Name of the entity.
            declaration: What is said about it.
            now_ns: Wall time.
            replaces: Version that the change is based on, 0 for no declaration; None replaces any.

        Raises:
            Conflict: If another version is stored, or an edge would make a cycle.
        """
        ...

    def delete(self, name: str, now_ns: int, replaces: int | None = None) -> bool:
        """Remove the declaration of *name*; return False if there is none. Data and edges to it stay.

        Raises:
            Conflict: If another version is stored.
        """
        ...

    def read(self, name: str) -> DeclaredEntity | None:
        """Return the declaration of *name*; None if there is none."""
        ...

    def all(self) -> list[DeclaredEntity]:
        """List all declared entities by name."""
        ...

    def types(self, entity: str) -> dict[str, LoggedType]:
        """Return the types of the summaries of *entity* that users log, by summary."""
        ...

    def forget(self, entity: str, summary: str) -> bool:
        """Remove a summary that users log, its type and its samples; return False if there is none.

        The samples are removed in transactions of limited size, so other writers do not wait long.
        Samples that arrive meanwhile are removed, too. After a failure, a second call removes the
        rest.
        """
        ...
