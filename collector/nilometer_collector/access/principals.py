"""Principals: who may ship, read and write, for which agents and entities."""

import hashlib
import hmac
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import msgspec

from nilometer.values.errors import ConfigError
from nilometer_collector.access.table import Need

DIGEST_CHARACTERS = 64  # of SHA-256, hexadecimal
ALL = ("*",)

HttpAccess: TypeAlias = Literal["none", "read", "write"]
Patterns: TypeAlias = tuple[str, ...]


class Principal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who may ship, read or write.

    Attributes:
        name: For the log.
        token_sha256: SHA-256 of each token that is valid now, hexadecimal; several while one
            replaces another.
        certificates: Names in client certificates: of the subject, or alternative ones.
        agents: Patterns of the agents' names that it may ship as, such as ``scoring-*``. Without
            it, a principal that has ``ship``, or has no right at all, ships as any agent; any other
            ships nothing.
        ship: Patterns of the entities that it may ship for; without it, all that its agents ship.
        read: Patterns of the entities whose data it may read.
        write: Patterns of the entities whose alerters and references it may change.
        http: The older way to say ``read`` and ``write`` for all entities: ``read`` is
            ``read = ["*"]``, ``write`` is that and ``write = ["*"]``.
    """

    name: str
    token_sha256: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    agents: Patterns | None = None
    ship: Patterns | None = None
    read: Patterns | None = None
    write: Patterns | None = None
    http: HttpAccess | None = None

    @property
    def ships_as(self) -> Patterns:
        """Patterns of the agents that it may ship as."""
        if self.agents is not None:
            return self.agents
        if self.ship is not None:
            return ALL if self.ship else ()
        has_other = (self.read, self.write, self.http) != (None, None, None)
        return () if has_other else ALL

    def patterns(self, need: Need) -> Patterns:
        """Patterns of the entities for which it has *need*."""
        match need:
            case Need.SHIP:
                return ALL if self.ship is None and self.ships_as else self.ship or ()
            case Need.READ:
                return ALL if self.http in {"read", "write"} else self.read or ()
            case Need.WRITE:
                return ALL if self.http == "write" else self.write or ()
            case Need.NOTHING | Need.NAME:
                return ALL

    @property
    def uses_http(self) -> bool:
        """Whether its tokens open anything of the HTTP server."""
        return bool(self.token_sha256 and (self.patterns(Need.READ) or self.patterns(Need.WRITE)))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether *name* is one of *patterns*."""
    return any(pattern == "*" or fnmatchcase(name, pattern) for pattern in patterns)


def principal_of(
    principals: Sequence[Principal], token: str, names: frozenset[str] = frozenset()
) -> Principal | None:
    """The first whose token or one of whose certificates' *names* this is.

    All digests are compared, in constant time: an answer's delay tells nothing.
    """
    digest = hashlib.sha256(token.encode()).hexdigest() if token else ""
    found = None
    for principal in principals:
        known = [hmac.compare_digest(digest, valid) for valid in principal.token_sha256]
        if any(known) or names & set(principal.certificates):
            found = found or principal
    return found


def check_principals(principals: Sequence[Principal]) -> None:
    """Refuse settings that would let nobody, or the wrong ones, in.

    Raises:
        ConfigError: Naming the principal; never a token.
    """
    if len({principal.name for principal in principals}) != len(principals):
        raise ConfigError("principals: two have the same name")
    for principal in principals:
        _check(principal, f"principals: {principal.name!r}")


def _check(principal: Principal, key: str) -> None:
    if not principal.token_sha256 and not principal.certificates:
        raise ConfigError(f"{key} needs token_sha256 or certificates")
    if principal.http is not None:
        if principal.http != "none" and not principal.token_sha256:
            raise ConfigError(f"{key}: http needs token_sha256; a certificate opens gRPC only")
        if principal.read is not None or principal.write is not None:
            raise ConfigError(f"{key} has http and read or write: leave http out")
        if principal.http != "none" and principal.agents is None and principal.ship is None:
            raise ConfigError(
                f"{key} has http and no agents: add agents = [] if it ships nothing, else the "
                "names that it ships as"
            )
    if principal.ship and principal.agents == ():
        raise ConfigError(f"{key} has ship and agents = []: name the agents it ships as")
    for digest in principal.token_sha256:
        fine = len(digest) == DIGEST_CHARACTERS and set(digest) <= set("0123456789abcdef")
        if not fine:
            raise ConfigError(f"{key}: token_sha256 must be 64 lower hexadecimal digits each")
