"""What reads along a connection: the only part of a proxy that knows a protocol."""

from typing import Protocol

from nilometer_agent.proxy.heads import Refused


class Follower(Protocol):
    """Reads along one connection. A method that raises has let nothing pass.

    Attributes:
        connects_at_once: Whether the server is connected to before the client has said a word.
        tunnels: Whether both sides have left the protocol: bytes pass unread from now on.
        refusal: Why the client is not listened to any more; None while it is.
    """

    connects_at_once: bool
    tunnels: bool
    refusal: Refused | None

    @property
    def waits(self) -> bool:
        """Whether what the client sent is held until the server has answered."""
        ...

    @property
    def unanswered(self) -> bool:
        """Whether the server owes an answer to a request that passed whole."""
        ...

    @property
    def in_request(self) -> bool:
        """Whether the client is in the middle of a request."""
        ...

    @property
    def waits_for_client(self) -> bool:
        """Whether only the client can carry on: nothing that it asked is whole and unanswered."""
        ...

    @property
    def in_answer(self) -> bool:
        """Whether the client has had a part of an answer."""
        ...

    def sent(self, data: bytes) -> tuple[bytes, bytes]:
        """What of the client's *data* passes now, and what is held; held bytes come again.

        Raises:
            Unreadable: If the client does not speak the protocol, and may pass all the same.
        """
        ...

    def answered(self, data: bytes) -> tuple[bytes, bytes]:
        """The same of the server's *data*.

        Raises:
            Unreadable: If the server does not speak the protocol.
        """
        ...

    def refused(self, refusal: Refused) -> bytes:
        """What the client is told, and note it."""
        ...

    def client_ended(self) -> None:
        """The client sends no more."""
        ...

    def ended(self, *, whole: bool) -> None:
        """The connection is over; *whole* where the server closed it in order. Safe twice."""
        ...

    def lose(self) -> int:
        """Forget what is under way because of a fault of ours; how many observations that is."""
        ...
