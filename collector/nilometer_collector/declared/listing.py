"""Lists changes that a caller may see."""

from collections.abc import Callable
from dataclasses import replace

from nilometer_collector.declared.registered import ALL_KINDS
from nilometer_collector.store import ChangeQuestion, ChangeRecord, Key, Store


def visible_changes(
    store: Store, question: ChangeQuestion, limit: int, may_read: Callable[[Key], bool]
) -> tuple[list[ChangeRecord], int | None]:
    """Return changes of whole revisions, newest first, as far as the caller may read their objects.

    Args:
        store: Store of all changes.
        question: Selection of changes.
        limit: Largest number of changes; a longer revision is cut.
        may_read: Function that returns whether the caller may read an object.

    Returns:
        The changes, and the revision before which older ones are listed; None if there are none.
    """
    before = question.before
    while True:
        page = store.history.changes(replace(question, before=before), limit + 1)
        is_last = len(page) <= limit
        whole = page if is_last else _whole(page, limit)
        found = [one for one in whole if may_read(one.change.key)]
        before = None if is_last else whole[-1].revision
        if found or is_last:
            return found, before


class UnreadCount:
    """Counts the stored objects that this version cannot read; each is set aside.

    Args:
        store: Store of all objects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[int, int] | None = None  # number of the newest revision, and the count

    def read(self) -> int:
        """Return the number; all objects are only read after a new revision."""
        newest = (
            self._store.history.newest
        )  # before the objects, so that a change is seen next time
        if self._known is None or self._known[0] != newest:
            self._known = newest, sum(len(kind.unread(self._store)) for kind in ALL_KINDS)
        return self._known[1]


def _whole(page: list[ChangeRecord], limit: int) -> list[ChangeRecord]:
    """Return the start of *page* without the revision that *limit* cuts, unless it is the only one."""
    cut = page[limit].revision
    return [one for one in page[:limit] if one.revision != cut] or page[:limit]
