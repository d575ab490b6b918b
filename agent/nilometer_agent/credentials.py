"""The files that the agent shows to the collector, and those that say whom it trusts.

`Credentials.stamp` changes whenever one of the files changes, so that certificates and tokens are
rotated without a restart.
"""

from dataclasses import dataclass
from pathlib import Path

SYSTEM = "system"  # as a CA: the machine's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files that say who we are and whom we trust; empty where there are none.

    Attributes:
        ca: Certificates that may have signed the collector's; ``system`` for the machine's own;
            empty for no TLS at all.
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

    def bearer(self) -> str:
        """The token, or empty."""
        return Path(self.token).read_text("utf-8").strip() if self.token else ""


def _stamp(path: str) -> object:
    if not path or path == SYSTEM:
        return None
    try:
        there = Path(path).stat()  # follows links: Kubernetes turns one to rotate
    except OSError:
        return None
    return there.st_ino, there.st_mtime_ns, there.st_size
