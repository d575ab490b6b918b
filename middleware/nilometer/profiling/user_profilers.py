"""Runs the user's profilers without risk for the agent or the server."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nilometer.profile.profiler import Batch, Column, Fault, Produced, Profiler, columns_of
from nilometer.values.labels import Labels

BUDGET_SECONDS = 1.0  # wall time of one profiler for one batch

log = logging.getLogger("nilometer.profilers")


@dataclass(frozen=True, slots=True)
class Values:
    """Columns that one profiler returned, by summary name."""

    labels: Labels
    columns: Mapping[str, Column]


class Runner:
    """Runs profilers and disables those that fail. Not thread-safe.

    Each profiler runs in its own thread. A profiler that hangs is disabled when its time is up.

    Args:
        profilers: Profilers to run.
        budget_seconds: Limit of wall time per profiler and batch, in seconds.
    """

    def __init__(
        self, profilers: Sequence[Profiler], budget_seconds: float = BUDGET_SECONDS
    ) -> None:
        self._armed = {profiler.name: profiler for profiler in profilers}
        self._budget_seconds = budget_seconds
        self.disarmed: dict[str, Fault] = {}

    def run(self, batch: Batch) -> list[Values]:
        """Return the values of all active profilers for *batch*."""
        found = []
        for profiler in list(self._armed.values()):
            wanted = profiler.wants(list(batch))
            if not wanted:
                continue
            given = {summary: batch[summary] for summary in wanted}
            columns = self._run(profiler, given)
            if columns:
                found.append(Values(profiler.labels, columns))
        return found

    def _run(self, profiler: Profiler, batch: Batch) -> dict[str, Column] | None:
        results: list[Produced] = []
        raised: list[BaseException] = []

        def work() -> None:
            try:
                results.append(profiler.function(batch))
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=work, name=f"profiler-{profiler.name}", daemon=True)
        thread.start()
        thread.join(self._budget_seconds)
        if thread.is_alive():
            self._disarm(profiler, Fault.TIMEOUT, f"over {self._budget_seconds:g} s")
            return None
        if raised:
            self._disarm(profiler, Fault.RAISED, repr(raised[0])[:200])
            return None
        rows = max((len(column) for column in batch.values()), default=0)
        try:
            return columns_of(profiler.name, batch, results[0], rows)
        except (TypeError, ValueError) as error:
            self._disarm(profiler, Fault.WRONG_SHAPE, str(error)[:200])
            return None

    def _disarm(self, profiler: Profiler, fault: Fault, why: str) -> None:
        del self._armed[profiler.name]
        self.disarmed[profiler.name] = fault
        log.error(
            "nilometer: profiler %s disabled in this process: %s: fix it and restart",
            profiler.name,
            why,
            extra={"profiler": profiler.name, "fault": fault.value, "reason": why},
        )
