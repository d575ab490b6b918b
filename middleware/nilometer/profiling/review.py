"""Finds admitted names that clients no longer send."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from nilometer.values.entity import Role

REVIEWED = 256  # length of a review in requests
WATCHED = 1024  # requests after which names from a single request are not watched any more

_ROLES = (Role.INPUT, Role.OUTPUT)


class Review:
    """Watches the admitted names of one entity for their next appearance. Not thread-safe.

    A review takes `REVIEWED` requests. Names under review that are in none of these requests should
    be dropped. In addition, this class tracks the names that only one request has had.
    """

    __slots__ = ("_added_at", "_left", "_once", "_unseen")

    def __init__(self) -> None:
        self._once: dict[Role, set[str]] = {role: set() for role in _ROLES}
        self._unseen: dict[Role, set[str]] = {role: set() for role in _ROLES}
        self._left = 0
        self._added_at = 0  # latest request that added a name

    @property
    def is_watching(self) -> bool:
        """Whether `see` must be called for the next requests."""
        return bool(self._left) or any(self._once.values())

    def add(self, role: Role, name: str, request: int) -> None:
        """Track *name*, which only the request with this number has had."""
        self._once[role].add(name)
        self._added_at = request

    def forget_quiet(self, request: int) -> None:
        """Forget names of single requests, if none was added for `WATCHED` requests."""
        if request - self._added_at > WATCHED:
            for names in self._once.values():
                names.clear()

    def remove(self, role: Role, names: AbstractSet[str]) -> None:
        """Forget *names*, which are no longer admitted."""
        self._once[role] -= names

    def once(self, role: Role, inside: str) -> set[str]:
        """Return the names that begin with *inside* and occurred in only one request."""
        return {name for name in self._once[role] if name.startswith(inside)}

    def begin(self, role: Role, names: AbstractSet[str]) -> None:
        """Start a review of *names*; does nothing while another review of this side is running."""
        if names and not self._unseen[role]:
            self._unseen[role] = set(names)
            self._left = REVIEWED

    def see(self, role: Role, names: Iterable[str]) -> Mapping[Role, AbstractSet[str]]:
        """Record the *names* on one side of a request; the outputs are recorded last.

        Returns:
            Names to drop, by role, if the review ends with this request; otherwise an empty
            mapping.
        """
        seen = set(names)
        self._once[role] -= seen
        self._unseen[role] -= seen
        if not self._left:
            return {}
        if role is Role.OUTPUT:
            self._left -= 1
        if self._left:
            return {}
        unseen = self._unseen
        self._unseen = {one: set() for one in _ROLES}
        return unseen
