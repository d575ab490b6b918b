"""What the agent measures, as series: requests, features, verdicts, its own counts and cost.

Requests come one by one where the agent decodes them, and as profiles where a worker did: then
without method and status code, which a profile does not hold apart. What was staged becomes part of
a series only when its profile is committed, so that a batch that comes again after a failure counts
once here, too.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

from nilometer.alert import Evaluation, Verdict
from nilometer.export.contents import distribution_of, quantiles_of, scores_of
from nilometer.export.genai import genai, operation_of
from nilometer.export.own import add_cost, add_counters, where
from nilometer.export.series import (
    Attributes,
    Distribution,
    Exemplar,
    Family,
    Series,
    Value,
    attributes_of,
)
from nilometer.export.telemetry import (
    ACTIVE_REQUESTS,
    ALERTER,
    CALL_DURATION,
    ENTITY,
    ERROR_TYPE,
    EVALUATION_BREACH,
    EVALUATION_EVIDENCE,
    EVALUATION_THRESHOLD,
    EVALUATION_VALUE,
    FATE,
    FEATURE_CELLS,
    FEATURE_MISSING,
    FEATURE_QUANTILE,
    FEATURE_VALUE,
    GEN_AI_MODEL,
    GEN_AI_OPERATION,
    GEN_AI_PROVIDER,
    GEN_AI_TOKEN_TYPE,
    GEN_AI_TOKENS,
    MEASURE,
    METHOD,
    OBSERVATIONS,
    OBSERVING_ADDED,
    OBSERVING_EXCEEDED,
    OBSERVING_SHARE,
    OBSERVING_TIME,
    OUTBOX_ROWS,
    OUTCOME,
    PIPELINE_CALLS,
    PREDICTED,
    QUANTILE,
    REASON,
    REQUEST_DURATION,
    REQUEST_SIZE,
    REQUESTS,
    RESPONSE_SIZE,
    RPC_METHOD,
    RPC_SYSTEM,
    SCORE_VALUE,
    SOURCE,
    STATUS_CODE,
    SUMMARY,
    Exporter,
)
from nilometer.profile import FeatureProfile, ScoreProfile, ServiceProfile, SummarySample
from nilometer.profile.service import magnitudes
from nilometer.profiling.observation import Observation
from nilometer.values.clock import Clock
from nilometer.values.labels import Labels
from nilometer.values.reasons import Outcome
from nilometer.wire.services import CaptureCost

METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
OTHER_METHOD = "_OTHER"  # of the convention, for what a client made up
GAUGE_SECONDS = 900.0  # a gauge that no window renewed for so long is not told any more
GAUGE_WINDOWS = 3  # or for so many windows, where those are longer
NOT_FOUND = 404  # gRPC's UNIMPLEMENTED: nobody has this method
MAX_CALLS = 200  # methods of one entity with series of their own
COST_SECONDS = 60.0  # a worker that told no cost for so long is over, or serves nobody
PEAK_SECONDS = 15.0  # over which the most requests in flight are told


class Measured:
    """The series of one agent.

    Thread rule: `observed`, `cost`, `committed` and `closed` from the engine's thread, `families` from any.

    Args:
        counters: The agent's own counts, by name.
        outbox_rows: How many rows wait for the collector.
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
        self._counters = counters
        self._outbox_rows = outbox_rows
        self._gauge_seconds = max(GAUGE_SECONDS, GAUGE_WINDOWS * window_seconds)
        self._clock = clock
        self.edges: Callable[[], Mapping[tuple[str, str], int]] = dict  # told by OTLP in
        self._staged: dict[tuple[str, Labels], _Staged] = {}
        self._calls: dict[str, set[str]] = {}
        self._peaks: dict[tuple[str, Labels], dict[bytes, _Peak]] = {}
        self._costs: dict[tuple[str, Labels], dict[bytes, tuple[float, float, float]]] = {}

    def observed(
        self, entity: str, labels: Labels, worker: bytes, observations: Sequence[Observation]
    ) -> None:
        """Stage requests; `committed` makes them count."""
        staged = self._staged.get((entity, labels))
        if staged is None:
            staged = self._staged[entity, labels] = _Staged()
        now = self._clock.monotonic()
        workers = self._peaks.setdefault((entity, labels), {})
        if worker not in workers:  # one that came for another, perhaps: the idle ones are over
            workers = {key: peak for key, peak in workers.items() if peak.most(now)}
            self._peaks[entity, labels] = {**workers, worker: _Peak()}
        peak = self._peaks[entity, labels][worker]
        for observation in observations:
            staged.add(observation)
            if observation.in_flight:
                peak.see(observation.in_flight, now)

    def cost(self, entity: str, labels: Labels, worker: bytes, cost: CaptureCost) -> None:
        """What observing cost a worker since it last told."""
        at = where(entity, labels)
        for metric, seconds in (
            (OBSERVING_TIME, cost.cpu_seconds),
            (OBSERVING_EXCEEDED, cost.exceeded_seconds),
        ):
            if 0.0 <= seconds < math.inf:
                self.series.add(metric, at, seconds)
        now = self._clock.monotonic()
        told = self._costs.get((entity, labels), {})
        # Another dictionary, not a change of this one: `families` may be reading it.
        kept = {key: one for key, one in told.items() if now - one[0] < COST_SECONDS}
        kept[worker] = (now, cost.p99_seconds, cost.share)
        self._costs[entity, labels] = kept

    def committed(self, decoded: Sequence[SummarySample], made: Sequence[SummarySample]) -> None:
        """Everything staged is durable, and so are these deltas.

        Args:
            decoded: Of the requests that were staged.
            made: By workers that profile in their process.
        """
        staged, self._staged = self._staged, {}
        for (entity, labels), requests in staged.items():
            calls = self._calls.setdefault(entity, set())
            requests.into(self.series, entity, where(entity, labels), calls)
        for samples, here in ((decoded, True), (made, False)):
            for sample in samples:
                at = where(sample.entity, sample.labels)
                content = sample.content
                if isinstance(content, FeatureProfile):
                    self._feature(sample, content, at)
                elif isinstance(content, ScoreProfile):
                    self._scores(sample, content, at)
                else:
                    if not here:
                        self._profiled(sample, content, at)
                    self._cover(sample, at)

    def closed(self, samples: Sequence[SummarySample], evaluations: Sequence[Evaluation]) -> None:
        """Remember the newest closed window of each summary, and what was judged."""
        now = self._clock.monotonic()
        for sample in samples:
            if isinstance(sample.content, FeatureProfile):
                self._window(sample, sample.content, now)
        for evaluation in evaluations:
            if evaluation.verdict is not Verdict.NOT_JUDGED:
                self._judged(evaluation, now)

    def families(self) -> list[Family]:
        """All as of now, the agent's own counts and cost included."""
        now = self._clock.monotonic()
        own = Series()
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

    def _profiled(self, sample: SummarySample, service: ServiceProfile, at: Attributes) -> None:
        if service.in_flight_max:
            workers = self._peaks.setdefault((sample.entity, sample.labels), {})
            peak = workers.setdefault(b"", _Peak())  # profiles do not say of which worker
            peak.see(service.in_flight_max, self._clock.monotonic())
        for metric, histogram, total in (
            (REQUEST_DURATION, service.latency, service.latency_sum),
            (REQUEST_SIZE, service.request_bytes, service.request_bytes_sum),
            (RESPONSE_SIZE, service.response_bytes, service.response_bytes_sum),
        ):
            if histogram.count:
                self.series.merge(metric, at, Distribution(histogram, total))
        for outcome, count in service.outcomes.items():
            self.series.add(REQUESTS, _with(at, {OUTCOME: outcome}), count)

    def _cover(self, sample: SummarySample, at: Attributes) -> None:
        coverage = sample.coverage
        for fate, count in (("profiled", coverage.profiled), ("sampled_out", coverage.sampled_out)):
            if count:
                self.series.add(OBSERVATIONS, _with(at, {FATE: fate}), count)
        for fate, counts in (("dropped", coverage.dropped), ("undecodable", coverage.undecodable)):
            for reason, count in counts.items():
                self.series.add(OBSERVATIONS, _with(at, {FATE: fate, REASON: reason}), count)

    def _feature(self, sample: SummarySample, feature: FeatureProfile, at: Attributes) -> None:
        here = _with(at, {SUMMARY: sample.summary})
        for kind, count in feature.types.items():
            self.series.add(FEATURE_CELLS, _with(here, {FATE: kind}), count)
        if feature.missing:
            self.series.add(FEATURE_CELLS, _with(here, {FATE: "missing"}), feature.missing)
        distribution = distribution_of(feature)
        if distribution is None:
            return
        self.series.merge(FEATURE_VALUE, here, distribution)
        token = genai().tokens.get(sample.summary)
        if token:
            told = {**_model(sample.entity, "chat"), GEN_AI_TOKEN_TYPE: token}
            self.series.merge(GEN_AI_TOKENS, _with(at, told), distribution)

    def _scores(self, sample: SummarySample, scores: ScoreProfile, at: Attributes) -> None:
        here = _with(at, {SUMMARY: sample.summary})
        for predicted, binned in scores_of(scores).items():
            self.series.merge(SCORE_VALUE, _with(here, {PREDICTED: predicted}), binned)

    def _window(self, sample: SummarySample, feature: FeatureProfile, now: float) -> None:
        at = _with(where(sample.entity, sample.labels), {SUMMARY: sample.summary})
        for q, value in quantiles_of(feature).items():
            self.series.set(FEATURE_QUANTILE, _with(at, {QUANTILE: q}), value, now)
        if feature.cells:
            self.series.set(FEATURE_MISSING, at, feature.missing / feature.cells, now)

    def _judged(self, evaluation: Evaluation, now: float) -> None:
        rule = evaluation.alerter
        at = _with(
            where(rule.entity, evaluation.labels),
            {SUMMARY: evaluation.summary, ALERTER: rule.name},
        )
        measured = _with(at, {MEASURE: rule.condition.measure})
        self.series.set(EVALUATION_VALUE, measured, evaluation.value, now)
        threshold = rule.condition.threshold
        if threshold is not None:
            self.series.set(EVALUATION_THRESHOLD, measured, threshold, now)
        self.series.set(EVALUATION_EVIDENCE, at, evaluation.count, now)
        breach = int(evaluation.verdict is Verdict.BREACH)
        self.series.set(EVALUATION_BREACH, at, breach, now)


class _Peak:
    """The most requests in flight of one worker, over the last one to two `PEAK_SECONDS`."""

    __slots__ = ("_before", "_now", "_period")

    def __init__(self) -> None:
        self._period = 0
        self._now = self._before = 0

    def see(self, in_flight: int, now: float) -> None:
        """A request saw *in_flight* at its start, itself included."""
        period = int(now / PEAK_SECONDS)
        if period != self._period:
            self._before = self._now if period == self._period + 1 else 0
            self._now, self._period = 0, period
        self._now = max(self._now, in_flight)

    def most(self, now: float) -> int:
        """The most; changes nothing, so that any thread may ask."""
        periods = int(now / PEAK_SECONDS) - self._period
        return max(self._now, self._before) if periods == 0 else self._now * (periods == 1)


class _Staged:
    """Requests of one entity and label set that wait for their commit."""

    __slots__ = ("_groups", "_outcomes")

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int, str, str, str], _Group] = {}
        self._outcomes: dict[str, int] = {}

    def add(self, observation: Observation) -> None:
        """One request."""
        outcome = observation.outcome
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        if outcome == Outcome.UNKNOWN.value:
            return  # half of an exchange: it has no duration
        call = observation.path if observation.request_type.startswith("application/grpc") else ""
        if call and observation.status == NOT_FOUND:
            call = OTHER_METHOD  # whatever a client made up
        operation = "" if call else operation_of(observation.path)
        method = observation.method if observation.method in METHODS else OTHER_METHOD
        key = (method, observation.status, outcome, call, operation)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group()
        group.add(observation, streamed=bool(operation))

    def into(self, series: Series, entity: str, at: Attributes, calls: set[str]) -> None:
        """Make all of it part of *series*; *calls* are the methods that have series of their own."""
        for outcome, count in self._outcomes.items():
            series.add(REQUESTS, _with(at, {OUTCOME: outcome}), count)
        for (method, status, outcome, call, operation), group in self._groups.items():
            error = _error_type(status, outcome)
            latency = distribution(group.latencies, group.exemplars)
            if call:
                if len(calls) < MAX_CALLS:
                    calls.add(call)
                call = call if call in calls else OTHER_METHOD  # noqa: PLW2901
                told = {RPC_SYSTEM: "grpc", RPC_METHOD: call.lstrip("/"), ERROR_TYPE: error}
                series.merge(CALL_DURATION, _with(at, told), latency)
                continue
            request = _with(
                at,
                {
                    METHOD: method,
                    STATUS_CODE: status or "",
                    ERROR_TYPE: error,
                },
            )
            series.merge(REQUEST_DURATION, request, latency)
            series.merge(REQUEST_SIZE, request, distribution(group.request_sizes))
            series.merge(RESPONSE_SIZE, request, distribution(group.response_sizes))
            if operation:
                self._generative(series, entity, at, operation, error, group)

    @staticmethod
    def _generative(
        series: Series, entity: str, at: Attributes, operation: str, error: str, group: "_Group"
    ) -> None:
        names = genai().measures
        model = _model(entity, operation)
        failed = {**model, ERROR_TYPE: error}
        series.merge(names["latency"], _with(at, failed), distribution(group.latencies))
        for measure, values in (("first_byte", group.first_bytes), ("chunk_gaps", group.gaps)):
            if values:
                series.merge(names[measure], _with(at, model), distribution(values))


class _Group:
    """Requests with the same attributes."""

    __slots__ = ("exemplars", "first_bytes", "gaps", "latencies", "request_sizes", "response_sizes")

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.request_sizes: list[float] = []
        self.response_sizes: list[float] = []
        self.first_bytes: list[float] = []
        self.gaps: list[float] = []
        self.exemplars: list[Exemplar] = []

    def add(self, observation: Observation, *, streamed: bool) -> None:
        """One request."""
        self.latencies.append(observation.latency)
        self.request_sizes.append(observation.request_size)
        self.response_sizes.append(observation.response_size)
        if observation.trace_parent:
            end_ns = observation.arrival_ns + int(observation.latency * 1e9)
            exemplar = Exemplar.of(observation.latency, end_ns, observation.trace_parent)
            if exemplar is not None:
                self.exemplars.append(exemplar)
        if streamed:
            if observation.first_byte:
                self.first_bytes.append(observation.first_byte)
            whole = len(observation.chunk_gaps) // 4
            gaps = struct.unpack(f"<{whole}f", observation.chunk_gaps[: 4 * whole])
            self.gaps.extend(gap for gap in gaps if math.isfinite(gap))


def distribution(values: Sequence[float], exemplars: Iterable[Exemplar] = ()) -> Distribution:
    """A distribution of times or sizes, in the buckets of a stored service profile."""
    return Distribution(magnitudes(values), float(sum(values)), Distribution.keyed(exemplars))


def _with(at: Attributes, more: Mapping[str, Value]) -> Attributes:
    return attributes_of({**dict(at), **more})


def _model(entity: str, operation: str) -> dict[str, Value]:
    return {
        GEN_AI_OPERATION: operation,
        GEN_AI_PROVIDER: genai().provider,
        GEN_AI_MODEL: entity,
    }


def _error_type(status: int, outcome: str) -> str:
    """The convention's error type: the status of a server's error, else how it ended."""
    if status >= 500:
        return str(status)
    quiet = {Outcome.OK.value, Outcome.CLIENT_ERROR.value, Outcome.SERVER_ERROR.value}
    return "" if outcome in quiet else outcome
