"""The thread that keeps the statistics of series up to date while the store only logs additions.

It is apart from the roll-ups, because they take longer and pause after a failure. Lists read the
additions that wait, so they would take longer meanwhile.
"""

from nilometer_collector.background import Background, Pause
from nilometer_collector.store import Store

COLLECT_SECONDS = 1.0  # time between two collections, and after a failure
FAILED = "statistics of new samples are not collected, so lists take longer; will retry: check the database"


class Collecting:
    """Collects the additions of one store, on its own `thread`.

    Args:
        store: Store of the samples.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_failing = False
        self.thread = Background(
            "collect",
            self._step,
            after_error=Pause(COLLECT_SECONDS),
            unavailable=FAILED,
            failed=FAILED,
        )

    def _step(self) -> Pause:
        """Collect. Only the first failure in a row is logged, because it may last for hours."""
        try:
            self._store.rollups.collect()
        except Exception:
            if not self._is_failing:
                self._is_failing = True
                raise
        else:
            self._is_failing = False
        return Pause(COLLECT_SECONDS)
