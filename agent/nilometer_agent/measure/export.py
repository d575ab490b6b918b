"""Export of the agent's metrics over OTLP and at a port for Prometheus."""

import logging
from collections.abc import Callable
from typing import ParamSpec

from nilometer.export.carried import Carried, leave, take
from nilometer.export.exports import Exports, ExportSettings
from nilometer.export.otlp_settings import Event, OtlpSettings
from nilometer.export.resource import resource_attributes
from nilometer.values.clock import Clock
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.measure.measured import Measured
from nilometer_agent.settings import AgentSettings

P = ParamSpec("P")

COUNTED = {
    Event.TAKEN: Counter.EXPORTS,
    Event.FAILED: Counter.EXPORT_FAILURES,
    Event.POINTS_REJECTED: Counter.EXPORT_POINTS_REJECTED,
    Event.REPLY_UNREADABLE: Counter.EXPORT_REPLIES_UNREADABLE,
    Event.INTERVAL_DROPPED: Counter.EXPORT_INTERVALS_DROPPED,
}

FILE = "counts"  # in the agent's directory

log = logging.getLogger("nilometer.agent")


class AgentExports(Exports):
    """Measures the agent's metrics and exports them.

    An agent that ends in order leaves its counts to the next one in its directory, which goes on with them
    and with their start time.

    Args:
        settings: Settings of the agent, with the export's addresses.
        counters: Counters of the agent, which are exported too.
        outbox_rows: Function that returns how many rows wait for the collector.
        ready: Function that returns whether the agent accepts batches now.
        clock: Wall time of the points.
    """

    def __init__(
        self,
        settings: AgentSettings,
        counters: Counters,
        clock: Clock,
        *,
        outbox_rows: Callable[[], int] = lambda: 0,
        ready: Callable[[], bool] = lambda: True,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        def counted() -> dict[str, int]:
            found = counters.snapshot()
            found[Counter.SERIES_OVERFLOWED.value] = self.measured.series.overflowed
            return found

        self._path = settings.home / FILE
        self._resource = resource_attributes("nilometer-agent", settings.agent_name)
        self._started_ns = 0  # start of the counts; 0 before `start` and after `stop`
        self._clock = clock
        self.measured = Measured(counted, outbox_rows, settings.window_seconds, clock)
        super().__init__(
            ExportSettings(
                otlp=OtlpSettings(
                    endpoint=settings.otlp_endpoint,
                    protocol=settings.otlp_protocol,
                    temporality=settings.otlp_temporality,
                    interval_seconds=settings.otlp_interval_seconds,
                    use_proxy=settings.otlp_use_proxy,
                ),
                metrics_address=settings.metrics_address,
                peers_by_address=settings.peers_by_address,
                resource=self._resource,
            ),
            self.measured.families,
            ready,
            lambda event, amount: counters.add(COUNTED[event], amount),
            clock,
            alive,
        )
        measured = self.measured
        self.observed = self._guarded(measured.observed)
        self.cost = self._guarded(measured.cost)
        self.committed = self._guarded(measured.committed)
        self.closed = self._guarded(measured.closed)

    def start(self) -> None:
        """Take the counts that the agent before has left, and start the exporters."""
        if self.any:
            self._started_ns = self._clock.now_ns()
            self._resume(self._taken())
        super().start()

    def stop(self, timeout: float) -> None:
        """Export once more, stop, and leave the counts to the next agent."""
        super().stop(timeout)
        started_ns, self._started_ns = self._started_ns, 0
        if started_ns:
            try:
                leave(self._path, started_ns, self.measured.families(), self._resource)
            except (OSError, ValueError) as error:
                log.warning(
                    "counts not left to the next agent, they will start at 0: see the reason",
                    extra={"reason": str(error)},
                )

    def _taken(self) -> Carried | None:
        try:
            return take(self._path, self._resource)
        except (OSError, ValueError) as error:
            log.warning(
                "counts of the agent before cannot be read, they start at 0: see the reason",
                extra={"reason": str(error)},
            )
            return None

    def _resume(self, carried: Carried | None) -> None:
        if carried is None or not 0 < carried.started_ns < self._started_ns:
            return
        self._started_ns = carried.started_ns
        self.measured.resume(carried.families)
        if self.otlp is not None:
            self.otlp.resume(carried)

    def _guarded(self, measure: Callable[P, None]) -> Callable[P, None]:
        """Return *measure* with its errors logged instead of raised; without export, do nothing."""
        if not self.any:
            return lambda *_, **__: None

        def guarded(*given: P.args, **named: P.kwargs) -> None:
            try:
                measure(*given, **named)
            except Exception:  # an error in a metric must not delay a commit
                log.exception("internal error in metrics, measurement not exported")

        return guarded
