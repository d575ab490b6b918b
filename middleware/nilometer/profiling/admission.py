"""Decides which field names of one monitored entity become features.

Clients choose field names as freely as values. Without admission, a thousand invented keys would
fill the limit on features, and keys that hold values would be sent with every sample.

A name in the reference or in the declared schema is always admitted. Any other name is admitted
immediately while the entity has few names. Later it is admitted once `admit_after` requests have
had it. Until then its cells are counted as unnamed, by type. A name that looks like a value is
never admitted.

An object that keeps getting new names is treated as a map: its size becomes a feature. New names
in a map lose their admission if they do not appear again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet

from nilometer.decode.columns import VALUE, Side
from nilometer.profile.recorder import count_types
from nilometer.values.entity import Role, role_of, summary_name
from nilometer.values.value_like import MAX_NAME, may_name

AT_ONCE = 64  # names of an entity that are admitted immediately
ADMIT_AFTER = 5  # requests with a name before it is admitted, after the first `AT_ONCE` names
MAX_FEATURES = 1000  # admitted names per role of an entity, without declared names
MAX_CANDIDATES = 8192  # names that wait for admission; each costs a hash and a count
MAX_RESERVED = 3000  # names of an entity that only columns made of others may have
MAX_WATCHED = 256  # objects whose new keys are counted
CHANGING = 8  # requests with new keys after which a nested object counts as a map
CHANGING_BODY = 32  # the same for the body itself; more, because optional fields appear one by one
WITHIN = 4  # an object is a map only if at least one request in `WITHIN` brings new keys
QUIET = 1024  # requests without a new key after which a map is an object again
REVIEWED = 256  # requests in a review; names that do not appear in one of them are dropped

_NAME_BYTES, _CANDIDATE_BYTES = 320, 100  # estimated memory per admitted name and per candidate

_NOTHING: Mapping[str, int] = {}
_ROLES = (Role.INPUT, Role.OUTPUT)


def nothing_declared() -> frozenset[str]:
    """Return the empty set, for an entity without a declared schema."""
    return frozenset()


class Candidates:
    """Counts the requests with each name that waits for admission, by hash. Not thread-safe.

    Names seen once and names seen again are kept in two separate parts. A full part forgets its
    least recently seen name, so a flood of names seen once displaces only such names.
    """

    __slots__ = ("_again", "_once")

    def __init__(self) -> None:
        self._once: dict[int, None] = {}
        self._again: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._once) + len(self._again)

    def count(self, name: str) -> int:
        """Count one more request with *name*; return the number of requests counted so far."""
        key = hash(name)
        if key in self._again:
            requests = self._again[key] = self._again.pop(key) + 1
            return requests
        if key in self._once:
            del self._once[key]
            _make_room(self._again, MAX_CANDIDATES // 2)
            self._again[key] = 2
            return 2
        _make_room(self._once, MAX_CANDIDATES // 2)
        self._once[key] = None
        return 1

    def forget(self, name: str) -> bool:
        """Forget the count of *name*; return whether it had one."""
        key = hash(name)
        held = key in self._once or key in self._again
        self._once.pop(key, None)
        self._again.pop(key, None)
        return held


def _make_room(held: dict[int, int] | dict[int, None], most: int) -> None:
    if len(held) >= most:
        del held[next(iter(held))]  # the least recently seen


class Names:
    """The admitted names of one entity, over all its label sets. Not thread-safe.

    `MAX_FEATURES`, `MAX_CANDIDATES` and `MAX_WATCHED` bound its memory, whatever clients send.

    Args:
        declared: Function that returns the current summaries of the reference or declared schema.
        admit_after: Number of requests with a name before it is admitted, at least 1.

    Attributes:
        known: Admitted names by role, each with the number of the request that admitted it.
            Callers must not change it.
        over_limit: Number of columns refused only because of a limit: columns of requests beyond
            `MAX_FEATURES`, and derived columns beyond their own limit.
        dropped: Number of times that names were dropped. A holder of a copy of `known` compares
            it to notice that the copy is out of date.
    """

    def __init__(
        self,
        declared: Callable[[], frozenset[str]] = nothing_declared,
        admit_after: int = ADMIT_AFTER,
    ) -> None:
        self.known: dict[Role, dict[str, int]] = {role: {} for role in _ROLES}
        self._inputs, self._outputs = (self.known[role] for role in _ROLES)
        self.over_limit = 0
        self.dropped = 0
        self._declared = declared
        self._admit_after = admit_after
        self._candidates = Candidates()
        self._reserved: set[str] = set()  # summaries that no field may have
        self._full: set[str] = set()  # names refused because of `MAX_FEATURES`
        self._requests = 0
        self._crowded_at = 0  # the request at which `AT_ONCE` names were reached
        self._changes: dict[tuple[Role, str], list[int]] = {}  # requests with new keys, by object
        self._prefixes: dict[Role, set[str]] = {role: set() for role in _ROLES}
        self._maps: dict[Role, dict[str, int]] = {role: {} for role in _ROLES}  # latest change
        self._once: dict[Role, set[str]] = {role: set() for role in _ROLES}  # seen once
        self._unseen: dict[Role, set[str]] = {role: set() for role in _ROLES}
        self._review_left = 0
        self._is_watching = True  # whether admitted names are examined, too

    @property
    def kept_bytes(self) -> int:
        """Approximate memory that it keeps between two requests, in bytes."""
        names = sum(map(len, self.known.values())) + len(self._full) + len(self._reserved)
        return _NAME_BYTES * names + _CANDIDATE_BYTES * len(self._candidates)

    def reserve(self, summary: str, *, always: bool = False) -> bool:
        """Reserve a name for a column that is made of others: no field gets it from now on.

        Args:
            summary: Name of the summary, such as ``input.prompt.words``.
            always: Whether a field that has the name already loses it.

        Returns:
            Whether the name is reserved; if not, a field has it, or there are too many.
        """
        if summary in self._reserved:
            return True
        role, name = role_of(summary), summary.partition(".")[2]
        known = self.known.get(role, {}) if role is not None else {}
        if len(self._reserved) >= MAX_RESERVED or (name in known and not always):
            return False
        self._reserved.add(summary)
        if known.pop(name, None) is not None:
            self.dropped += 1
        return True

    def passes(self, inputs: Side, outputs: Side) -> bool:
        """Return whether all names of one request are admitted; if so, count the request.

        Call `sift` for each side only if this returns False.
        """
        if self._is_watching or not (
            inputs.has_only(self._inputs) and outputs.has_only(self._outputs)
        ):
            return False
        self._requests += 1
        return True  # the usual case

    def sift(self, role: Role, side: Side) -> Mapping[str, int]:
        """Count one request, and remove the columns from *side* whose names are not admitted.

        Args:
            role: INPUT or OUTPUT.
            side: Columns of one request; changed in place.

        Returns:
            Numbers of removed cells by type. Callers must not change it.
        """
        if role is Role.INPUT:
            self._requests += 1
        unknown = side.unknown(self.known[role].keys())
        if not unknown and not self._is_watching:
            return _NOTHING
        unnamed = self._sifted(role, side, unknown)
        self._is_watching = (
            bool(self._review_left) or any(self._once.values()) or any(self._maps.values())
        )
        return unnamed

    def _sifted(self, role: Role, side: Side, unknown: list[str]) -> Mapping[str, int]:
        if self._once[role]:
            side.take_names_from(self._once[role])
        if self._maps[role]:
            self._measure_maps(role, side)
        if self._review_left:
            self._review(role, side)
        refused = self.meet(role, unknown) if unknown else set()
        unnamed = Counter[str]()
        for cells in side.remove(refused) if refused else ():
            unnamed += count_types(cells)
        return unnamed

    def settle_at_once(self, alike: Iterable[Mapping[Role, Side]]) -> bool:
        """Return whether every name in the sides of *alike* could be admitted or refused now."""
        new = {
            (role, name)
            for sides in alike
            for role, side in sides.items()
            for name in side.unknown(self.known[role].keys())
            if _fits(name)
            and not self._is_declared(role, name)
            and summary_name(role, name) not in self._reserved
        }
        if not new:
            return True
        changing = any(self._maps[role] for role, _ in new)
        return not changing and self._count() + len(new) <= AT_ONCE

    def meet(self, role: Role, names: Iterable[str]) -> set[str]:
        """Count one request with unknown *names*; return the names that are not admitted."""
        refused: set[str] = set()
        changed: set[str] = set()
        for name in names:
            parent = self._changing_parent(role, name)
            if summary_name(role, name) in self._reserved:
                refused.add(name)
            elif self._is_declared(role, name):
                self._admit(role, name)
            elif not _fits(name):
                refused.add(name)
            elif self._earns(role, name, parent, changed):
                self._admit(role, name)
            else:
                refused.add(name)
        for parent in changed:
            self._change(role, parent)
        self._forget_quiet_maps(role)
        if self._full:
            self.over_limit += sum(summary_name(role, name) in self._full for name in refused)
        return refused

    def _earns(self, role: Role, name: str, parent: str, changed: set[str]) -> bool:
        summary = summary_name(role, name)
        if parent not in self._maps[role] and self._count() < AT_ONCE:
            changed.add(parent)
            self._crowded_at = self._requests
            return True
        requests = self._candidates.count(summary)
        if requests == 1:
            changed.add(parent)
        if requests < self._admit_after or (parent and parent in self._maps[role]):
            return False
        if len(self.known[role]) < MAX_FEATURES:
            return True
        if len(self._full) < MAX_FEATURES:
            self._full.add(summary)
        for one in _ROLES:
            self._begin_review(one, self._newer_than(self._crowded_at, one))
        return False

    def _newer_than(self, request: int, role: Role) -> set[str]:
        return {name for name, since in self.known[role].items() if since > request}

    def _admit(self, role: Role, name: str) -> None:
        self.known[role][name] = self._requests
        self._prefixes[role].update(_parents(name))
        if self._admit_after > 1 and not self._candidates.forget(summary_name(role, name)):
            self._once[role].add(name)
        self._full.discard(summary_name(role, name))

    def _is_declared(self, role: Role, name: str) -> bool:
        return summary_name(role, name) in self._declared()

    def _count(self) -> int:
        return sum(map(len, self.known.values()))

    def _changing_parent(self, role: Role, name: str) -> str:
        """Return the innermost known object that contains *name*; empty for the body itself."""
        known = self._prefixes[role]
        return next((parent for parent in _parents(name) if parent in known), "")

    def _change(self, role: Role, parent: str) -> None:
        """Record that one more request brought new names in *parent*."""
        if parent in self._maps[role]:
            self._maps[role][parent] = self._requests
            return
        enough = CHANGING if parent else CHANGING_BODY
        changes = [*self._changes.pop((role, parent), ()), self._requests][-enough:]
        if len(self._changes) >= MAX_WATCHED:
            del self._changes[next(iter(self._changes))]
        self._changes[role, parent] = changes
        often = len(changes) == enough and self._requests - changes[0] < WITHIN * enough
        if often and len(self._maps[role]) < MAX_WATCHED:
            del self._changes[role, parent]
            self._maps[role][parent] = self._requests
            self.known[role].setdefault(_size_of(parent), self._requests)
            inside = f"{parent}." if parent else ""
            if parent:  # a flood of keys in the body must not drop the names of the model
                once = {name for name in self._once[role] if name.startswith(inside)}
                self._drop(role, once)
            new = self._newer_than(changes[0], role)
            self._begin_review(role, {name for name in new if name.startswith(inside)})

    def _forget_quiet_maps(self, role: Role) -> None:
        maps = self._maps[role]
        for parent in [one for one, newest in maps.items() if self._requests - newest > QUIET]:
            del maps[parent]
            self._drop(role, {_size_of(parent)})

    def _measure_maps(self, role: Role, side: Side) -> None:
        for parent in self._maps[role]:
            side.measure(parent, _size_of(parent))

    def _begin_review(self, role: Role, names: AbstractSet[str]) -> None:
        """Start a review, which drops each of *names* that does not appear in later requests."""
        if names and not self._unseen[role]:
            self._unseen[role] = set(names)
            self._review_left = REVIEWED

    def _review(self, role: Role, side: Side) -> None:
        unseen = self._unseen[role]
        side.take_names_from(unseen)
        if role is Role.OUTPUT:  # the second side of a request
            self._review_left -= 1
        if self._review_left:
            return
        for watched, names in self._unseen.items():
            sizes = {_size_of(parent) for parent in self._maps[watched]}
            self._drop(watched, names - sizes)
            self._unseen[watched] = set()
        self._full.clear()

    def _drop(self, role: Role, names: AbstractSet[str]) -> None:
        """Drop *names*, except declared names."""
        lost = {name for name in names if not self._is_declared(role, name)}
        for name in lost:
            self.known[role].pop(name, None)
        self._once[role] -= lost
        self.dropped += len(lost)
        self._prefixes[role] = {one for name in self.known[role] for one in _parents(name)}


def _fits(name: str) -> bool:
    return len(name) <= MAX_NAME and may_name(name)


def _size_of(parent: str) -> str:
    """Return the feature name for the size of a map, as `nilometer.profile.derived` names it."""
    return f"{parent or VALUE}.size"


def _parents(name: str) -> Iterable[str]:
    """Yield the objects that contain *name*, innermost first: ``a.b``, ``a`` for ``a.b.c``."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
