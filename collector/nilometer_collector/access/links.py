"""Signed links in messages: who holds one has received the message."""

import hashlib
import hmac
from dataclasses import dataclass, replace
from urllib.parse import urlencode

APPROVE_PATH = "/approve"  # page of a request for approval
DECIDE_PATH = "/decide"  # page of a decision about an episode


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
        signature = _signature(key, "approve", run, run_key, until_ns)
        return cls(run=run, until_ns=until_ns, signature=signature)

    def is_signed(self, key: bytes, run_key: str) -> bool:
        """Return whether this installation made the link for the run with *run_key*."""
        known = _signature(key, "approve", self.run, run_key, self.until_ns)
        return hmac.compare_digest(known.encode(), self.signature.encode())

    def url(self, page_url: str) -> str:
        """Return its URL; *page_url* is the URL of the pages, without a final slash."""
        query = f"run={self.run}&until={self.until_ns}&signature={self.signature}"
        return f"{page_url}{APPROVE_PATH}?{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLink:
    """A link to the page of one decision about an episode.

    Attributes:
        kind: Kind of the decision, such as ``silenced``.
        entity: Entity of the episode.
        episode: Id of the episode.
        opened_ns: Wall time at which the episode opened; a restored database may use its id again.
        channel: Name of the channel whose message has the link.
        message: Idempotency key of this message.
        until_ns: Wall time at which the link expires.
        signature: Signature over all of them, in hexadecimal.
    """

    kind: str
    entity: str
    episode: int
    opened_ns: int
    channel: str
    message: str
    until_ns: int
    signature: str = ""

    @property
    def use(self) -> str:
        """Name of what the link may do once: one kind of decision for each message."""
        return f"{self.message}/{self.kind}"

    def signed(self, key: bytes) -> "DecisionLink":
        """Return the link with its signature by the *key* of the installation."""
        return replace(self, signature=self._signature(key))

    def is_signed(self, key: bytes) -> bool:
        """Return whether this installation made the link."""
        return hmac.compare_digest(self._signature(key).encode(), self.signature.encode())

    def parameters(self) -> dict[str, str]:
        """Return the link as parameters of a URL, or as fields of a form."""
        return {
            "kind": self.kind,
            "entity": self.entity,
            "episode": str(self.episode),
            "opened": str(self.opened_ns),
            "channel": self.channel,
            "message": self.message,
            "until": str(self.until_ns),
            "signature": self.signature,
        }

    def url(self, page_url: str) -> str:
        """Return its URL; *page_url* is the URL of the pages, without a final slash."""
        return f"{page_url}{DECIDE_PATH}?{urlencode(self.parameters())}"

    def _signature(self, key: bytes) -> str:
        said = (self.kind, self.entity, self.episode, self.opened_ns)
        return _signature(key, "decide", *said, self.channel, self.message, self.until_ns)


def _signature(key: bytes, *said: str | int) -> str:
    """Return the signature over *said*; no text in it has a line end, except in a forged link."""
    text = "\n".join(map(str, said))
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
