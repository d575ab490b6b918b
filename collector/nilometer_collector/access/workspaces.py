"""Workspaces: sets of entities, by name pattern, that keep teams apart.

A workspace is an entry of the collector's settings, as a principal is. An entity belongs to the one
workspace whose patterns match its name, or to none. What an entity has, such as alerters, references,
episodes, decisions and actions, belongs to its workspace. A channel, route or target has no entity; it
belongs to the workspace before the slash in its name, such as ``payments/pager``. No other name has a
slash, so the objects of a workspace that the settings no longer list stay apart, and are told nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from nilometer.values.errors import ConfigError

MOST_WORKSPACES = 256
MOST_PATTERNS = 64
MOST_PATTERN_CHARACTERS = 128
SLASH = "/"
WORKSPACE = (
    r"[a-z0-9][a-z0-9_-]{0,31}"  # form of a name; it has no slash, so that it ends at the first
)
OBJECT = r"[a-z0-9][a-z0-9._-]{0,63}"
OWNED_NAME = f"^({WORKSPACE}{SLASH})?{OBJECT}$"  # form of the name of a channel, route or target

OwnedName: TypeAlias = Annotated[str, Meta(pattern=OWNED_NAME)]
AnyOwnedName: TypeAlias = Annotated[str, Meta(pattern=f"^(({WORKSPACE}{SLASH})?{OBJECT})?$")]

_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)  # of a shell pattern, as fnmatch reads it


class Workspace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A set of entities with principals, channels, routes and targets of its own.

    Attributes:
        name: Name of the workspace, unique in the collector: 1 to 32 lower-case letters, digits,
            ``_`` and ``-``, the first a letter or digit.
        entities: Patterns of the entities that belong to it. No entity may belong to two workspaces.
    """

    name: str
    entities: tuple[str, ...]

    def holds(self, entity: str) -> bool:
        """Whether *entity* belongs to it."""
        return any(fnmatchcase(entity, pattern) for pattern in self.entities)

    def owns(self, name: str) -> bool:
        """Whether the channel, route or target *name* belongs to it."""
        return owner_of(name) == self.name


class Workspaces:
    """All workspaces of a collector. Immutable; any thread may ask.

    Args:
        workspaces: Workspaces whose patterns exclude each other, see `check_workspaces`.
    """

    def __init__(self, workspaces: Iterable[Workspace] = ()) -> None:
        self._known: Mapping[str, Workspace] = {one.name: one for one in workspaces}

    def named(self, name: str) -> Workspace | None:
        """Return the workspace *name*; None if there is none."""
        return self._known.get(name)

    def of(self, entity: str) -> str:
        """Return the name of the workspace that *entity* belongs to; empty for none."""
        return next((one.name for one in self._known.values() if one.holds(entity)), "")

    def are_together(self, entity: str, other: str) -> bool:
        """Whether two entities belong to the same workspace, or both to none."""
        return not self._known or entity == other or self.of(entity) == self.of(other)

    def serves(self, name: str, entity: str) -> bool:
        """Whether the channel, route or target *name* may be used for *entity*.

        One that belongs to no workspace may be used for every entity.
        """
        owner = owner_of(name)
        return not owner or self.of(entity) == owner

    def serves_all(self, name: str, pattern: str) -> bool:
        """Whether `serves` holds for every entity that matches *pattern*."""
        owner = owner_of(name)
        workspace = self._known.get(owner)
        return not owner or (workspace is not None and covers(workspace.entities, pattern))


NO_WORKSPACES = Workspaces()


def owner_of(name: str) -> str:
    """Return the workspace that the channel, route or target *name* belongs to; empty for none."""
    return name.partition(SLASH)[0] if SLASH in name else ""


def covers(patterns: Iterable[str], pattern: str) -> bool:
    """Whether each name that matches *pattern* surely matches one of *patterns*.

    Two patterns with ``[`` are only compared as texts. Else a character of *pattern*, wildcard or not,
    is accepted by a ``*`` of the other, or is the same there; so what it stands for is accepted, too.
    """
    for one in patterns:
        is_plain = not ({*one} & {*"?["}) and "[" not in pattern
        if one in {"*", pattern} or (is_plain and fnmatchcase(pattern, one)):
            return True
        if not {*pattern} & {*"*?["} and fnmatchcase(pattern, one):
            return True
    return False


def check_workspaces(workspaces: Sequence[Workspace]) -> None:
    """Refuse workspaces with wrong names or patterns, and two that claim one entity.

    Raises:
        ConfigError: The message names the workspace and what is allowed.
    """
    if len(workspaces) > MOST_WORKSPACES:
        raise ConfigError(f"workspaces: must be at most {MOST_WORKSPACES}")
    for at, one in enumerate(workspaces):
        if not re.fullmatch(WORKSPACE, one.name, re.ASCII):
            raise ConfigError(
                f"workspaces[{at}].name = {one.name[:64]!r}: must be 1 to 32 lower-case letters, "
                "digits, _ and -, and begin with a letter or digit"
            )
        _check_patterns(one)
    if len({one.name for one in workspaces}) != len(workspaces):
        raise ConfigError("workspaces: two workspaces have the same name")
    for one, other in combinations(workspaces, 2):
        for mine in one.entities:
            for theirs in other.entities:
                name = shared_name(mine, theirs)
                if name is not None:
                    raise ConfigError(
                        f"workspaces: {one.name!r} and {other.name!r} both claim the entity "
                        f"{name!r}, by {mine!r} and {theirs!r}: an entity belongs to one workspace"
                    )


def _check_patterns(workspace: Workspace) -> None:
    key = f"workspaces: {workspace.name!r}: entities"
    if not 1 <= len(workspace.entities) <= MOST_PATTERNS:
        raise ConfigError(f"{key}: must list 1 to {MOST_PATTERNS} patterns")
    for pattern in workspace.entities:
        shown = pattern[:64]
        if not 1 <= len(pattern) <= MOST_PATTERN_CHARACTERS or not pattern.isprintable():
            raise ConfigError(
                f"{key} = {shown!r}: must be 1 to {MOST_PATTERN_CHARACTERS} printable characters"
            )
        if not pattern.strip("*"):
            raise ConfigError(
                f"{key} = {shown!r}: must not match every name: nothing is kept apart"
            )


def shared_name(one: str, other: str) -> str | None:
    """Return the shortest name that two shell patterns both match; None if there is none.

    It walks through both patterns at once. At each step one character is accepted by both; the
    candidates are those of both patterns and their neighbours, which include an example of each
    non-empty overlap of two character sets.
    """
    mine, theirs = _tokens(one), _tokens(other)
    texts = {*one, *other}
    near = {chr(code) for text in texts for code in (ord(text) - 1, ord(text) + 1) if code > 32}
    wild = {*"*?[]!"}
    candidates = [*sorted(texts - wild), *sorted(near - texts - wild), *sorted(wild)]
    reached = {(0, 0): ""}
    for places in _in_order(reached):
        name = reached[places]
        if places == (len(mine), len(theirs)):
            return name
        for after, token in _steps(mine, places[0]):
            for behind, their in _steps(theirs, places[1]):
                letter = _accepted(token, their, candidates)
                if letter is not None:
                    reached.setdefault((after, behind), name + letter)
    return None


def _in_order(reached: dict[tuple[int, int], str]) -> Iterator[tuple[int, int]]:
    """Yield the keys of *reached* in order of their arrival, also those that are added meanwhile."""
    done = 0
    while done < len(reached):
        waiting = [*reached][done:]
        done += len(waiting)
        yield from waiting


def _tokens(pattern: str) -> list[str]:
    return ["[[]" if one == "[" else one for one in _TOKEN.findall(pattern)]


def _accepted(token: str, other: str, candidates: Iterable[str]) -> str | None:
    """Return a character that two tokens accept; empty if both need none, and None without one."""
    if not token or not other:
        return None if token or other else ""
    both = (one for one in candidates if fnmatchcase(one, token) and fnmatchcase(one, other))
    return next(both, None)


def _steps(tokens: Sequence[str], at: int) -> Iterator[tuple[int, str]]:
    """Yield where a matcher at *at* may be next, with the token of the character that it reads.

    The token is empty if it reads none: it stays, or it passes a ``*``.
    """
    yield at, ""
    if at < len(tokens):
        if tokens[at] == "*":
            yield at + 1, ""
            yield at, "?"
        else:
            yield at + 1, tokens[at]
