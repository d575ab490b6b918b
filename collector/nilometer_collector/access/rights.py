"""Decides what a call may do. No other module decides this, for gRPC or HTTP.

`Gate.enter` runs when only the headers of a call have been read. `Access.require` runs when the
agent and the entities of the call are known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nilometer_collector.access.needs import Need
from nilometer_collector.access.principals import ALL, Principal, matches, principal_of

LOCAL = "local"  # caller without principals; the servers then listen on loopback only
WILDCARDS = {*"*?["}  # characters that make a name a pattern
SHOWN_CHARACTERS = 100  # characters of a name in the message of a refusal

NOBODY = Principal(name="")  # holder of a signed link who has sent no known token


class Unauthenticated(Exception):
    """The call has no known token or certificate."""


class Forbidden(Exception):
    """The principal is known, but may not do this. The caller receives the message."""


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one call.

    Attributes:
        principal: Caller; None if there are no principals, or if the call needs no right.
        need: Right that the call needs, from the module `needs`.
    """

    principal: Principal | None
    need: Need

    @property
    def caller(self) -> str:
        """Name of the principal; `LOCAL` without principals."""
        return LOCAL if self.principal is None else self.principal.name

    @property
    def is_unlimited(self) -> bool:
        """Whether the call has access to all entities."""
        return self.principal is None or self.principal.patterns(self.need) == ALL

    def may(self, entity: str) -> bool:
        """Whether the call has access to *entity*."""
        return self.principal is None or matches(entity, self.principal.patterns(self.need))

    def require(self, entities: Iterable[str]) -> None:
        """Refuse the call unless it has access to all *entities*.

        Raises:
            Forbidden: If the call lacks access to an entity; the message names it.
        """
        if self.principal is None or self.is_unlimited:
            return
        for entity in entities:
            if not self.may(entity):
                shown = entity[:SHOWN_CHARACTERS]
                raise Forbidden(
                    f"principal {self.principal.name!r} may not {self.need.value} entity {shown!r}"
                )

    def require_pattern(self, pattern: str) -> None:
        """Refuse the call unless it has access to every entity that matches *pattern*.

        Raises:
            Forbidden: If the call lacks access; the message names *pattern*. A pattern with a
                wildcard must be one of those of the principal.
        """
        if not set(pattern) & WILDCARDS:
            self.require([pattern])
            return
        principal = self.principal
        if principal is None or self.is_unlimited or pattern in principal.patterns(self.need):
            return
        shown = pattern[:SHOWN_CHARACTERS]
        raise Forbidden(
            f"principal {principal.name!r} may not {self.need.value} all entities {shown!r}"
        )

    def require_all(self) -> None:
        """Refuse the call unless it has access to all entities, because its object is for all.

        Raises:
            Forbidden: If the call lacks this access.
        """
        if self.principal is not None and not self.is_unlimited:
            raise Forbidden(
                f"principal {self.principal.name!r} may not {self.need.value} all entities"
            )

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
    """

    def __init__(self, principals: Iterable[Principal]) -> None:
        self._principals: Sequence[Principal] = tuple(principals)

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
            return Access(principal or NOBODY, need)
        if principal is None:
            raise Unauthenticated("send a known token or client certificate")
        if not principal.patterns(need):
            raise Forbidden(f"principal {principal.name!r} may not {need.value}")
        return Access(principal, need)
