"""Decides what a call may do. No other module decides this, for gRPC or HTTP.

`Gate.enter` runs when only the headers of a call have been read. `Access.require` runs when the
agent and the entities of the call are known.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from nilometer_collector.access.needs import Need
from nilometer_collector.access.principals import ALL, Principal, matches, principal_of
from nilometer_collector.access.workspaces import (
    NO_WORKSPACES,
    Workspace,
    Workspaces,
    covers,
)

LOCAL = "local"  # caller without principals; the servers then listen on loopback only
WILDCARDS = {*"*?["}  # characters that make a name a pattern
SHOWN_CHARACTERS = 100  # characters of a name in the message of a refusal

NOBODY = Principal(name="")  # holder of a signed link who has sent no known token


class Unauthenticated(Exception):
    """The call has no known token or certificate."""


class Forbidden(Exception):
    """The principal is known, but may not do this. The caller receives the message."""

    status: ClassVar[int] = 403


class Hidden(Forbidden):
    """What the call names is outside the workspace of its principal, whether or not it exists.

    The answer is that of something that does not exist, so that no name of another workspace leaks.
    """

    status: ClassVar[int] = 404


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one call.

    Attributes:
        principal: Caller; None if there are no principals, or if the call needs no right.
        need: Right that the call needs, from the module `needs`.
        workspace: Workspace that the principal belongs to; None for none. All its rights end there.

    Raises:
        ValueError: If *workspace* is not that of the principal.
    """

    principal: Principal | None
    need: Need
    workspace: Workspace | None = None

    def __post_init__(self) -> None:
        named = "" if self.principal is None else self.principal.workspace
        if named != ("" if self.workspace is None else self.workspace.name):
            raise ValueError("the workspace is not that of the principal")

    @property
    def caller(self) -> str:
        """Name of the principal; `LOCAL` without principals."""
        return LOCAL if self.principal is None else self.principal.name

    @property
    def is_unlimited(self) -> bool:
        """Whether the call has access to all entities of the collector."""
        return self.workspace is None and self._is_whole

    @property
    def _is_whole(self) -> bool:
        """Whether the call has access to all entities of its workspace, or of the collector."""
        return self.principal is None or self.principal.patterns(self.need) == ALL

    def for_need(self, need: Need) -> "Access":
        """Return the caller's rights for another *need*; one right does not include another."""
        return replace(self, need=need)

    def sees(self, entity: str) -> bool:
        """Whether *entity* is not hidden by the caller's workspace."""
        return self.workspace is None or self.workspace.holds(entity)

    def may_all(self, pattern: str) -> bool:
        """Whether the call has access to every entity that matches *pattern*."""
        principal = self.principal
        return principal is None or (
            self.sees_all(pattern) and covers(principal.patterns(self.need), pattern)
        )

    def sees_all(self, pattern: str) -> bool:
        """Whether no entity that matches *pattern* is hidden by the caller's workspace."""
        return self.workspace is None or covers(self.workspace.entities, pattern)

    def may(self, entity: str) -> bool:
        """Whether the call has access to *entity*."""
        principal = self.principal
        return principal is None or (
            self.sees(entity) and matches(entity, principal.patterns(self.need))
        )

    @property
    def naming(self) -> Callable[[str], bool] | None:
        """Which channels and targets warnings may be about; None if no workspace restricts them."""
        return None if self.workspace is None else self.may_use

    def may_use(self, name: str) -> bool:
        """Whether the call has access to the channel, route or target *name*."""
        return self._is_whole and (self.workspace is None or self.workspace.owns(name))

    def require(self, entities: Iterable[str]) -> None:
        """Refuse the call unless it has access to all *entities*.

        Raises:
            Hidden: If an entity is outside the caller's workspace.
            Forbidden: If the call lacks access to an entity; the message names it.
        """
        if self.principal is None or self.is_unlimited:
            return
        for entity in entities:
            self._require_sight(f"entity {entity[:SHOWN_CHARACTERS]!r}", is_seen=self.sees(entity))
            if not self.may(entity):
                self._refuse(f"entity {entity[:SHOWN_CHARACTERS]!r}")

    def require_pattern(self, pattern: str) -> None:
        """Refuse the call unless it has access to every entity that matches *pattern*.

        Raises:
            Hidden: If the pattern reaches beyond the caller's workspace.
            Forbidden: If the call lacks access; the message names *pattern*. A pattern with a
                wildcard must be one of those of the principal, or surely narrower than one.
        """
        if not set(pattern) & WILDCARDS:
            self.require([pattern])
            return
        if self.principal is None or self.is_unlimited:
            return
        said = f"all entities {pattern[:SHOWN_CHARACTERS]!r}"
        self._require_sight(said, is_seen=self.sees_all(pattern))
        if not covers(self.principal.patterns(self.need), pattern):
            self._refuse(said)

    def require_all(self) -> None:
        """Refuse the call unless it has access to all entities of its workspace, or of the collector.

        Raises:
            Forbidden: If the call lacks this access.
        """
        if not self._is_whole:
            self._refuse("all entities")

    def require_named(self, name: str) -> None:
        """Refuse the call unless it has access to the channel, route or target *name*.

        Raises:
            Hidden: If it is outside the caller's workspace.
            Forbidden: If the call lacks access to all entities, which it may concern.
        """
        self.require_all()
        workspace = self.workspace
        is_seen = workspace is None or workspace.owns(name)
        self._require_sight(repr(name[:SHOWN_CHARACTERS]), is_seen=is_seen)

    def _require_sight(self, what: str, *, is_seen: bool) -> None:
        if not is_seen and self.workspace is not None:
            raise Hidden(f"{what} is not in the workspace {self.workspace.name!r}")

    def _refuse(self, what: str) -> None:
        raise Forbidden(f"principal {self.caller!r} may not {self.need.value} {what}")

    def require_agent(self, agent: str) -> None:
        """Refuse the call unless its principal may ship as *agent*.

        Raises:
            Forbidden: If the principal may not; the message names *agent*.
        """
        principal = self.principal
        if principal is not None and not (agent and matches(agent, principal.ships_as)):
            shown = agent[:SHOWN_CHARACTERS]
            raise Forbidden(f"principal {principal.name!r} may not ship as {shown!r}")


class Gate:
    """Authenticates calls and checks the rights of their principals. Any thread may call.

    Args:
        principals: Principals that may call; if there are none, every call is allowed.
        workspaces: Workspaces that they may belong to.
    """

    def __init__(
        self, principals: Iterable[Principal], workspaces: Workspaces = NO_WORKSPACES
    ) -> None:
        self._principals: Sequence[Principal] = tuple(principals)
        self._workspaces = workspaces

    @property
    def is_open(self) -> bool:
        """Whether every call is allowed, because there are no principals."""
        return not self._principals

    def known(self, token: str, names: frozenset[str] = frozenset()) -> Principal | None:
        """Return the principal with this *token* or one of these certificate *names*, if any."""
        return principal_of(self._principals, token, names)

    def enter(self, need: Need | None, principal: Principal | None) -> Access:
        """Return the rights of a call.

        Raises:
            Unauthenticated: If the call needs a principal and has none.
            Forbidden: If the principal lacks the right, or the module `needs` does not list the call.
        """
        if need is None:
            raise Forbidden("this method does not exist")
        if self.is_open or need is Need.NOTHING:
            return Access(None, need)
        if need is Need.LINK:  # the link is checked by its page, and gives access to nothing else
            return self._access(principal or NOBODY, need)
        if principal is None:
            raise Unauthenticated("send a known token or client certificate")
        if not principal.patterns(need):
            raise Forbidden(f"principal {principal.name!r} may not {need.value}")
        return self._access(principal, need)

    def _access(self, principal: Principal, need: Need) -> Access:
        return Access(principal, need, self._workspaces.named(principal.workspace))
