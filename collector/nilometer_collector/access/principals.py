"""Who may ship what: principals, and the names of agents that are theirs.

An agent says its name in every call, and anybody could say any. Where principals are set, a call
must come with the token or the certificate of one of them, and the name must match one of its
patterns. Where none are set the address is a loopback one, and everybody there is trusted.
"""

import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

import grpc
import msgspec

from nilometer.values.clock import Clock
from nilometer.values.errors import ConfigError

DUPLICATE_SECONDS = 60.0  # after which a name that only one process uses is fine again
MAX_AGENTS = 10_000  # whose processes are remembered
MAX_PROCESSES = 8  # of one name
DIGEST_CHARACTERS = 64  # of SHA-256, hexadecimal

HttpAccess: TypeAlias = Literal["none", "read", "write"]

log = logging.getLogger("nilometer.collector")


class Principal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who may ship, or use the HTTP server.

    Attributes:
        name: For the log.
        token_sha256: SHA-256 of each token that is valid now, hexadecimal; several while one
            replaces another.
        certificates: Names in client certificates: of the subject, or alternative ones.
        agents: Patterns of agents' names that are theirs, such as ``scoring-*``; empty for who
            ships nothing.
        http: What its tokens open of the API and the pages. As soon as one principal has more than
            ``none``, nobody is answered there without a token.
    """

    name: str
    token_sha256: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    agents: tuple[str, ...] = ("*",)
    http: HttpAccess = "none"


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
    """Refuse what would let nobody, or the wrong ones, in.

    Raises:
        ConfigError: Naming the principal; never a token.
    """
    if len({principal.name for principal in principals}) != len(principals):
        raise ConfigError("principals: two have the same name")
    for principal in principals:
        key = f"principals: {principal.name!r}"
        if not principal.token_sha256 and not principal.certificates:
            raise ConfigError(f"{key} needs token_sha256 or certificates")
        if principal.http != "none" and not principal.token_sha256:
            raise ConfigError(f"{key}: http needs token_sha256; a certificate opens gRPC only")
        for digest in principal.token_sha256:
            fine = len(digest) == DIGEST_CHARACTERS and set(digest) <= set("0123456789abcdef")
            if not fine:
                raise ConfigError(f"{key}: token_sha256 must be 64 lower hexadecimal digits each")


class Access:
    """Answers whether a call may say what it says. Any thread may call.

    Args:
        principals: Who may; none lets everybody.
    """

    def __init__(self, principals: Sequence[Principal]) -> None:
        self._principals = tuple(principals)

    def require(self, context: grpc.ServicerContext, agent: str = "") -> None:
        """End the call unless it is allowed, for *agent* where one is named."""
        if not self._principals:
            return
        principal = self._who(context)
        if principal is None:
            _end(context, grpc.StatusCode.UNAUTHENTICATED, "no token or certificate that is known")
        if agent and not any(fnmatchcase(agent, pattern) for pattern in principal.agents):
            log.warning("not its agent", extra={"principal": principal.name, "agent": agent})
            _end(
                context,
                grpc.StatusCode.PERMISSION_DENIED,
                f"principal {principal.name!r} may not ship as {agent[:100]!r}",
            )

    def _who(self, context: grpc.ServicerContext) -> Principal | None:
        metadata = dict(context.invocation_metadata() or ())
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        names = _certificate_names(context.auth_context())
        return principal_of(self._principals, token if scheme == "Bearer" else "", names)


def _certificate_names(context: Mapping[str, Any]) -> frozenset[str]:
    values = [
        *context.get("x509_common_name", ()),
        *context.get("x509_subject_alternative_name", ()),
    ]
    return frozenset(value.decode("utf-8", "replace") for value in values)


def _end(context: grpc.ServicerContext, code: grpc.StatusCode, why: str) -> NoReturn:
    context.abort(code, why)
    raise AssertionError("abort raises")


class Processes:
    """Notices two processes that ship under one name: a copied volume, or a copied setting.

    A process that another one has replaced never comes back; where it does, both live. Not
    thread-safe.

    Args:
        clock: Monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: OrderedDict[str, bytes] = OrderedDict()
        self._replaced: dict[str, list[bytes]] = {}
        self._duplicate_at: dict[str, float] = {}

    def see(self, agent: str, instance: bytes) -> tuple[bool, bool]:
        """A call came; whether the name is used twice now, and whether that is news."""
        if not agent or not instance:
            return False, False
        now = self._clock.monotonic()
        current = self._current.get(agent)
        news = False
        if current is not None and instance != current:
            before = self._replaced.setdefault(agent, [])
            if instance in before:
                before.remove(instance)
                news = agent not in self._duplicate_at
                self._duplicate_at[agent] = now
            before.append(current)
            del before[:-MAX_PROCESSES]
        self._current[agent] = instance
        self._current.move_to_end(agent)
        if len(self._current) > MAX_AGENTS:
            gone, _ = self._current.popitem(last=False)
            self._replaced.pop(gone, None)
            self._duplicate_at.pop(gone, None)
        at = self._duplicate_at.get(agent)
        if at is not None and now - at > DUPLICATE_SECONDS:
            del self._duplicate_at[agent]
            at = None
        return at is not None, news


class ServerFiles:
    """Certificate, key and client CA of the server, read again when one of them changes.

    Args:
        certificate: PEM, with its chain.
        key: PEM.
        client_ca: PEM of who may have signed clients' certificates; empty asks for none.
    """

    def __init__(self, certificate: str, key: str, client_ca: str) -> None:
        self._paths = [Path(path) for path in (certificate, key, client_ca) if path]
        self._asks = bool(client_ca)
        self._stamp = self._stamps()

    def credentials(self) -> grpc.ServerCredentials:
        """What a port is opened with: connections after a change see the new files.

        Raises:
            ConfigError: If a file cannot be read.
        """
        try:
            first = self._read()
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}") from error
        return grpc.dynamic_ssl_server_credentials(
            first,
            self._newer,  # type: ignore[arg-type]  # None says that nothing changed
            require_client_authentication=self._asks,
        )

    def _read(self) -> grpc.ServerCertificateConfiguration:
        certificate, key, *ca = [path.read_bytes() for path in self._paths]
        return grpc.ssl_server_certificate_configuration(
            [(key, certificate)], root_certificates=ca[0] if ca else None
        )

    def _stamps(self) -> list[tuple[int, int, int]]:
        found = [path.stat() for path in self._paths if path.exists()]
        return [(there.st_ino, there.st_mtime_ns, there.st_size) for there in found]

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """What is new since the last connection, or None. Called by gRPC at each connection."""
        try:
            stamp = self._stamps()
            if stamp == self._stamp:
                return None
            configuration = self._read()
        except OSError as error:  # in the middle of a rotation: the old ones still stand
            log.warning("certificates not read", extra={"reason": str(error)})
            return None
        self._stamp = stamp
        log.info("certificates rotated")
        return configuration
