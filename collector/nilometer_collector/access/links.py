"""Signed links in messages: who holds one has received the message."""

import hashlib
import hmac
from dataclasses import dataclass

APPROVE_PATH = "/approve"  # page of a request for approval


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalLink:
    """A link to the request for approval of a run.

    Attributes:
        run: Id of the run.
        until_ns: Wall time at which the link expires.
        signature: Signature over both and the run's key, in hexadecimal.
    """

    run: int
    until_ns: int
    signature: str

    @classmethod
    def signed(cls, key: bytes, run: int, run_key: str, until_ns: int) -> "ApprovalLink":
        """Return the link of a run.

        Args:
            key: Key of the installation.
            run: Id of the run.
            run_key: Random key of the run.
            until_ns: Wall time at which the link expires.
        """
        return cls(run=run, until_ns=until_ns, signature=_signature(key, run, run_key, until_ns))

    def is_signed(self, key: bytes, run_key: str) -> bool:
        """Return whether this installation made the link for the run with *run_key*."""
        known = _signature(key, self.run, run_key, self.until_ns)
        return hmac.compare_digest(known.encode(), self.signature.encode())

    def url(self, page_url: str) -> str:
        """Return its URL; *page_url* is the URL of the pages, without a final slash."""
        query = f"run={self.run}&until={self.until_ns}&signature={self.signature}"
        return f"{page_url}{APPROVE_PATH}?{query}"


def _signature(key: bytes, run: int, run_key: str, until_ns: int) -> str:
    said = f"approve\n{run}\n{run_key}\n{until_ns}".encode()
    return hmac.new(key, said, hashlib.sha256).hexdigest()
