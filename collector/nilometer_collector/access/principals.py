"""Principals: the callers that may ship, read and write, with their agents and entities."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import msgspec

from nilometer.values.errors import ConfigError
from nilometer_collector.access.needs import Need
from nilometer_collector.access.workspaces import NO_WORKSPACES, Workspaces

DIGEST_CHARACTERS = 64  # SHA-256 in hexadecimal
ALL = ("*",)
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")

HttpAccess: TypeAlias = Literal["none", "read", "write"]
Patterns: TypeAlias = tuple[str, ...]


class Principal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A caller that may ship, read or write.

    Attributes:
        name: Name that log lines and errors show.
        token_sha256: SHA-256 of each valid token, in hexadecimal; several during a token rotation.
        certificates: Common names or subject alternative names of its client certificates.
        agents: Patterns of the agent names that it may ship as, such as ``scoring-*``. If left out,
            a principal with ``ship`` or without any listed right may ship as any agent, and any
            other principal may not ship.
        ship: Patterns of the entities that it may ship for; if left out, all entities of its
            agents.
        read: Patterns of the entities whose data it may read.
        write: Patterns of the entities whose declarations, alerters, references and episodes it may
            change.
        workspace: Name of the workspace that it belongs to. All its patterns then end at the entities
            of the workspace: ``*`` means all of them. Empty for a principal of the whole collector.
        author_header: Header in which this principal, a proxy that has authenticated a person, names
            the person, such as ``X-Forwarded-User``. Decisions are recorded under this name. The
            proxy must remove the header from what it receives. Empty for any other principal.
        http: Older form of ``read`` and ``write`` for all entities: ``read`` means
            ``read = ["*"]``; ``write`` means ``read = ["*"]`` and ``write = ["*"]``.
    """

    name: str
    token_sha256: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    agents: Patterns | None = None
    ship: Patterns | None = None
    read: Patterns | None = None
    write: Patterns | None = None
    http: HttpAccess | None = None
    workspace: str = ""
    author_header: str = ""

    @property
    def ships_as(self) -> Patterns:
        """Patterns of the agent names that it may ship as."""
        if self.agents is not None:
            return self.agents
        if self.ship is not None:
            return ALL if self.ship else ()
        has_other = (self.read, self.write, self.http) != (None, None, None)
        return () if has_other else ALL

    def patterns(self, need: Need) -> Patterns:
        """Patterns of the entities for which it has the right *need*."""
        match need:
            case Need.SHIP:
                return ALL if self.ship is None and self.ships_as else self.ship or ()
            case Need.READ:
                return ALL if self.http in {"read", "write"} else self.read or ()
            case Need.WRITE:
                return ALL if self.http == "write" else self.write or ()
            case Need.NOTHING | Need.NAME:
                return ALL
            case Need.LINK:
                return ()

    @property
    def uses_http(self) -> bool:
        """Whether its tokens give access to the HTTP server."""
        return bool(self.token_sha256 and (self.patterns(Need.READ) or self.patterns(Need.WRITE)))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether *name* matches one of *patterns*."""
    return any(pattern == "*" or fnmatchcase(name, pattern) for pattern in patterns)


def principal_of(
    principals: Sequence[Principal], token: str, names: frozenset[str] = frozenset()
) -> Principal | None:
    """Return the first principal with this *token* or one of these certificate *names*.

    It compares all digests in constant time, so the response time reveals nothing about a token.
    """
    digest = hashlib.sha256(token.encode()).hexdigest() if token else ""
    found = None
    for principal in principals:
        known = [hmac.compare_digest(digest, valid) for valid in principal.token_sha256]
        if any(known) or names & set(principal.certificates):
            found = found or principal
    return found


def check_principals(
    principals: Sequence[Principal], workspaces: Workspaces = NO_WORKSPACES
) -> None:
    """Refuse principals that nobody can use, and rights that contradict each other.

    Args:
        principals: All principals of the collector.
        workspaces: Workspaces that they may belong to.

    Raises:
        ConfigError: If a principal is wrong; the message names it and never shows a token.
    """
    if len({principal.name for principal in principals}) != len(principals):
        raise ConfigError("principals: two principals have the same name")
    for principal in principals:
        _check(principal, f"principals: {principal.name!r}")
        if principal.workspace and workspaces.named(principal.workspace) is None:
            raise ConfigError(
                f"principals: {principal.name!r}: workspace = {principal.workspace[:64]!r}: is not "
                "among the workspaces: add it, or remove the principal"
            )


def _check(principal: Principal, key: str) -> None:
    if not principal.token_sha256 and not principal.certificates:
        raise ConfigError(f"{key} needs token_sha256 or certificates")
    if principal.http is not None:
        if principal.http != "none" and not principal.token_sha256:
            raise ConfigError(f"{key}: http needs token_sha256; a certificate opens gRPC only")
        if principal.read is not None or principal.write is not None:
            raise ConfigError(f"{key} has http besides read or write: remove http")
        if principal.http != "none" and principal.agents is None and principal.ship is None:
            raise ConfigError(
                f"{key} has http and no agents: add agents = [] if it ships nothing, else add the "
                "agent names that it ships as"
            )
    if principal.ship and principal.agents == ():
        raise ConfigError(f"{key} has ship and agents = []: add the agent names that it ships as")
    if principal.author_header and not HEADER.fullmatch(principal.author_header):
        raise ConfigError(
            f"{key}: author_header = {principal.author_header!r}: must be the name of a header, such "
            "as X-Forwarded-User"
        )
    for digest in principal.token_sha256:
        fine = len(digest) == DIGEST_CHARACTERS and set(digest) <= set("0123456789abcdef")
        if not fine:
            raise ConfigError(f"{key}: each token_sha256 must be 64 lower-case hexadecimal digits")
