"""The files of a client's credentials for the collector, and of the CAs that it trusts.

`Credentials.stamp` changes if a file changes, so that certificates and tokens can be
rotated without a restart.
"""

from dataclasses import dataclass
from pathlib import Path

from nilometer.settings.loopback import is_this_machine
from nilometer.values.errors import ConfigError

SYSTEM = "system"  # value of the CA setting for the machine's own CAs
IN_THE_CLEAR = "a token is not sent without TLS, but to a loopback address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files with the credentials of a client; empty if unused.

    Attributes:
        ca: CA certificates to trust. ``system`` means those of the machine. Empty means a
            connection without TLS, unless the address requires TLS.
        certificate: Client certificate with its chain, PEM.
        key: Private key of *certificate*.
        token: File with a bearer token.
        server_name: Name in the collector's certificate, if it differs from the address.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    token: str = ""
    server_name: str = ""

    def stamp(self) -> tuple[object, ...]:
        """A value that changes if one of the files changes."""
        return tuple(_stamp(path) for path in (self.ca, self.certificate, self.key, self.token))

    def require_files(self) -> None:
        """Refuse credentials that cannot be used.

        Raises:
            ConfigError: If a file is missing; the message names the setting and the file.
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
        """Refuse to send the token to *host* over a connection that others can read.

        Raises:
            ConfigError: If there is a token, the connection is not *secure*, and *host* is not
                this machine.
        """
        if self.token and not secure and not is_this_machine(host):
            raise ConfigError(f"token_file = {self.token!r}: {IN_THE_CLEAR}: set tls_ca, use https")

    def bearer(self) -> str:
        """Return the token; may be empty. Call `require_privacy` for the connection first."""
        return Path(self.token).read_text("utf-8").strip() if self.token else ""


NO_CREDENTIALS = Credentials()


def _stamp(path: str) -> object:
    if not path or path == SYSTEM:
        return None
    try:
        there = Path(path).stat()  # not `lstat`, because Kubernetes rotates links
    except OSError:
        return None
    return there.st_ino, there.st_mtime_ns, there.st_size
