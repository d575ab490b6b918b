"""The agent's measurements as series: requests, features, verdicts, its own counters and cost.

Requests that the agent decodes are counted one by one. Requests that a worker profiled are counted from
profiles, without method and status code, because a profile does not keep them together. Requests are
first staged, and become part of a series when their profile is committed. So a batch that is sent again
after a failure counts once here too.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from nilometer.alert import Evaluation, Verdict
from nilometer.export.keys import ALERTER, ENTITY, MEASURE, REASON, SOURCE, SUMMARY
from nilometer.export.metric import Exporter
from nilometer.export.own import add_cost, add_counters, where
from nilometer.export.series import (
    Family,
    Series,
    attributes_of,
)
from nilometer.export.server_metrics import ACTIVE_REQUESTS
from nilometer.export.telemetry import (
    CPU_TIME,
    EVALUATION_BREACH,
    EVALUATION_EVIDENCE,
    EVALUATION_THRESHOLD,
    EVALUATION_VALUE,
    LOST_CELLS,
    OBSERVING_ADDED,
    OBSERVING_EXCEEDED,
    OBSERVING_SHARE,
    OBSERVING_TIME,
    OUTBOX_ROWS,
    PIPELINE_CALLS,
    own_counter,
)
from nilometer.profile import SummarySample
from nilometer.profiling.observation import Observation
from nilometer.profiling.stream_facts import NO_FACTS, StreamFacts
from nilometer.values.clock import Clock
from nilometer.values.labels import Labels
from nilometer.wire.frames import Cost
from nilometer_agent.measure.attributes import with_more
from nilometer_agent.measure.contents import Committed, series_of
from nilometer_agent.measure.peak import Peak
from nilometer_agent.measure.requests import Staged

GAUGE_SECONDS = 900.0  # time without a new window after which a gauge is not exported
GAUGE_WINDOWS = 3  # or for this many windows, if that is longer
COST_SECONDS = 60.0  # time without a reported cost after which a worker counts as ended or idle
OWN_PREFIX = own_counter(Exporter.AGENT, "").name  # of the agent's counters


class Measured:
    """The series of one agent.

    Only the engine's thread may call `observed`, `cost`, `committed` and `closed`. Any thread may
    call `families`.

    Args:
        counters: Function that returns the agent's own counters by name.
        outbox_rows: Function that returns how many rows wait for the collector.
        window_seconds: Length of a window.
        clock: Monotonic time.
    """

    def __init__(
        self,
        counters: Callable[[], Mapping[str, int]],
        outbox_rows: Callable[[], int],
        window_seconds: float,
        clock: Clock,
    ) -> None:
        self.series = Series()
        self._own_before: list[Family] = []
        self._counters = counters
        self._outbox_rows = outbox_rows
        self._gauge_seconds = max(GAUGE_SECONDS, GAUGE_WINDOWS * window_seconds)
        self._clock = clock
        self.edges: Callable[[], Mapping[tuple[str, str], int]] = dict  # edges from received OTLP
        self._staged: dict[tuple[str, Labels], Staged] = {}
        self._calls: dict[str, set[str]] = {}
        self._peaks: dict[tuple[str, Labels], dict[bytes, Peak]] = {}
        self._costs: dict[tuple[str, Labels], dict[bytes, tuple[float, float, float]]] = {}

    def resume(self, families: Iterable[Family]) -> None:
        """Go on with the counters and histograms that the agent before has left."""
        for family in families:
            if _is_own(family):
                self._own_before.append(family)
            else:
                self.series.restore([family])

    def observed(
        self,
        entity: str,
        labels: Labels,
        worker: bytes,
        place: Labels,
        observations: Sequence[Observation],
        facts: StreamFacts = NO_FACTS,
    ) -> None:
        """Stage predictions and WebSocket connections; `committed` makes them count.

        Args:
            entity: Name of the monitored entity.
            labels: Labels of the server.
            worker: Name of the worker.
            place: Labels of the predictions, from the server and the requests.
            observations: Predictions, or connections.
            facts: Facts about the response's stream, from its chunks.
        """
        staged = self._staged.get((entity, place))
        if staged is None:
            staged = self._staged[entity, place] = Staged()
        now = self._clock.monotonic()
        workers = self._peaks.setdefault((entity, labels), {})
        if worker not in workers:  # it may replace an older one: remove idle workers
            workers = {key: peak for key, peak in workers.items() if peak.most(now)}
            self._peaks[entity, labels] = {**workers, worker: Peak()}
        peak = self._peaks[entity, labels][worker]
        for observation in observations:
            staged.add(observation, facts)
            if observation.in_flight:
                peak.see(observation.in_flight, now)

    def cost(self, entity: str, labels: Labels, worker: bytes, cost: Cost) -> None:
        """Add the cost of observing in a worker since its last report."""
        at = where(entity, labels)
        for metric, seconds in (
            (OBSERVING_TIME, cost.cpu_seconds),
            (OBSERVING_EXCEEDED, cost.exceeded_seconds),
        ):
            if 0.0 <= seconds < math.inf:
                self.series.add(metric, at, seconds)
        now = self._clock.monotonic()
        told = self._costs.get((entity, labels), {})
        # The dictionary is replaced, not changed, because `families` may be reading it.
        kept = {key: one for key, one in told.items() if now - one[0] < COST_SECONDS}
        kept[worker] = (now, cost.p99_seconds, cost.share)
        self._costs[entity, labels] = kept

    def committed(self, decoded: Sequence[SummarySample], made: Sequence[SummarySample]) -> None:
        """Add everything staged, and these committed samples, to the series.

        Args:
            decoded: Samples of the requests that were staged.
            made: Samples of workers that profile in their own process.
        """
        staged, self._staged = self._staged, {}
        for (entity, labels), requests in staged.items():
            calls = self._calls.setdefault(entity, set())
            requests.into(self.series, entity, where(entity, labels), calls)
        for samples, counted in ((decoded, True), (made, False)):
            to = Committed(self.series, counted, self._see_in_flight)
            for sample in samples:
                at = where(sample.entity, sample.labels)
                series_of(sample.content).add(to, sample, sample.content, at)

    def closed(self, samples: Sequence[SummarySample], evaluations: Sequence[Evaluation]) -> None:
        """Remember the newest closed window of each summary, and its evaluations."""
        now = self._clock.monotonic()
        for sample in samples:
            row = series_of(sample.content)
            if row.set is not None:
                at = where(sample.entity, sample.labels)
                row.set(self.series, sample, sample.content, at, now)
            for reason, count in sample.coverage.lost_cells.items():
                at = where(sample.entity, sample.labels)
                self.series.add(LOST_CELLS, with_more(at, {REASON: reason}), count)
        for evaluation in evaluations:
            if evaluation.verdict is not Verdict.NOT_JUDGED:
                self._judged(evaluation, now)

    def families(self) -> list[Family]:
        """Return all current metrics, with the agent's own counters and cost."""
        now = self._clock.monotonic()
        own = Series()
        own.restore(self._own_before)
        add_counters(own, Exporter.AGENT, self._counters())
        own.set(OUTBOX_ROWS, (), self._outbox_rows())
        for (entity, source), calls in self.edges().items():
            own.add(PIPELINE_CALLS, attributes_of({ENTITY: entity, SOURCE: source}), calls)
        for (entity, labels), workers in list(self._peaks.items()):
            peaks = [peak.most(now) for peak in list(workers.values())]
            own.set(ACTIVE_REQUESTS, where(entity, labels), sum(peaks))
        for (entity, labels), costs in list(self._costs.items()):
            latest = [one for one in costs.values() if now - one[0] < COST_SECONDS]
            if latest:
                at = where(entity, labels)
                own.set(OBSERVING_ADDED, at, max(p99 for _, p99, _ in latest))
                own.set(OBSERVING_SHARE, at, min(share for _, _, share in latest))
        add_cost(own)
        self.series.forget_gauges(now - self._gauge_seconds)
        return [*self.series.families(), *own.families()]

    def _see_in_flight(self, sample: SummarySample, most: int) -> None:
        workers = self._peaks.setdefault((sample.entity, sample.labels), {})
        peak = workers.setdefault(b"", Peak())  # profiles do not name their worker
        peak.see(most, self._clock.monotonic())

    def _judged(self, evaluation: Evaluation, now: float) -> None:
        alerter = evaluation.alerter
        at = with_more(
            where(alerter.entity, evaluation.labels),
            {SUMMARY: evaluation.summary, ALERTER: alerter.name},
        )
        measured = with_more(at, {MEASURE: alerter.condition.measure})
        self.series.set(EVALUATION_VALUE, measured, evaluation.value, now)
        threshold = alerter.condition.threshold
        if threshold is not None:
            self.series.set(EVALUATION_THRESHOLD, measured, threshold, now)
        self.series.set(EVALUATION_EVIDENCE, at, evaluation.count, now)
        breach = int(evaluation.verdict is Verdict.BREACH)
        self.series.set(EVALUATION_BREACH, at, breach, now)


def _is_own(family: Family) -> bool:
    """Return whether `families` computes *family* from the state of this process."""
    name = family.metric.name
    return name in {CPU_TIME.name, PIPELINE_CALLS.name} or name.startswith(OWN_PREFIX)
