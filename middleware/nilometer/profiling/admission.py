"""Decides which field names of one monitored entity become features.

Clients choose field names as freely as values. Without admission, a thousand invented keys would
use up the limit on features, and keys that contain values would be sent with every sample.

A name in the reference or in the declared schema is always admitted. While the entity has few
names, any other name is admitted immediately. Later it is admitted after `admit_after` requests
with it. Before that, its cells are counted as unnamed, by type. A name that looks like a value is
never admitted.

An object that keeps getting new names is a map: its size becomes a feature. The new names in a map
are dropped again if they do not reappear.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from nilometer.decode.columns import GROUPS_AT_ONCE, Group, Side
from nilometer.profile.recorder import count_types
from nilometer.profiling.maps import Maps, size_of
from nilometer.profiling.review import Review
from nilometer.values.entity import Role, role_of, summary_name
from nilometer.values.recent_counts import RecentCounts
from nilometer.values.steps import Steps, finished
from nilometer.values.value_like import MAX_NAME, is_position, may_name

AT_ONCE = 64  # names of an entity that are admitted without waiting
ADMIT_AFTER = 5  # requests with a name before it is admitted, after the first `AT_ONCE` names
MAX_FEATURES = 1000  # admitted names per role of an entity, without declared names
MAX_CANDIDATES = 8192  # most names that wait for admission; each needs a hash and a count
MAX_RESERVED = 3000  # most names of an entity that are reserved for computed columns
MAX_SIZES = 1 << 16  # most sizes of maps that are added to the rows of one side of a request

_NAMES_AT_ONCE = 64  # new names per step

_NAME_BYTES, _CANDIDATE_BYTES = 320, 100  # estimated memory of an admitted name and of a candidate

_NOTHING: Mapping[str, int] = {}
_ROLES = (Role.INPUT, Role.OUTPUT)


def nothing_declared() -> frozenset[str]:
    """Return the empty set, for an entity without a declared schema."""
    return frozenset()


class Names:
    """The admitted names of one entity, over all label sets. Not thread-safe.

    `MAX_FEATURES`, `MAX_CANDIDATES` and `maps.MAX_WATCHED` limit its memory.

    Args:
        declared: Function that returns the current summaries of the reference or declared schema.
        admit_after: Number of requests with a name before it is admitted, at least 1.

    Attributes:
        known: Admitted names by role, each with the number of the request that admitted it.
            Callers must not change it.
        requests: Number of requests counted so far.
        over_limit: Number of columns refused only because of a limit. These are columns of requests
            beyond `MAX_FEATURES`, sizes of maps beyond `MAX_SIZES`, and derived columns beyond
            their own limit.
        dropped: Number of times that names were dropped. The owner of a copy of `known` compares
            this number to notice that the copy is out of date.
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
        self._candidates = RecentCounts(MAX_CANDIDATES)  # number of requests with each waiting name
        self._reserved: set[str] = set()  # summaries whose names no field may use
        self._full: set[str] = set()  # names refused because of `MAX_FEATURES`
        self.requests = 0
        self._crowded_at = 0  # number of the request at which `AT_ONCE` names were reached
        self._maps = {role: Maps() for role in _ROLES}
        self._review = Review()
        self._is_watching = True  # whether requests with only admitted names are examined as well

    @property
    def kept_bytes(self) -> int:
        """Approximate memory that is kept between two requests, in bytes."""
        names = sum(map(len, self.known.values())) + len(self._full) + len(self._reserved)
        return _NAME_BYTES * names + _CANDIDATE_BYTES * len(self._candidates)

    def reserve(self, summary: str, *, always: bool = False) -> bool:
        """Reserve a name for a computed column, so that no field gets it from now on.

        Args:
            summary: Name of the summary, such as ``input.prompt.words``.
            always: Whether a field that already has the name loses it.

        Returns:
            Whether the name is reserved. If not, a field has it, or too many names are reserved.
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

    def is_input(self, name: str) -> bool:
        """Return whether *name* is an admitted or declared name of an input."""
        return name in self._inputs or self._is_declared(Role.INPUT, name)

    def is_output(self, name: str) -> bool:
        """Return whether *name* is an admitted or declared name of an output."""
        return name in self._outputs or self._is_declared(Role.OUTPUT, name)

    def passes(self, inputs: Side, outputs: Side, requests: int = 1) -> bool:
        """Return whether all names of *requests* are admitted. If so, the requests are counted.

        Call `sift_in_steps` for each side only if this returns False.
        """
        if self._is_watching or not (
            inputs.has_only(self._inputs) and outputs.has_only(self._outputs)
        ):
            return False
        self.requests += requests
        return True  # the usual case

    def sift_in_steps(self, role: Role, side: Side, requests: int = 1) -> Steps[Counter[str]]:
        """Count requests, and remove columns with names that are not admitted from *side*.

        Sizes of maps are added as columns. The work grows with the number of cells, in short steps.

        Args:
            role: INPUT or OUTPUT; call it for the inputs of a request first.
            side: Columns of one request, or of several with the same names; changed in place.
            requests: Number of requests.

        Returns:
            Numbers of removed cells by type.
        """
        if role is Role.INPUT:
            self.requests += requests
            self._forget_quiet()
        groups = yield from side.groups_in_steps()
        names: dict[str, bool] = {}  # whether the decoder checked the name
        for at, group in enumerate(groups, 1):
            names |= dict.fromkeys(group.names, group.is_vetted)
            if not at % GROUPS_AT_ONCE:
                yield
        if self._review.is_watching:
            self._end_review(self._review.see(role, names))
        sizes = [_NOTHING] * len(groups)
        if self._maps[role]:
            sizes = yield from self._sizes(role, groups)
        known = self.known[role]
        unknown = [name for name in names if name not in known]
        refused: set[str] = set()
        for at in range(0, len(unknown), _NAMES_AT_ONCE):
            refused |= self.meet(
                role, {name: names[name] for name in unknown[at : at + _NAMES_AT_ONCE]}
            )
            yield
        unnamed = Counter[str]()
        for group, added in zip(groups, sizes, strict=True):
            if added or not refused.isdisjoint(group.names):
                for cells in (yield from side.change_in_steps(group, refused, added)):
                    unnamed += count_types(cells)
                yield
        self._is_watching = self._review.is_watching or any(self._maps.values())
        return unnamed

    def _sizes(self, role: Role, groups: Sequence[Group]) -> Steps[list[Mapping[str, int]]]:
        """Return columns with the sizes of maps, by group, up to `MAX_SIZES` cells."""
        room = MAX_SIZES
        sizes: list[Mapping[str, int]] = []
        for at, group in enumerate(groups, 1):
            found = {
                size_of(parent): size
                for parent, size in self._maps[role].sizes(group.names).items()
            }
            for name in found.keys() & set(group.names):  # names that are keys of the body
                del found[name]
            room -= group.rows * len(found)
            if room < 0:
                self.over_limit += len(found)
                found = {}
            sizes.append(found)
            if not at % GROUPS_AT_ONCE:
                yield
        return sizes

    def _forget_quiet(self) -> None:
        self._review.forget_quiet(self.requests)
        for role, maps in self._maps.items():
            self._drop(role, set(map(size_of, maps.forget_quiet(self.requests))))

    def settle_at_once(self, alike: Iterable[Mapping[Role, Side]]) -> bool:
        """Return whether each name in the sides of *alike* could be decided on immediately."""
        new = {
            (role, name)
            for sides in alike
            for role, side in sides.items()
            for group in finished(side.groups_in_steps())
            for name in group.names
            if name not in self.known[role]
            and _fits(name, is_vetted=group.is_vetted)
            and not self._is_declared(role, name)
            and summary_name(role, name) not in self._reserved
        }
        if not new:
            return True
        changing = any(self._maps[role] for role, _ in new)
        return not changing and self._count() + len(new) <= AT_ONCE

    def meet(self, role: Role, names: Mapping[str, bool]) -> set[str]:
        """Count one request with new names; return the names that are not admitted.

        Args:
            role: INPUT or OUTPUT.
            names: New names, and whether the decoder checked each of them, as for `Block`.
        """
        refused: set[str] = set()
        changed: set[str] = set()
        for name, is_vetted in names.items():
            if summary_name(role, name) in self._reserved:
                refused.add(name)
            elif self._is_declared(role, name):
                self._admit(role, name)
            elif not _fits(name, is_vetted=is_vetted):
                refused.add(name)
            elif self._earns(role, name, changed):
                self._admit(role, name)
            else:
                refused.add(name)
        for parent in changed:
            self._change(role, parent)
        if self._full:
            self.over_limit += sum(summary_name(role, name) in self._full for name in refused)
        return refused

    def _earns(self, role: Role, name: str, changed: set[str]) -> bool:
        """Return whether *name* is admitted now; if its key is new, add its object to *changed*."""
        maps = self._maps[role]
        parent = maps.parent_of(name)
        if parent not in maps and self._count() < AT_ONCE:
            changed.add(parent)
            self._crowded_at = self.requests
            return True
        summary = summary_name(role, name)
        requests = self._candidates.add(summary)
        if requests == 1:
            changed.add(parent)
        if requests < self._admit_after or (parent and parent in maps):
            return False
        if len(self.known[role]) < MAX_FEATURES:
            return True
        if len(self._full) < MAX_FEATURES:
            self._full.add(summary)
        for one in _ROLES:
            self._review.begin(one, self._newer_than(self._crowded_at, one))
        return False

    def _newer_than(self, request: int, role: Role) -> set[str]:
        return {name for name, since in self.known[role].items() if since > request}

    def _admit(self, role: Role, name: str) -> None:
        self.known[role][name] = self.requests
        self._maps[role].learn(name)
        if self._admit_after > 1 and not self._candidates.forget(summary_name(role, name)):
            self._review.add(role, name, self.requests)
        self._full.discard(summary_name(role, name))

    def _is_declared(self, role: Role, name: str) -> bool:
        return summary_name(role, name) in self._declared()

    def _count(self) -> int:
        return sum(map(len, self.known.values()))

    def _change(self, role: Role, parent: str) -> None:
        """Record new names in *parent*. If this makes it a map, review the names in it."""
        first = self._maps[role].change(parent, self.requests)
        if first is None:
            return
        self.known[role].setdefault(size_of(parent), self.requests)
        inside = f"{parent}." if parent else ""
        if parent:  # a flood of keys in the body must not drop the model's names
            self._drop(role, self._review.once(role, inside))
        new = self._newer_than(first, role)
        self._review.begin(role, {name for name in new if name.startswith(inside)})

    def _end_review(self, unseen: Mapping[Role, AbstractSet[str]]) -> None:
        """Drop the names that a review did not see, except the sizes of maps."""
        for role, names in unseen.items():
            self._drop(role, names - set(map(size_of, self._maps[role])))
        if unseen:
            self._full.clear()

    def _drop(self, role: Role, names: AbstractSet[str]) -> None:
        """Drop *names*, except declared names."""
        lost = {name for name in names if not self._is_declared(role, name)}
        if not lost:
            return
        for name in lost:
            self.known[role].pop(name, None)
        self._review.remove(role, lost)
        self.dropped += len(lost)
        self._maps[role].learn_only(self.known[role])


def _fits(name: str, *, is_vetted: bool) -> bool:
    return len(name) <= MAX_NAME and ((is_vetted and is_position(name)) or may_name(name))
