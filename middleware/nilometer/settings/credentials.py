"""The files that a client shows to the collector, and those that say whom it trusts.

`Credentials.stamp` changes whenever one of the files changes, so that certificates and tokens are
rotated without a restart.
"""

from dataclasses import dataclass
from pathlib import Path

from nilometer.settings.loopback import is_this_machine
from nilometer.values.errors import ConfigError

SYSTEM = "system"  # as a CA: the machine's own
IN_THE_CLEAR = "a token is not sent without TLS, but to a loopback address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files that say who we are and whom we trust; empty where there are none.

    Attributes:
        ca: Certificates that may have signed the collector's; ``system`` for the machine's own;
            empty for no TLS at all, where the address does not say otherwise.
        certificate: Ours, with its chain; PEM.
        key: Of *certificate*.
        token: File with a bearer token.
        server_name: Name in the collector's certificate, where it is not the address's.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    token: str = ""
    server_name: str = ""

    def stamp(self) -> tuple[object, ...]:
        """Another one when a file has changed."""
        return tuple(_stamp(path) for path in (self.ca, self.certificate, self.key, self.token))

    def require_files(self) -> None:
        """Refuse credentials that cannot be used.

        Raises:
            ConfigError: Naming the setting and the file that is missing.
        """
        if self.key and not self.certificate:
            raise ConfigError(f"tls_key = {self.key!r}: needs tls_certificate")
        named = {
            "tls_ca": "" if self.ca == SYSTEM else self.ca,
            "tls_certificate": self.certificate,
            "tls_key": self.key,
            "token_file": self.token,
        }
        for name, path in named.items():
            if path and not Path(path).is_file():
                raise ConfigError(f"{name} = {path!r}: there is no such file")

    def require_privacy(self, host: str, *, secure: bool) -> None:
        """Refuse to show the token to *host* over a connection that others can read.

        Raises:
            ConfigError: If there is a token, the connection is not *secure*, and *host* is not
                this machine.
        """
        if self.token and not secure and not is_this_machine(host):
            raise ConfigError(f"token_file = {self.token!r}: {IN_THE_CLEAR}: set tls_ca, use https")

    def bearer(self) -> str:
        """The token, or empty. The caller has called `require_privacy` for its connection."""
        return Path(self.token).read_text("utf-8").strip() if self.token else ""


NO_CREDENTIALS = Credentials()


def _stamp(path: str) -> object:
    if not path or path == SYSTEM:
        return None
    try:
        there = Path(path).stat()  # follows links: Kubernetes turns one to rotate
    except OSError:
        return None
    return there.st_ino, there.st_mtime_ns, there.st_size
