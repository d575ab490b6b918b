"""Finds what a document changes, and checks it, before anything is changed."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from nilometer.values.errors import ConfigError
from nilometer_collector.declared.apart import check_apart
from nilometer_collector.declared.context import DeclareContext, Planned
from nilometer_collector.declared.kind import Kind, Misdeclared, Plain, text_of, title_of
from nilometer_collector.declared.registered import KINDS, kind_named
from nilometer_collector.errors import Conflict, Refused
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import Change, Command, Key

# The key in ``key = value: must be ...``, and in ``FIXED needs the parameter 'threshold'``.
_KEY = re.compile(r"(?:^|: )([a-z][a-z_]*)\b|parameter '(\w+)'")
_PLACE = re.compile(r"\b([a-z_]+)\[([0-9]+)\]")  # number of an object in a document
_MARKUP = re.compile(r"<[A-Za-z/!?]")
_NAMED = ("channel", "target")  # kinds that other objects name


@dataclass(frozen=True, slots=True)
class Warned:
    """A sentence about an object that is probably a mistake."""

    key: Key
    sentence: str


@dataclass(slots=True)
class Plan:
    """What a document changes.

    Attributes:
        changes: Changes of objects that differ from what is stored.
        commands: Commands that make them.
        unchanged: Number of objects that are stored as the document has them.
        warnings: Names in the document that point nowhere.
        depends_on: Objects without a change whose definitions the commands are made from.
    """

    changes: list[Change] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    unchanged: int = 0
    warnings: list[Warned] = field(default_factory=list)
    depends_on: list[Key] = field(default_factory=list)


def change_of(key: Key, before: Plain | None, after: Plain | None) -> Change:
    """Return the change from one definition to another; None for an object that does not exist."""
    texts = [None if plain is None else text_of(plain) for plain in (before, after)]
    return Change(key=key, before=texts[0], after=texts[1])


def keys_in(document: msgspec.Struct) -> list[Key]:
    """Return the identity of each object in *document*."""
    return [kind.key(one) for kind in KINDS for one in getattr(document, kind.plural)]


def check_names(document: msgspec.Struct) -> None:
    """Refuse a new name with markup, which a page or a message could take as its own.

    Raises:
        Misdeclared: If a name or a pattern of entities contains the start of a tag.
    """
    for kind in KINDS:
        for at, definition in enumerate(getattr(document, kind.plural)):
            key = kind.key(definition)
            for word, name in ((kind.names_itself, key.name), ("entity", key.entity)):
                if _MARKUP.search(name):
                    place = f"{kind.plural}[{at}].{word}"
                    raise Misdeclared(f"{place} = {name[:64]!r}: must not contain markup", place)


def plan_of(
    context: DeclareContext,
    document: msgspec.Struct,
    gone: Collection[Key] = (),
) -> Plan:
    """Return what *document* changes.

    Args:
        context: Store of all objects, and what this collector allows.
        document: Objects by kind.
        gone: Objects that are removed, if they exist.

    Raises:
        Misdeclared: If an object is not allowed.
        Conflict: If two objects contradict each other, or what is stored. The field of both errors
            is the place in the document.
    """
    definitions = {kind.name: getattr(document, kind.plural) for kind in KINDS}
    context = replace(context, planned=Planned(definitions, frozenset(gone)))
    plan = Plan()
    checked: list[tuple[Kind[Any], Key, Plain]] = []
    for kind in KINDS:
        defined = definitions[kind.name]
        removed = [key for key in gone if key.kind == kind.name]
        if not defined and not removed:
            continue
        stored = kind.stored(context.store)
        _remove(kind, removed, stored, plan)
        checked += _changed(kind, defined, stored, plan, context)
        _check_apart(kind, defined, context)
        _check_together(kind, defined, stored, context)
    for change in plan.changes:
        if change.after is None:
            kind_named(change.key.kind).check_removal(change.key, context)
    entities = {
        key.entity for kind, key, _ in checked if not (kind.is_for_pattern or kind.is_for_all)
    }
    receivers = {
        word: {key.name for kind, key, _ in checked if kind.name == word} for word in _NAMED
    }
    known = KnownNames(
        context.store,
        context.may_name,
        entities,
        receivers,
        context.may_use,
        now_ns=context.now_ns,
    )
    for kind, key, plain in checked:
        if context.may_name(key.entity) or (not key.entity and context.may_use is not None):
            plan.warnings += [Warned(key, each) for each in kind.warnings(plain, known)]
    return plan


def _remove(kind: Kind[Any], keys: Sequence[Key], stored: dict[Key, Plain], plan: Plan) -> None:
    """Add the removal of *keys* to *plan*, and take them out of *stored*."""
    for key in keys:
        before = stored.pop(key, None)
        if before is not None:
            plan.changes.append(change_of(key, before, None))
            plan.commands.append(kind.remove(key))


def _changed(
    kind: Kind[Any],
    definitions: Sequence[Any],
    stored: Mapping[Key, Plain],
    plan: Plan,
    context: DeclareContext,
) -> list[tuple[Kind[Any], Key, Plain]]:
    """Add the changes of one kind to *plan*; return its checked objects."""
    found, places = [], dict[Key, int]()
    for at, definition in enumerate(definitions):
        place = f"{kind.plural}[{at}]"
        completed, plain = _checked(kind, definition, place, context)
        key = kind.key(definition)
        if key in places:
            raise Conflict(
                f"{place}.{kind.names_itself}: {title_of(key)} is defined twice, also by "
                f"{kind.plural}[{places[key]}]",
                f"{place}.{kind.names_itself}",
            )
        plan.warnings += [Warned(key, each) for each in kind.unseen(completed)]
        places[key] = at
        found.append((kind, key, plain))
        before = stored.get(key)
        if before == plain:
            plan.unchanged += 1
            continue
        plan.changes.append(change_of(key, before, plain))
        plan.commands.append(kind.put(completed))
    return found


def _checked(
    kind: Kind[Any], definition: Any, place: str, context: DeclareContext
) -> tuple[Any, Plain]:
    """Return the completed definition, and its JSON values."""
    try:
        completed = kind.completed(definition, context)
        return completed, kind.checked(completed)
    except Misdeclared as error:
        raise Misdeclared(f"{place}.{error}", f"{place}.{error.field}") from error
    except (ConfigError, Refused) as error:
        words = (match[1] or match[2] for match in _KEY.finditer(str(error)))
        key = next((word for word in words if word in kind.definition.__struct_fields__), None)
        raise Misdeclared(f"{place}: {error}", f"{place}.{key}" if key else place) from error


def _check_apart(kind: Kind[Any], definitions: Sequence[Any], context: DeclareContext) -> None:
    for at, definition in enumerate(definitions):
        try:
            check_apart(definition, context.store.workspaces)
        except Misdeclared as error:
            place = f"{kind.plural}[{at}]"
            raise Misdeclared(f"{place}.{error}", f"{place}.{error.field}") from error


def _check_together(
    kind: Kind[Any],
    definitions: Sequence[Any],
    stored: Mapping[Key, Plain],
    context: DeclareContext,
) -> None:
    try:
        kind.check_together(definitions, stored, context)
    except Conflict as error:
        place = f"{kind.plural}{error.field}"
        raise Conflict(f"{place}: {error}", place) from error


def with_title(error: str, keys: Mapping[str, Sequence[Key]]) -> str:
    """Return *error* with the object that it is about, in place of the object's number.

    Args:
        error: Sentence that begins with a place, such as ``silences[0].reason``, or ends with it.
        keys: Keys of all objects by kind, in the order of their numbers.
    """
    place = _PLACE.search(error)
    if place is None or int(place[2]) >= len(keys.get(place[1], ())):
        return error
    title = title_of(keys[place[1]][int(place[2])])
    return f"{title}: {error.removeprefix(place[0]).lstrip('.: ')}"
