"""Clients for which the server waits: limited in number and time; the longest wait ends first.

A client that sends nothing uses a descriptor, a stream or some memory while the server waits. No
place is reserved. When all places are used, the longest wait is ended. So a new client that sends
its request immediately is always served.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Peer:
    since: float
    end: Callable[[], None]
    groups: tuple[Hashable, ...]


@dataclass(slots=True)
class Waiting(Generic[K]):
    """The clients for which the server waits, longest wait first. Not thread-safe.

    Attributes:
        most: Largest number of clients.
        most_of_group: Largest number of clients in one group.
        seconds: Longest wait for one client.
        ended: Number of clients that were ended, because of their time or to make room.
    """

    most: int
    most_of_group: int
    seconds: float
    ended: int = 0
    _peers: OrderedDict[K, _Peer] = field(default_factory=OrderedDict)
    _groups: dict[Hashable, OrderedDict[K, None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._peers)

    def begin(
        self, key: K, now: float, end: Callable[[], None], groups: tuple[Hashable, ...] = ()
    ) -> None:
        """Start to wait for *key* at *now*; make room for it first.

        Args:
            key: Key of the client.
            now: Monotonic time, in seconds.
            end: Function that ends the client; called at most once, and not after `over`.
            groups: Groups in which the client is counted, such as its address.
        """
        self.over(key)
        for group in groups:
            members = self._groups.setdefault(group, OrderedDict())
            if len(members) >= self.most_of_group:
                self._end(next(iter(members)))
        if len(self._peers) >= self.most:
            self.end_longest()
        self._peers[key] = _Peer(now, end, groups)
        for group in groups:
            self._groups.setdefault(group, OrderedDict())[key] = None

    def over(self, key: K) -> None:
        """Stop waiting for *key*, because its request has arrived or it has disconnected."""
        peer = self._peers.pop(key, None)
        for group in peer.groups if peer else ():
            members = self._groups[group]
            members.pop(key, None)
            if not members:
                del self._groups[group]

    def end_longest(self) -> bool:
        """End the client with the longest wait; return whether there was one."""
        if not self._peers:
            return False
        self._end(next(iter(self._peers)))
        return True

    def expire(self, now: float) -> None:
        """End every client whose wait is longer than `seconds`."""
        while self._peers:
            key, peer = next(iter(self._peers.items()))
            if now - peer.since < self.seconds:
                return
            self._end(key)

    def _end(self, key: K) -> None:
        end = self._peers[key].end
        self.over(key)
        self.ended += 1
        end()
