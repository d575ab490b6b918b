"""Changes declared objects: all objects of a document at once, one object, or back to a revision."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.kind import Kind, Misdeclared, Plain, title_of
from nilometer_collector.declared.planning import (
    Plan,
    change_of,
    check_names,
    keys_in,
    plan_of,
    with_title,
)
from nilometer_collector.declared.registered import FORMAT, KINDS, Document
from nilometer_collector.declared.sets import KIND as SET
from nilometer_collector.declared.sets import (
    PartOf,
    SetDefinition,
    Sets,
    members_before,
    read_set,
    set_key,
)
from nilometer_collector.errors import Busy, Conflict, Moved, Unknown
from nilometer_collector.store import (
    Change,
    ChangeQuestion,
    ChangeRecord,
    Command,
    Key,
    Origin,
    Revision,
    Store,
)

_RESTORED = {kind.name for kind in KINDS}  # a decision about an episode cannot be undone

ATTEMPTS = 10  # attempts of one change; each one fails only if another change has succeeded
MOST_UNDONE = 100_000  # most changes that one rollback undoes


@dataclass(frozen=True, slots=True)
class By:
    """Who makes a change, how it arrived, and why it is made.

    Attributes:
        reason: One line; empty if the author gave no reason.
    """

    author: str
    origin: Origin
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """A plan, and the revision that made it.

    Attributes:
        revision: Number of the revision; None if nothing is changed.
        based_on: Newest revision that the plan was made from.
    """

    plan: Plan
    revision: int | None
    based_on: int


def apply(
    context: DeclareContext,
    document: msgspec.Struct,
    by: By,
    now_ns: int,
    *,
    is_dry_run: bool = False,
    part_of: PartOf | None = None,
    prunes: bool = False,
    based_on: int | None = None,
    require: Callable[[Key], None] = lambda _: None,
) -> Applied:
    """Create and change the objects of *document* in one transaction. Other objects stay.

    An object of the set *part_of* that is not in *document* stays in the set until it is pruned.

    Args:
        context: Store of all objects, and what this collector allows.
        document: Objects by kind, made by `document_of`.
        by: Author of the changes.
        now_ns: Wall time.
        is_dry_run: Whether to find the changes only, and to make none.
        part_of: Set that the objects belong to; None for none.
        prunes: Whether to remove the objects of the set that *document* does not have.
        based_on: Newest revision that the author has read; None to apply in any case.
        require: Function that raises an error if the author may not remove an object.

    Raises:
        Misdeclared: If an object is not allowed; nothing has changed then.
        Conflict: If objects contradict each other or what is stored, or one of them, or the set, changed
            after *based_on*; nothing has changed then.
        Forbidden: If the set belongs to another principal.
    """
    check_names(document)
    context = replace(context, is_dry_run=is_dry_run)
    present = keys_in(document)

    def plan() -> Plan:
        if part_of is None:
            found = plan_of(context, document)
            found.depends_on += present if based_on is not None else []
            return found
        sets, name = Sets(context.store), part_of.name
        part_of.require(sets)
        missing, others = sets.missing(name, present) if prunes else ([], [])
        for key in missing:
            require(key)
        found = plan_of(context, document, missing)
        members = present if prunes else sets.members(name).union(present)
        _add(found, sets.change(name, part_of.caller, members))
        # Another apply may change the set, prune what is present here, or take what is missing here.
        found.depends_on += [*present, set_key(name), *map(set_key, others)]
        return found

    def check(planned: Plan, newest: int) -> None:
        if based_on is not None:
            own_set = None if part_of is None else set_key(part_of.name)
            _check_based_on(context.store, planned, based_on, newest, own_set)

    return commit_plan(context.store, plan, by, now_ns, is_dry_run=is_dry_run, check=check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Part of all objects.

    Attributes:
        kind: Name of a kind; None for all kinds.
        entity: Pattern of the entities of objects, or of their patterns; None for all objects.
        name: Pattern of the names of objects; None for all names.
    """

    kind: str | None = None
    entity: str | None = None
    name: str | None = None

    def holds(self, key: Key) -> bool:
        """Return whether the object *key* belongs to the part."""
        return self.kind in {None, key.kind} and all(
            pattern is None or fnmatchcase(text, pattern)
            for pattern, text in ((self.entity, key.entity), (self.name, key.name))
        )


EVERYTHING = Part()


def roll_back(
    context: DeclareContext,
    revision: int,
    by: By,
    now_ns: int,
    *,
    part: Part = EVERYTHING,
    is_dry_run: bool = False,
    sees: Callable[[Key], bool] = lambda _: True,
    require: Callable[[Key], None] = lambda _: None,
    may_change: Callable[[SetDefinition], bool] = lambda _: True,
) -> Applied:
    """Make the objects of *part* as they were after *revision*, as a new revision.

    Each of these objects also belongs to the same sets as then.

    Args:
        context: Store of all objects, and what this collector allows.
        revision: Number of the revision; 0 for the time before the first.
        by: Author of the changes.
        now_ns: Wall time.
        part: Objects that may change.
        is_dry_run: Whether to find the changes only, and to make none.
        sees: Function that returns whether an object exists for the author; others stay.
        require: Function that raises an error if the author may not change an object.
        may_change: Function that returns whether the author may change a set; others stay.

    Raises:
        Unknown: If there is no such revision.
        Conflict: If an object cannot be as it was, such as an alerter of a kind that this collector
            does not know.
    """

    def plan() -> Plan:
        if revision > context.store.history.newest:
            raise Unknown(f"there is no revision {revision}")
        records = _changes_after(context.store, revision)
        # Records are newest first, so the oldest one of each object wins.
        then = {
            record.change.key: record.change.before
            for record in records
            if record.change.key.kind in _RESTORED
            and part.holds(record.change.key)
            and sees(record.change.key)
        }
        for key in then:
            require(key)
        found = _plan_back(context, then, revision)
        _plan_sets_back(context, records, part, may_change, found)
        return found

    return commit_plan(context.store, plan, by, now_ns, is_dry_run=is_dry_run)


def change_one(
    context: DeclareContext,
    kind: Kind[Any],
    key: Key,
    make: Callable[[], tuple[Plain | None, Command]],
    by: By,
    now_ns: int,
) -> bool:
    """Make one change, also if the object stays as it is.

    Args:
        context: Store of all objects, and what this collector allows.
        kind: Kind of the object.
        key: Identity of the object.
        make: Function that returns the new definition, or None to remove the object, and the
            command for it. What it reads of the object is newest: if that changes before the commit,
            it is called again.
        by: Author of the change.
        now_ns: Wall time.

    Returns:
        Whether the object existed before.

    Raises:
        Conflict: If another object needs the one to remove.
    """
    existed = False

    def plan() -> Plan:
        nonlocal existed
        after, command = make()
        before = kind.stored(context.store, key.entity).get(key)
        existed = before is not None
        if existed and after is None:
            kind.check_removal(key, context)
        changes = [change_of(key, before, after)] if before != after else []
        return Plan(changes=changes, commands=[command], depends_on=[key])

    commit_plan(context.store, plan, by, now_ns)
    return existed


def remove_one(
    context: DeclareContext, kind: Kind[Any], key: Key, command: Command, by: By, now_ns: int
) -> bool:
    """Remove one object, as `change_one` does; return whether it existed."""
    return change_one(context, kind, key, lambda: (None, command), by, now_ns)


def commit_plan(
    store: Store,
    plan: Callable[[], Plan],
    by: By,
    now_ns: int,
    *,
    is_dry_run: bool = False,
    check: Callable[[Plan, int], None] = lambda *_: None,
) -> Applied:
    """Make what *plan* returns, in one transaction.

    If others changed one of its objects meanwhile, it is planned again.

    Args:
        store: Store of all objects.
        plan: Function that returns the changes, from what is stored.
        by: Author of the changes.
        now_ns: Wall time.
        is_dry_run: Whether to find the changes only, and to make none.
        check: Function that raises an error if a plan may not be made. It gets the plan, and the number
            of the newest revision that the plan was made from.

    Raises:
        Busy: If others changed the same objects during each of `ATTEMPTS`.
        Conflict: If a change contradicts what is stored.
    """
    for _ in range(ATTEMPTS):
        newest = store.history.newest
        planned = plan()
        check(planned, newest)
        if is_dry_run or not planned.commands:
            return Applied(planned, None, newest)
        revision = Revision(
            author=by.author,
            origin=by.origin,
            commands=planned.commands,
            changes=planned.changes,
            depends_on=planned.depends_on,
            reason=by.reason,
        )
        try:
            number = store.history.commit(revision, now_ns, based_on=newest)
        except Moved:
            continue
        return Applied(planned, number if planned.changes else None, newest)
    raise Busy("others are changing the same objects: try again", seconds=1)


def _check_based_on(
    store: Store, plan: Plan, based_on: int, newest: int, own_set: Key | None
) -> None:
    """Refuse a plan if one of its objects changed after the revision that its author has read."""
    if based_on > newest:
        raise Conflict(f"there is no revision {based_on}: the newest one is {newest}", "based_on")
    # Other sets are looked at, too; an error must not name one that the author may not know.
    known = {key for key in plan.depends_on if key.kind != SET or key == own_set}
    known |= {change.key for change in plan.changes}
    found = store.history.newest_change(known, based_on)
    if found is not None:
        revision, key = found
        raise Conflict(
            f"{title_of(key)} changed in revision {revision}, after revision {based_on}: read it "
            "again, and apply to the newest revision",
            "based_on",
        )


def _add(plan: Plan, change: tuple[Change, Command] | None) -> None:
    if change is not None:
        plan.changes.append(change[0])
        plan.commands.append(change[1])


def _changes_after(store: Store, revision: int) -> list[ChangeRecord]:
    """Return every change after *revision*, newest first."""
    question = ChangeQuestion(after=revision)
    records = store.history.changes(question, limit=MOST_UNDONE + 1)
    if len(records) > MOST_UNDONE:
        raise Conflict(f"more than {MOST_UNDONE} changes came after revision {revision}")
    return records


def _plan_sets_back(
    context: DeclareContext,
    records: Sequence[ChangeRecord],
    part: Part,
    may_change: Callable[[SetDefinition], bool],
    plan: Plan,
) -> None:
    """Add the changes of sets to *plan*: the objects of *part* belong to the same ones as before *records*."""
    sets = Sets(context.store)
    changes: dict[Key, list[tuple[str | None, str | None]]] = {}
    for record in records:
        if record.change.key.kind == SET:
            found = changes.setdefault(record.change.key, [])
            found.append((record.change.before, record.change.after))
    for key, of_set in changes.items():
        known = sets.read(key.name) or _removed_set(key.name, of_set)
        if known is None or not may_change(known):
            continue
        now = sets.members(key.name)
        then = members_before(key.name, now, of_set)
        moving = {one for one in then ^ now if part.holds(one) or part.holds(key)}
        _add(plan, sets.change(key.name, known.owner, now ^ moving))
        plan.depends_on.append(key)


def _removed_set(
    name: str, changes: Iterable[tuple[str | None, str | None]]
) -> SetDefinition | None:
    """Return a set that does not exist now, with its owner before *changes*; None without one."""
    text = next((before for before, _ in reversed([*changes]) if before is not None), None)
    found = None if text is None else read_set(name, text)
    return found if isinstance(found, SetDefinition) else None


def _plan_back(context: DeclareContext, then: dict[Key, str | None], revision: int) -> Plan:
    """Return the changes to the definitions *then*."""
    raw: dict[str, object] = {"version": FORMAT}
    keys = {
        kind.plural: [
            key for key, text in then.items() if key.kind == kind.name and text is not None
        ]
        for kind in KINDS
    }
    for plural, some in keys.items():
        raw[plural] = [msgspec.json.decode(then[key] or "") for key in some]
    gone = [key for key, text in then.items() if text is None]
    try:
        return plan_of(context, msgspec.convert(raw, Document), gone)
    except (Misdeclared, msgspec.ValidationError) as error:
        why = f"revision {revision} cannot be restored: {with_title(str(error), keys)}"
        raise Conflict(
            f"{why}: roll back others by kind, entity or name, and apply it anew"
        ) from error
