"""Declared objects of a collector: conversations that both clients run.

    with Client("http://127.0.0.1:7500") as client:
        document = {"version": 1, "entities": [{"name": "fraud-scorer", "owner": "risk"}]}
        print(client.run(apply(document, dry_run=True)).changes)

With an `AsyncClient`, write ``await client.run(...)``.
"""

from collections.abc import Mapping
from typing import Any

from nilometer.client.answers import Applied, DeclaredObject, ObjectList, Revision, RevisionList
from nilometer.client.request import Conversation, Request, read, send


def apply(
    document: Mapping[str, Any],
    *,
    dry_run: bool = False,
    part_of: str = "",
    prune: bool = False,
    based_on: int | None = None,
    reason: str = "",
) -> Conversation[Applied]:
    """Create and change all objects of *document* in one transaction, and return the changes.

    Args:
        document: Objects by kind, as in a file of ``nilometer apply``.
        dry_run: Whether to find the changes only, and to make none.
        part_of: Name of the set that the objects belong to; empty for none.
        prune: Whether to remove the objects of the set that *document* does not have.
        based_on: Newest revision that you have read, such as `Applied.based_on` of a dry run; None to
            apply in any case.
        reason: Why the objects change, one line of at most 500 characters, for the history.

    Raises:
        Invalid: If an object is not allowed; the field is its place in the document.
        AccessDenied: If the caller may not change one of the objects.
        Problem: If an object of the document, or the set, changed after *based_on*; read it again.
    """
    asked = {
        "dry_run": "true" if dry_run else "",
        "set": part_of,
        "prune": "true" if prune else "",
        "based_on": None if based_on is None else str(based_on),
        "reason": reason,
    }
    answer = yield from send("/api/v1/apply", Applied, document, _given(asked))
    return answer


def roll_back(
    revision: int,
    *,
    kind: str | None = None,
    entity: str | None = None,
    name: str | None = None,
    dry_run: bool = False,
    reason: str = "",
) -> Conversation[Applied]:
    """Make all objects as they were after *revision*, as a new revision, and return the changes.

    Args:
        revision: Number of the revision; 0 for the time before the first.
        kind: Kind of the objects; None for all kinds.
        entity: Pattern of their entities; None for all objects.
        name: Pattern of their names; None for all names.
        dry_run: Whether to find the changes only, and to make none.
        reason: Why, for the history.

    Raises:
        NotFound: If there is no such revision.
        Problem: If an object cannot be as it was.
    """
    part = {"revision": revision, "kind": kind, "entity": entity, "name": name}
    asked = _given({"dry_run": "true" if dry_run else None, "reason": reason})
    answer = yield from send("/api/v1/rollback", Applied, part, asked)
    return answer


def objects(
    kind: str | None = None, *, entity: str | None = None, name: str | None = None
) -> Conversation[list[DeclaredObject]]:
    """Return the declared objects that the caller may read, each with its warnings.

    Args:
        kind: Kind of the objects, such as ``silence``; None for all kinds.
        entity: Their entity, or their pattern of entities; None for all.
        name: Their name; None for all.
    """
    asked = {"kind": kind, "entity": entity, "name": name}
    answer = yield from read("/api/v1/objects", ObjectList, _given(asked))
    return answer.objects


def remove(
    kind: str, name: str, *, entity: str | None = None, reason: str = ""
) -> Conversation[None]:
    """Remove a declared object. Its data stays.

    Args:
        kind: Kind of the object, such as ``silence``.
        name: Its name.
        entity: Its entity, or its pattern of entities; not needed for an entity.
        reason: Why, for the history.

    Raises:
        NotFound: If there is no such object.
        Problem: If another object needs it.
    """
    asked = _given({"kind": kind, "name": name, "entity": entity, "reason": reason})
    yield Request(path="/api/v1/objects", method="DELETE", parameters=asked)


def changes(
    kind: str | None = None,
    *,
    entity: str | None = None,
    name: str | None = None,
    limit: int = 200,
) -> Conversation[list[Revision]]:
    """Return the newest changes that the caller may read, by revision, the newest first.

    Args:
        kind: Kind of what changed; None for all kinds.
        entity: Entity of the objects, or their pattern of entities; None for all.
        name: Name of the objects; None for all.
        limit: Largest number of changes, 1 to 10,000.
    """
    asked = _given({"kind": kind, "entity": entity, "name": name, "limit": str(limit)})
    answer = yield from read("/api/v1/changes", RevisionList, asked)
    return answer.revisions


def _given(asked: Mapping[str, str | None]) -> list[tuple[str, str]]:
    return [(key, value) for key, value in asked.items() if value]
