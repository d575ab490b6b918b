"""The receiver of inference events: turns them into observations and passes these to the engine.

Events are profiled like requests that the middleware observes. The request's body is the input, the
response's body is the output, and the time between both is the latency. If the other half of a
prediction does not arrive, its event is profiled alone, with outcome ``unknown``. Seldon's feedback
is ground truth, see `nilometer_agent.sources.events.feedback`.

Events that wait for their other half are in memory only, as are events that the engine has not
committed yet. They are lost if the agent is killed, because a logger never sends an event again.
"""

import logging
import re
import secrets
import threading

from nilometer.handoff.pack import MAX_ID, batch_of
from nilometer.profiling.event_time import RFC_3339
from nilometer.profiling.observation import MOST_NS, MOST_SECONDS, pack
from nilometer.profiling.segments import checked_labels
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import entity_name
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.reasons import DropReason, Outcome
from nilometer.wire.frames import Batch
from nilometer_agent.engine.engine import MAX_UNCOMMITTED_BATCHES, Arrival, Engine
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.sources.events.feedback import TYPE as FEEDBACK
from nilometer_agent.sources.events.feedback import Feedback, Taken
from nilometer_agent.sources.events.join import Half, Joiner, Pair, Side
from nilometer_agent.sources.events.message import Event, NotEvents, events_in, log_requests_in
from nilometer_agent.sources.http_server import Post, Reply
from nilometer_agent.sources.source import seconds_until

PATHS = ("/", "/v1/cloudevents")  # KServe's logger posts to the root path
MARSHAL = "/marshal"
MAX_REQUEST_BYTES = 64 << 20  # path for batches of KServe's logger
MAX_READY_BYTES = 64 << 20  # bytes of observations that wait for the engine
MAX_BATCH = 256  # observations passed to the engine at once
MAX_BATCH_BYTES = 1 << 20
TICK_SECONDS = 0.1
_SIDES = {
    "org.kubeflow.serving.inference.request": Side.REQUEST,
    "org.kubeflow.serving.inference.response": Side.RESPONSE,
    "io.seldon.serving.inference.request": Side.REQUEST,
    "io.seldon.serving.inference.response": Side.RESPONSE,
}
OK_STATUS, FAILED_STATUS, SERVER_STATUS = 200, 400, 500
STATUS_DIGITS = 3
_LABELS = {"namespace": "namespace", "endpoint": "endpoint", "modelid": "model"}
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")

log = logging.getLogger("nilometer.agent")


class EventReceiver:
    """Joins received events and passes observations to the engine. Call `start`, then `stop`.

    Args:
        engine: Engine that profiles the observations.
        counters: Counters of the agent.
        clock: Wall and monotonic time.
        entity: Entity of all events; empty uses the inference service that each event names.
        join_seconds: Longest time that an event waits for the other event of its prediction.
        max_body_bytes: Largest body that is profiled; larger bodies are only measured.
    """

    def __init__(
        self,
        engine: Engine,
        counters: Counters,
        clock: Clock,
        *,
        entity: str,
        join_seconds: float,
        max_body_bytes: int,
    ) -> None:
        self._engine = engine
        self._counters = counters
        self._clock = clock
        self._entity = entity
        self._max_body_bytes = max_body_bytes
        self._joiner = Joiner(join_seconds)
        self._ready: dict[tuple[str, Labels], list[bytes]] = {}
        self._ready_bytes = 0
        self._truth = Feedback(clock)
        self._lost: dict[tuple[str, Labels], int] = {}
        self._lock = threading.Lock()
        self._worker = secrets.token_bytes(16)
        self._sequence = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-events", daemon=True)

    def start(self) -> None:
        """Start to pass observations to the engine."""
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Pass all events to the engine, joined or not. May be called before `start`, and twice.

        Args:
            deadline: Monotonic time at which this stops waiting for the engine.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(seconds_until(deadline))

    @property
    def waiting(self) -> int:
        """Number of events that wait for the other event of their prediction."""
        return self._joiner.waiting

    def answer(self, post: Post) -> Reply:
        """Receive the events of a request; the response is 202 once they are accepted."""
        behind = self._engine.uncommitted >= MAX_UNCOMMITTED_BATCHES // 2
        full = self._ready_bytes > MAX_READY_BYTES or self._truth.is_full
        if behind or full:
            return Reply(503, b"the agent is overloaded; retry later\n")
        try:
            if post.path == MARSHAL:
                events = log_requests_in(post.body)
            elif post.path in PATHS:
                events = events_in(post.headers, post.body)
            else:
                self.refused()
                return Reply(404, b"/, /v1/cloudevents, /marshal\n")
        except NotEvents as error:
            self.refused()
            return Reply(400, f"{error}\n".encode())
        refused = sum(not self._take(event) for event in events)
        self._counters.add(Counter.EVENTS, len(events))
        self._counters.add(Counter.EVENTS_REFUSED, refused)
        if refused and refused == len(events):
            return Reply(400, b"every event lacks an id, a known type or an entity\n")
        if post.path == MARSHAL:
            return Reply(200)  # an empty body, so that KServe's logger stores nothing
        return Reply(202)

    def refused(self) -> None:
        """Count a request that was refused before it was parsed."""
        self._counters.add(Counter.EVENTS)
        self._counters.add(Counter.EVENTS_REFUSED)

    def _take(self, event: Event | None) -> bool:
        """Receive one event; return whether it could be used."""
        if event is None or not event.id:
            return False
        if event.type == FEEDBACK:
            return self._feedback(event)
        half = self._half(event)
        if half is None:
            return False
        with self._lock:
            joined = self._joiner.take(half, self._clock.monotonic())
            for pair in joined.pairs:
                self._observe(pair, is_ambiguous=joined.ambiguous > 0)
        if joined.repeated:
            self._counters.add(Counter.EVENTS_REPEATED)
        return True

    def _half(self, event: Event) -> Half | None:
        side = _SIDES.get(event.type)
        where = self._where(event)
        if side is None or where is None:
            return None
        told = event.attributes
        time_ns = RFC_3339.unix_ns(told.get("time", ""))
        timed = time_ns is not None and time_ns <= MOST_NS
        # Each event of Seldon has its own id. Both events of a prediction have the same request id.
        shared = told.get("requestid") or event.id
        return Half(
            entity=where[0],
            labels=where[1].pairs,
            side=side,
            key=f"{shared} {told.get('modelid', '')}"[: 2 * MAX_ID],
            prediction_id=shared[:MAX_ID],
            time_ns=time_ns if timed and time_ns is not None else self._clock.now_ns(),
            timed=timed,
            content_type=event.content_type[:MAX_ID],
            trace_parent=told.get("traceparent", "")[:MAX_ID],
            data=event.data if len(event.data) <= self._max_body_bytes else None,
            size=len(event.data),
            status=_status(told.get("statuscode", "")),
        )

    def _where(self, event: Event) -> tuple[str, Labels] | None:
        """Return entity and labels of an event; None if it does not name a valid entity."""
        told = event.attributes
        name = self._entity or _UNUSABLE.sub("-", told.get("inferenceservicename", ""))
        component = _UNUSABLE.sub("-", told.get("component", ""))
        if not self._entity and component not in {"", "predictor"}:
            name = f"{name}-{component}"  # transformers and explainers are separate entities
        labels = {
            label: told[attribute] for attribute, label in _LABELS.items() if told.get(attribute)
        }
        try:
            return entity_name(name), Labels.of(checked_labels(labels))
        except ConfigError:
            return None

    def _observe(self, pair: Pair, *, is_ambiguous: bool = False) -> None:
        """Pack a pair, or one half of it, as an observation.

        Args:
            pair: Request and response; None for a half that is missing.
            is_ambiguous: Whether a half is missing because the id of the other one is ambiguous.
        """
        request, response = pair
        first = request or response
        if first is None:
            return
        joined = request is not None and response is not None
        one_half = Counter.EVENTS_AMBIGUOUS if is_ambiguous else Counter.EVENTS_ALONE
        self._counters.add(Counter.EVENTS_JOINED if joined else one_half, 1 + joined)
        status = response.status if response is not None else 0
        if joined and not status:
            status = OK_STATUS  # loggers that send no status log predictions only
        # A single event has no duration, so its outcome is not known.
        outcome = _outcome(status) if joined else Outcome.UNKNOWN
        failed = status >= FAILED_STATUS  # the body describes an error and is not a prediction
        latency = 0.0
        if request is not None and response is not None:
            latency = max((response.time_ns - request.time_ns) / NANOSECONDS, 0.0)
        packed = pack(
            (
                first.time_ns,
                min(latency, MOST_SECONDS),
                status,
                outcome.value,
                "POST",
                "",
                request.size if request is not None else 0,
                response.size if response is not None else 0,
                request.content_type if request is not None else "",
                "",
                response.content_type if response is not None else "",
                "",
                request.data if request is not None else b"",
                response.data if response is not None and not failed else b"",
                "",
                0,
                0.0,
                0,
                b"",
                "",
                first.prediction_id,
                first.trace_parent,
            )
        )
        self._ready.setdefault((first.entity, Labels(first.labels)), []).append(packed)
        self._ready_bytes += len(packed)

    def _feedback(self, event: Event) -> bool:
        """Receive ground truth and a reward; return whether there was any."""
        where = self._where(event)
        if where is None:
            return False
        with self._lock:
            taken = self._truth.take(event, *where)
        if taken is Taken.NEW:
            self._counters.add(Counter.EVENTS_TRUTH)
        elif taken is Taken.REPEATED:
            self._counters.add(Counter.EVENTS_REPEATED)
        return taken is not Taken.UNUSABLE

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            self._forward_safely(self._clock.monotonic())
        self._forward_safely(float("inf"))

    def _forward_safely(self, now: float) -> None:
        """Forward what waits. After an error, later events must still be forwarded."""
        try:
            self._forward(now)
        except Exception:
            log.exception("internal error, events were lost: report this error")

    def _forward(self, now: float) -> None:
        """Pass joined pairs and expired single events to the engine."""
        with self._lock:
            for pair in self._joiner.expired(now):
                self._observe(pair)
            ready, self._ready = self._ready, {}
            truth = self._truth.batches()
            self._ready_bytes = 0
        for (entity, labels), packed in ready.items():
            for part in _parts(packed):
                batch = Batch(entity=entity, observations=batch_of(part), count=len(part))
                self._send(labels, batch)
        for labels, batch in truth:
            self._send(labels, batch)

    def _send(self, labels: Labels, batch: Batch) -> None:
        """Pass a batch to the engine; if that fails, the next batch reports its loss."""
        key = (batch.entity, labels)
        self._sequence += 1
        batch.worker = self._worker
        batch.sequence = self._sequence
        batch.labels = labels.as_dict()
        lost = self._lost.pop(key, 0)
        if lost:
            batch.dropped[DropReason.INTERNAL_ERROR.value] = lost
        try:
            self._engine.offer(Arrival(batch, _nobody))
        except Exception:
            self._lost[key] = lost + batch.count
            log.exception(
                "events lost, the engine did not accept them", extra={"events": batch.count}
            )


def _status(text: str) -> int:
    """Return the HTTP status in *text*; 0 if it is not a status."""
    is_status = len(text) == STATUS_DIGITS and text.isascii() and text.isdigit()
    return int(text) if is_status and "100" <= text < "600" else 0


def _outcome(status: int) -> Outcome:
    if status < FAILED_STATUS:
        return Outcome.OK
    return Outcome.CLIENT_ERROR if status < SERVER_STATUS else Outcome.SERVER_ERROR


def _nobody(sequence: int) -> None:
    """Ignore an acknowledgement, because loggers do not wait for one."""
    del sequence


def _parts(packed: list[bytes]) -> list[list[bytes]]:
    """Split observations into batches of limited count and size."""
    parts: list[list[bytes]] = []
    size = MAX_BATCH_BYTES
    for one in packed:
        if size + len(one) > MAX_BATCH_BYTES or len(parts[-1]) >= MAX_BATCH:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += len(one)
    return parts
