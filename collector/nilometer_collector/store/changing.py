"""The verbs of the store for changes of declared objects, which `Store.history` implements."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from nilometer_collector.errors import Moved
from nilometer_collector.store.history_records import (
    EVERY_CHANGE,
    ChangeQuestion,
    ChangeRecord,
    Key,
    Revision,
)

MOST_CHANGES = 1000  # most changes in one answer


def check_unmoved(revision: Revision, based_on: int, moved: Iterable[Key]) -> None:
    """Refuse a revision if one of its objects changed after *based_on*.

    Args:
        revision: Changes that are about to be made.
        based_on: Number of the revision that they were made from.
        moved: Objects that changed after it.

    Raises:
        Moved: If an object of *revision* is among *moved*.
    """
    both = revision.objects.intersection(moved)
    if both:
        kind, entity, name = min(both)
        raise Moved(f"{kind} {name!r} of {entity} changed after revision {based_on}")


class History(Protocol):
    """Changes of declared objects, and objects that have no table of their own."""

    @property
    def newest(self) -> int:
        """Number of the newest revision; 0 before the first."""
        ...

    def commit(self, revision: Revision, now_ns: int, based_on: int | None = None) -> int:
        """Make all changes of *revision* and record them, in one transaction.

        Args:
            revision: Changes, with their author.
            now_ns: Wall time.
            based_on: Newest revision that the author knows; None if that does not matter.

        Returns:
            Number of the revision; that of the newest one if it changes nothing.

        Raises:
            Moved: If a newer revision than *based_on* changed an object that *revision* changes or
                depends on; nothing has changed then.
            Conflict: If a command contradicts what is stored; nothing has changed then.
            Unknown: If a command names a version of a reference that is not stored.
        """
        ...

    def changes(
        self, question: ChangeQuestion = EVERY_CHANGE, limit: int = MOST_CHANGES
    ) -> list[ChangeRecord]:
        """List at most *limit* changes, newest first; within a revision, by kind, entity, name."""
        ...

    def newest_change(self, keys: Collection[Key], after: int) -> tuple[int, Key] | None:
        """Return the number and the object of the newest change of *keys* after a revision.

        Args:
            keys: Objects to look for.
            after: Number of the revision.

        Returns:
            Of several objects in one revision, the first by kind, entity, name; None without a change.
        """
        ...

    def objects(self, kind: str) -> Mapping[Key, str]:
        """Return the definitions of all objects of *kind* that have no table of their own."""
        ...

    def object(self, key: Key) -> str | None:
        """Return the definition of one object that has no table of its own; None without one."""
        ...
