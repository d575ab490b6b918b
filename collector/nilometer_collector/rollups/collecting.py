"""The thread that keeps the statistics of series up to date while the store only logs additions.

It is apart from the roll-ups, because they take longer and pause after a failure. Lists read the
additions that wait, so they would take longer meanwhile.
"""

import logging
import threading

from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import Store

COLLECT_SECONDS = 1.0  # time between two collections, and after a failure

log = logging.getLogger("nilometer.collector")


class Collecting:
    """Collects the additions of one store, on its own thread.

    Args:
        store: Store of the samples.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-collect", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Finish the running collection and end; the other additions wait. Safe to repeat."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        is_failing = False
        while not self._stopping.is_set():
            try:
                self._store.rollups.collect()
            except Exception as error:
                if not is_failing:  # a failure may last for hours
                    log.warning(
                        "statistics of new samples are not collected, so lists take longer; will "
                        "retry: check the database",
                        extra={"reason": str(error)},
                        exc_info=not isinstance(error, StoreUnavailable),
                    )
                is_failing = True
            else:
                is_failing = False
            self._stopping.wait(COLLECT_SECONDS)
