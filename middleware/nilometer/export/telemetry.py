"""The table of all exported metrics, the source of OTLP, Prometheus, dashboard, rules and docs.

Names follow OpenTelemetry's semantic conventions where these exist (`http.server.*`,
`rpc.server.*`, `process.*`, `gen_ai.*`). There are none for WebSockets, so `websocket.server.*` has
the same form. All other names begin with `nilometer.`. OpenTelemetry's translation rules give the
names in Prometheus, so a scrape gives the same series with and without its collector.

Source: OpenTelemetry, "Prometheus and OpenMetrics compatibility"; "Metrics SDK", cardinality limits.
"""

from nilometer.export.keys import (
    ALERTER,
    ENTITY,
    FATE,
    LEVEL,
    MEASURE,
    OUTCOME,
    PREDICTED,
    QUANTILE,
    REASON,
    SIDE,
    SOURCE,
    STATUS,
    SUMMARY,
    THREAD,
)
from nilometer.export.metric import Exporter, Instrument, Metric
from nilometer.export.server_metrics import (
    ACTIVE_REQUESTS,
    CALL_DURATION,
    GEN_AI_DURATION,
    GEN_AI_FIRST_REASONING,
    GEN_AI_FIRST_TOKEN,
    GEN_AI_PER_TOKEN,
    GEN_AI_TOKENS,
    REQUEST_DURATION,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    WEBSOCKET_CLOSES,
    WEBSOCKET_CONNECTIONS,
    WEBSOCKET_DURATION,
    WEBSOCKET_IO,
    WEBSOCKET_MESSAGES,
)

MAX_SERIES = 2000  # series of one metric, including the overflow series; the SDKs' default

# Bounds for probabilities; each is also an edge of the stored bins, as is any threshold.
PROBABILITIES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

_FEATURE = (ENTITY, SUMMARY)
_EVALUATION = (ENTITY, SUMMARY, ALERTER)

REQUESTS = Metric(
    name="nilometer.requests",
    instrument=Instrument.COUNTER,
    unit="{request}",
    about="Requests by outcome, as the caller saw it.",
    attributes=(ENTITY, OUTCOME),
)
OBSERVATIONS = Metric(
    name="nilometer.observations",
    instrument=Instrument.COUNTER,
    unit="{observation}",
    about="Coverage: what happened to each observation, and why.",
    attributes=(ENTITY, FATE, REASON),
)
LOST_SIDES = Metric(
    name="nilometer.observations.lost_sides",
    instrument=Instrument.COUNTER,
    unit="{side}",
    about="Coverage by side: profiled observations whose inputs or outputs lack columns, and why.",
    attributes=(ENTITY, SIDE, REASON),
)
UNREAD_TIMES = Metric(
    name="nilometer.event_times.unread",
    instrument=Instrument.COUNTER,
    unit="{observation}",
    about="Observations whose event time could not be read, so that their arrival time is used.",
    attributes=(ENTITY,),
)
UNNAMED_CELLS = Metric(
    name="nilometer.unnamed.cells",
    instrument=Instrument.COUNTER,
    unit="{cell}",
    about="Cells of columns whose names are not features, by type.",
    attributes=(ENTITY, FATE),
)
LOST_CELLS = Metric(
    name="nilometer.lost.cells",
    instrument=Instrument.COUNTER,
    unit="{cell}",
    about="Cells of summaries that a profile cannot hold, and why.",
    attributes=(ENTITY, REASON),
)
FEATURE_VALUE = Metric(
    name="nilometer.feature.value",
    instrument=Instrument.HISTOGRAM,
    unit="{value}",
    about="Finite values of a feature, in its own unit.",
    attributes=_FEATURE,
)
SCORE_VALUE = Metric(
    name="nilometer.score.value",
    instrument=Instrument.HISTOGRAM,
    unit="1",
    about="Predicted probabilities, by predicted class; a value equal to a bound counts above it.",
    attributes=(*_FEATURE, PREDICTED),
    edges=PROBABILITIES,
)
FEATURE_QUANTILE = Metric(
    name="nilometer.feature.quantile",
    instrument=Instrument.GAUGE,
    unit="{value}",
    about="Quantiles of a feature in the newest closed window.",
    attributes=(*_FEATURE, QUANTILE),
)
FEATURE_MISSING = Metric(
    name="nilometer.feature.missing",
    instrument=Instrument.GAUGE,
    unit="1",
    about="Share of a feature's cells that were missing in the newest closed window.",
    attributes=_FEATURE,
)
FEATURE_CELLS = Metric(
    name="nilometer.feature.cells",
    instrument=Instrument.COUNTER,
    unit="{cell}",
    about="Cells of a feature, by type: a number, a string, missing and so on.",
    attributes=(*_FEATURE, FATE),
)
LOGGED_VALUE = Metric(
    name="nilometer.logged.value",
    instrument=Instrument.GAUGE,
    unit="{value}",
    about="Statistic of logged samples in the newest closed window: `value` or `accuracy_ratio`.",
    attributes=(*_FEATURE, MEASURE),
)
LOGGED_SAMPLES = Metric(
    name="nilometer.logged.samples",
    instrument=Instrument.COUNTER,
    unit="{sample}",
    about="Logged samples: numbers, texts, tables, matrices, lines and confusion matrices.",
    attributes=_FEATURE,
)
EVALUATION_VALUE = Metric(
    name="nilometer.evaluation.value",
    instrument=Instrument.GAUGE,
    unit="{value}",
    about="Value that an alerter measured in the newest judged window: a distance or a statistic.",
    attributes=(*_EVALUATION, MEASURE),
)
EVALUATION_THRESHOLD = Metric(
    name="nilometer.evaluation.threshold",
    instrument=Instrument.GAUGE,
    unit="{value}",
    about="Threshold of an alerter with a single threshold.",
    attributes=(*_EVALUATION, MEASURE),
)
EVALUATION_EVIDENCE = Metric(
    name="nilometer.evaluation.evidence",
    instrument=Instrument.GAUGE,
    unit="{observation}",
    about="Number of observations behind the newest judgement of an alerter.",
    attributes=_EVALUATION,
)
EVALUATION_BREACH = Metric(
    name="nilometer.evaluation.breach",
    instrument=Instrument.GAUGE,
    unit="{breach}",
    about="1 while the newest judged window of an alerter is a breach, else 0.",
    attributes=_EVALUATION,
)
ALERT_STATUS = Metric(
    name="nilometer.alert.status",
    instrument=Instrument.GAUGE,
    unit="{status}",
    about="1 for the status of an alerter over all agents, 0 for every other status.",
    attributes=(*_EVALUATION, STATUS),
    exporter=Exporter.COLLECTOR,
)
DATA_AGE = Metric(
    name="nilometer.entity.data.age",
    instrument=Instrument.GAUGE,
    unit="s",
    about="Time since the end of the newest stored window of an entity.",
    attributes=(ENTITY,),
    exporter=Exporter.COLLECTOR,
)
UP = Metric(
    name="nilometer.up",
    instrument=Instrument.GAUGE,
    unit="{state}",
    about="1 while the default alerter judges every complete window in time, else 0.",
    exporter=Exporter.COLLECTOR,
)
JUDGEMENT_AGE = Metric(
    name="nilometer.judgement.age",
    instrument=Instrument.GAUGE,
    unit="s",
    about="Time since the default alerter last judged windows, or had none to judge.",
    exporter=Exporter.COLLECTOR,
)
LATE_ENTITIES = Metric(
    name="nilometer.judgement.late",
    instrument=Instrument.GAUGE,
    unit="{entity}",
    about="Entities whose complete windows wait too long for the default alerter.",
    exporter=Exporter.COLLECTOR,
)
BACKGROUND_AGE = Metric(
    name="nilometer.background.age",
    instrument=Instrument.GAUGE,
    unit="s",
    about="Time since a background thread of the collector last began a step.",
    attributes=(THREAD,),
    exporter=Exporter.COLLECTOR,
)
BACKGROUND_ERRORS = Metric(
    name="nilometer.background.errors",
    instrument=Instrument.COUNTER,
    unit="{error}",
    about="Steps of a background thread that ended with an internal error, and are repeated.",
    attributes=(THREAD,),
    exporter=Exporter.COLLECTOR,
)
OBJECTS_UNREAD = Metric(
    name="nilometer.objects.unread",
    instrument=Instrument.GAUGE,
    unit="{object}",
    about="Declared objects that the collector sets aside, because a newer version wrote them.",
    exporter=Exporter.COLLECTOR,
)
STORE_ROWS = Metric(
    name="nilometer.store.rows",
    instrument=Instrument.GAUGE,
    unit="{row}",
    about="Samples as shipped, roll-ups of each level, and logged predictions in the collector's store.",
    attributes=(LEVEL,),
    exporter=Exporter.COLLECTOR,
)
STORE_SIZE = Metric(
    name="nilometer.store.size",
    instrument=Instrument.GAUGE,
    unit="By",
    about="Bytes of the encoded samples, roll-ups and predictions of each level, without indexes.",
    attributes=(LEVEL,),
    exporter=Exporter.COLLECTOR,
)
STORE_STALE = Metric(
    name="nilometer.store.stale",
    instrument=Instrument.GAUGE,
    unit="{part}",
    about="Roll-ups of each level that lack samples and wait for the collector's worker.",
    attributes=(LEVEL,),
    exporter=Exporter.COLLECTOR,
)
STORE_UNCOLLECTED = Metric(
    name="nilometer.store.uncollected",
    instrument=Instrument.GAUGE,
    unit="{row}",
    about="Stored samples whose counts PostgreSQL has only logged; lists read them one by one.",
    exporter=Exporter.COLLECTOR,
)
STORE_UNCOLLECTED_AGE = Metric(
    name="nilometer.store.uncollected.age",
    instrument=Instrument.GAUGE,
    unit="s",
    about="Time since the oldest of these samples arrived; 0 if none waits.",
    exporter=Exporter.COLLECTOR,
)
OUTBOX_ROWS = Metric(
    name="nilometer.outbox.rows",
    instrument=Instrument.GAUGE,
    unit="{row}",
    about="Samples and evaluations that wait to be sent to the collector.",
)
PIPELINE_CALLS = Metric(
    name="nilometer.pipeline.calls",
    instrument=Instrument.COUNTER,
    unit="{call}",
    about="Calls from one entity to another, an edge of the pipeline, found in spans.",
    attributes=(ENTITY, SOURCE),
)
CPU_TIME = Metric(
    name="process.cpu.time",
    instrument=Instrument.COUNTER,
    unit="s",
    about="Cost of monitoring: processor time of this process, user and system.",
    exporter=Exporter.BOTH,
)
MEMORY = Metric(
    name="process.memory.usage",
    instrument=Instrument.UP_DOWN_COUNTER,
    unit="By",
    about="Cost of monitoring: resident memory of this process.",
    exporter=Exporter.BOTH,
)
OBSERVING_TIME = Metric(
    name="nilometer.observing.cpu.time",
    instrument=Instrument.COUNTER,
    unit="s",
    about="Cost of monitoring in the model server: processor time of threads and part of requests.",
    attributes=(ENTITY,),
)
OBSERVING_ADDED = Metric(
    name="nilometer.observing.request.added",
    instrument=Instrument.GAUGE,
    unit="s",
    about="Time that monitoring adds to a request, at the 99th percentile of the slowest worker.",
    attributes=(ENTITY,),
)
OBSERVING_SHARE = Metric(
    name="nilometer.observing.share",
    instrument=Instrument.GAUGE,
    unit="1",
    about="Share of observations whose bodies are held, in the worker that holds the fewest.",
    attributes=(ENTITY,),
)
OBSERVING_EXCEEDED = Metric(
    name="nilometer.observing.exceeded",
    instrument=Instrument.COUNTER,
    unit="s",
    about="Time during which a limit of the overhead budget was exceeded, over all workers.",
    attributes=(ENTITY,),
)

METRICS: tuple[Metric, ...] = (
    REQUEST_DURATION,
    ACTIVE_REQUESTS,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    CALL_DURATION,
    WEBSOCKET_CONNECTIONS,
    WEBSOCKET_CLOSES,
    WEBSOCKET_DURATION,
    WEBSOCKET_MESSAGES,
    WEBSOCKET_IO,
    GEN_AI_DURATION,
    GEN_AI_FIRST_TOKEN,
    GEN_AI_FIRST_REASONING,
    GEN_AI_PER_TOKEN,
    GEN_AI_TOKENS,
    REQUESTS,
    OBSERVATIONS,
    LOST_SIDES,
    UNREAD_TIMES,
    UNNAMED_CELLS,
    LOST_CELLS,
    FEATURE_VALUE,
    SCORE_VALUE,
    FEATURE_QUANTILE,
    FEATURE_MISSING,
    FEATURE_CELLS,
    LOGGED_VALUE,
    LOGGED_SAMPLES,
    EVALUATION_VALUE,
    EVALUATION_THRESHOLD,
    EVALUATION_EVIDENCE,
    EVALUATION_BREACH,
    ALERT_STATUS,
    DATA_AGE,
    UP,
    JUDGEMENT_AGE,
    LATE_ENTITIES,
    OBJECTS_UNREAD,
    BACKGROUND_AGE,
    BACKGROUND_ERRORS,
    STORE_ROWS,
    STORE_SIZE,
    STORE_STALE,
    STORE_UNCOLLECTED,
    STORE_UNCOLLECTED_AGE,
    OUTBOX_ROWS,
    PIPELINE_CALLS,
    CPU_TIME,
    MEMORY,
    OBSERVING_TIME,
    OBSERVING_ADDED,
    OBSERVING_SHARE,
    OBSERVING_EXCEEDED,
)


def own_counter(exporter: Exporter, counter: str) -> Metric:
    """Return the metric for one of the counters in docs/telemetry.md."""
    return Metric(
        name=f"nilometer.{exporter.value}.{counter}",
        instrument=Instrument.COUNTER,
        unit="{event}",
        about=f"{counter.replace('_', ' ').capitalize()}, as the {exporter.value} counts them.",
        exporter=exporter,
    )
