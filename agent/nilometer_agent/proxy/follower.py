"""The interface of a follower, the only part of a proxy that knows a protocol."""

from typing import Protocol

from nilometer_agent.proxy.heads import Refused


class Follower(Protocol):
    """Observes one connection. If a method raises, none of its bytes are forwarded.

    Attributes:
        connects_at_once: Whether the proxy connects to the server before the client sends data.
        tunnels: Whether both sides have switched protocols; further bytes are not observed.
        refusal: Reason why the client is refused; None if it is not.
    """

    connects_at_once: bool
    tunnels: bool
    refusal: Refused | None

    @property
    def waits(self) -> bool:
        """Whether the client's bytes are held back until the server has responded."""
        ...

    @property
    def unanswered(self) -> bool:
        """Whether a complete request waits for its response."""
        ...

    @property
    def in_request(self) -> bool:
        """Whether a request of the client is incomplete."""
        ...

    @property
    def waits_for_client(self) -> bool:
        """Whether the proxy waits for the client, because no request waits for a response."""
        ...

    @property
    def in_answer(self) -> bool:
        """Whether a response is partly sent to the client."""
        ...

    def sent(self, data: bytes) -> tuple[bytes, bytes]:
        """Split the client's *data* into bytes to forward now and bytes to hold back.

        The caller passes held bytes again with the next call.

        Raises:
            Unreadable: If the client speaks another protocol; its bytes may be forwarded anyway.
        """
        ...

    def answered(self, data: bytes) -> tuple[bytes, bytes]:
        """Split the server's *data* in the same way.

        Raises:
            Unreadable: If the server speaks another protocol.
        """
        ...

    def refused(self, refusal: Refused) -> bytes:
        """Record the refusal and return the response for the client."""
        ...

    def client_ended(self) -> None:
        """Note that the client sends no more data."""
        ...

    def ended(self, *, whole: bool) -> None:
        """Note that the connection is over; *whole* if the server closed it properly.

        May be called twice.
        """
        ...

    def lose(self) -> int:
        """Forget exchanges in progress after an internal error; return how many there were."""
        ...
