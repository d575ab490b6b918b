"""The parts of a store that the default alerter of an entity reads and changes."""

from typing import Protocol

from nilometer_collector.store import History, References, Samples
from nilometer_collector.store.watching import Watching


class WatchedStore(Protocol):
    """Stored samples, references, declared objects and state. A `Store` has all of them."""

    @property
    def history(self) -> History:
        """Changes of declared objects."""
        ...

    @property
    def samples(self) -> Samples:
        """Series and samples."""
        ...

    @property
    def references(self) -> References:
        """Versions of references."""
        ...

    @property
    def watching(self) -> Watching:
        """State of the default alerter."""
        ...


class StateMoved(Exception):
    """Another collector has advanced the entity; read its state again."""
