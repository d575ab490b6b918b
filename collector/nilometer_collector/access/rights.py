"""Decides whether a call may do what it asks for: the only place that does, for gRPC and HTTP.

`Gate.enter` runs before anything of a call is read but its headers. `Access.require` runs as soon
as the call says which agent and which entities it means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nilometer_collector.access.principals import ALL, Principal, matches, principal_of
from nilometer_collector.access.table import Need

SHOWN_CHARACTERS = 100  # of a name, in a refusal


class Stranger(Exception):
    """The call comes with no token or certificate that is known."""


class Forbidden(Exception):
    """The principal is known and may not do this. The message is for the caller."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one call may do.

    Attributes:
        principal: Who calls; None where everybody is trusted, or nothing is needed.
        need: What the table says that the call needs.
    """

    principal: Principal | None
    need: Need

    @property
    def is_unlimited(self) -> bool:
        """Whether the call may name any entity."""
        return self.principal is None or self.principal.patterns(self.need) == ALL

    def may(self, entity: str) -> bool:
        """Whether the call may name *entity*."""
        return self.principal is None or matches(entity, self.principal.patterns(self.need))

    def require(self, entities: Iterable[str]) -> None:
        """Refuse the call unless it may name each of *entities*.

        Raises:
            Forbidden: Naming the first that it may not.
        """
        if self.principal is None or self.is_unlimited:
            return
        for entity in entities:
            if not self.may(entity):
                shown = entity[:SHOWN_CHARACTERS]
                raise Forbidden(
                    f"principal {self.principal.name!r} may not {self.need.value} entity {shown!r}"
                )

    def require_agent(self, agent: str) -> None:
        """Refuse the call unless its principal may ship as *agent*.

        Raises:
            Forbidden: Naming *agent*.
        """
        principal = self.principal
        if principal is not None and not (agent and matches(agent, principal.ships_as)):
            shown = agent[:SHOWN_CHARACTERS]
            raise Forbidden(f"principal {principal.name!r} may not ship as {shown!r}")


class Gate:
    """Lets calls in, as far as the rights of their principal go. Any thread may call.

    Args:
        principals: Who may call; none trusts everybody.
    """

    def __init__(self, principals: Iterable[Principal]) -> None:
        self._principals: Sequence[Principal] = tuple(principals)

    @property
    def is_open(self) -> bool:
        """Whether everybody is trusted."""
        return not self._principals

    def known(self, token: str, names: frozenset[str] = frozenset()) -> Principal | None:
        """The principal whose token, or one of whose certificates' *names*, this is."""
        return principal_of(self._principals, token, names)

    def enter(self, need: Need | None, principal: Principal | None) -> Access:
        """What *principal* may do in a call that needs *need*; None is not in the table.

        Raises:
            Stranger: If a principal is needed and this is none.
            Forbidden: If it lacks the right, or the table does not have the call.
        """
        if need is None:
            raise Forbidden("there is no such method")
        if self.is_open or need is Need.NOTHING:
            return Access(None, need)
        if principal is None:
            raise Stranger("no token or certificate that is known")
        if not principal.patterns(need):
            raise Forbidden(f"principal {principal.name!r} may not {need.value}")
        return Access(principal, need)
