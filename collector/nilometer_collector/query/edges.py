"""Cache of the bin edges of references."""

import threading

from nilometer.sketch.binned import edges_id
from nilometer.wire.contents.codec import EdgesOf
from nilometer_collector.store import References


class ReferenceEdges:
    """Cache of the edges of all versions of an entity's references. Thread-safe.

    Args:
        references: Stored references; a change to any of them empties the cache.
    """

    def __init__(self, references: References) -> None:
        self._references = references
        self._lock = threading.Lock()
        self._decoded: dict[str, dict[str, tuple[float, ...]]] = {}
        self._generation = -1

    def of(self, entity: str) -> EdgesOf:
        """Return the function that finds edges of *entity*'s references by id."""
        with self._lock:
            generation = self._references.generation
            if generation != self._generation:
                self._decoded, self._generation = {}, generation
            found = self._decoded.get(entity)
            if found is None:
                found = self._decoded[entity] = {}
                for record in self._references.records(entity, current=False):
                    reference = self._references.read(record)
                    for column in reference.columns.values() if reference is not None else ():
                        found[edges_id(column.edges)] = column.edges
            return found.get
