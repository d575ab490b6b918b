"""For tests: a running collector, agents that ship to it, and a webhook that records messages."""

import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx
import msgspec
import numpy as np

from nilometer.alert import AgainstReference, Alerter, Condition, Evaluation, Verdict
from nilometer.compare import exact_reference_column
from nilometer.profile import (
    Bounds,
    Coverage,
    FeatureRecorder,
    FeatureSpec,
    Reference,
    ServiceProfile,
    SummarySample,
)
from nilometer.profile.feature import Cell
from nilometer.settings.settings import checked
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.alerts import evaluation_to_wire
from nilometer.wire.references import with_digest
from nilometer.wire.samples import sample_to_wire
from nilometer.wire.services import (
    CHANNEL_OPTIONS,
    CollectorServiceStub,
    Row,
    ShipReply,
    ShipRequest,
    collector_stub,
)
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.actions.targets import Targets
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.channels import Receivers
from nilometer_collector.server import Collector
from nilometer_collector.settings import CollectorSettings

DEADLINE_SECONDS = 60.0
MINUTE_NS = 60 * NANOSECONDS
START_NS = 1_700_000_040 * NANOSECONDS  # a whole minute
ENTITY = "fraud-scorer"
PAGES = "https://nilometer.example"


def minute(number: int) -> Window:
    """Return the window of minute *number*, counted from 0 at `START_NS`."""
    start = START_NS + number * MINUTE_NS
    return Window(start, start + MINUTE_NS)


def feature_sample(
    cells: Sequence[Cell],
    *,
    summary: str = "input.amount",
    window: Window | None = None,
    labels: Mapping[str, str] | None = None,
    edges: tuple[float, ...] | None = None,
    entity: str = ENTITY,
) -> SummarySample:
    """Make a sample of one column."""
    bounds = Bounds(edges=edges) if edges else None
    recorder = FeatureRecorder(FeatureSpec(bounds=bounds, readable=True))
    recorder.observe(cells)
    return SummarySample(
        entity=entity,
        summary=summary,
        labels=Labels.of(labels),
        window=window or minute(0),
        coverage=Coverage(profiled=len(cells)),
        content=recorder.profile(),
    )


def service_sample(
    latencies: Sequence[float], *, failed: int = 0, window: Window | None = None
) -> SummarySample:
    """Make a `service` sample in which *failed* of the requests failed."""
    fine = len(latencies) - failed
    return SummarySample(
        entity=ENTITY,
        summary="service",
        labels=Labels(),
        window=window or minute(0),
        coverage=Coverage(profiled=fine, undecodable={"failed_request": failed} if failed else {}),
        content=ServiceProfile.of(
            outcomes={"ok": fine, "server_error": failed},
            statuses={"200": fine, "500": failed},
            latencies=latencies,
            request_sizes=[100] * len(latencies),
            response_sizes=[20] * len(latencies),
        ),
    )


def a_reference(
    columns: Mapping[str, Sequence[float]], *, name: str = "training", entity: str = ENTITY
) -> Reference:
    """Make a reference of numeric columns, by summary name."""
    made = {}
    for summary, values in columns.items():
        numbers = np.asarray(values, dtype=np.float64)
        recorder = FeatureRecorder()
        recorder.observe_numbers(numbers)
        made[summary] = exact_reference_column(recorder.profile(), numbers, 8)
    reference = Reference(
        entity=entity,
        name=name,
        rows=max((len(values) for values in columns.values()), default=0),
        created_ns=START_NS,
        source="train.parquet",
        columns=made,
        digest="",
    )
    return with_digest(reference)


def an_alerter(
    *, threshold: float = 0.2, condition: Condition | None = None, **changes: Any
) -> Alerter:
    """Make an alerter on PSI from training above *threshold*, with *changes*."""
    settings: dict[str, Any] = {
        "entity": ENTITY,
        "name": "drift",
        "summary": "input.*",
        "condition": condition or AgainstReference(reference="training", threshold=threshold),
    }
    return Alerter(**{**settings, **changes})


def an_evaluation(
    value: float,
    number: int,
    *,
    alerter: Alerter | None = None,
    summary: str = "input.amount",
    labels: Mapping[str, str] | None = None,
    verdict: Verdict | None = None,
) -> Evaluation:
    """Make an evaluation of *value* in minute *number*, a breach if beyond the alerter's limit."""
    alerter = alerter or an_alerter()
    found = Verdict.BREACH if alerter.condition.excess(value) > 0 else Verdict.FINE
    return Evaluation(
        alerter=alerter,
        summary=summary,
        labels=Labels.of(labels),
        window=minute(number),
        verdict=verdict or found,
        value=value,
        count=500,
        reference_digest="0123456789abcdef",
        evidence=f"{alerter.condition.measure.upper()} from training is {value:g} (threshold 0.2)",
        edge=True,
    )


def receivers_of(own: ChannelDefinition | None = None, *, pages: str = PAGES) -> Receivers:
    """Make receivers of stored channels and *own*, which may be at loopback addresses."""
    allowed = Allowed.of("webhook_allow", ["127.0.0.0/8"])
    return Receivers(own=own, allowed=allowed, page_url=lambda: pages)


def targets_of(*, pages: str = PAGES) -> Targets:
    """Make targets, which may be at loopback addresses."""
    return Targets(allowed=Allowed.of("webhook_allow", ["127.0.0.0/8"]), page_url=lambda: pages)


def a_row(sequence: int, content: SummarySample | Evaluation) -> Row:
    """Make a row of an outbox."""
    if isinstance(content, Evaluation):
        return Row(sequence=sequence, evaluation=evaluation_to_wire(content))
    return Row(sequence=sequence, sample=sample_to_wire(content))


@dataclass(slots=True)
class Sender:
    """An agent that ships given rows."""

    stub: CollectorServiceStub
    agent: str = "pod-1"
    epoch: bytes = b"e" * 16
    sequence: int = 0
    now_ns: int = 0  # time of its clock, which it tells

    def ship(self, *contents: SummarySample | Evaluation) -> ShipReply:
        """Ship *contents* under the next sequences."""
        first = self.sequence + 1
        self.sequence += len(contents)
        return self.send([a_row(number, c) for number, c in enumerate(contents, first)])

    def send(self, rows: Sequence[Row], oldest_held: int = 0) -> ShipReply:
        """Ship *rows* unchanged."""
        request = ShipRequest(
            agent=self.agent,
            epoch=self.epoch,
            oldest_held=oldest_held,
            rows=rows,
            now_unix_nano=self.now_ns,
        )
        # On a busy machine a connection may not be made at once. An agent tries again, and so does this.
        reply: ShipReply = self.stub.Ship(request, timeout=DEADLINE_SECONDS, wait_for_ready=True)
        return reply


@dataclass(slots=True)
class Running:
    """A running collector, with a gRPC client and an HTTP client."""

    collector: Collector
    channel: grpc.Channel
    stub: CollectorServiceStub
    http: httpx.Client

    def sender(self, agent: str = "pod-1") -> Sender:
        """Make an agent with its own outbox."""
        return Sender(self.stub, agent=agent, epoch=agent.encode().ljust(16, b".")[:16])

    def get(self, path: str, **parameters: object) -> Any:
        """GET a path of the API and return the body of the response, which must be a success."""
        answer = self.http.get(f"/api/v1/{path}", params=httpx.QueryParams(_texts(parameters)))
        answer.raise_for_status()
        return answer.json()

    def put_alerter(self, alerter: msgspec.Struct | Mapping[str, object]) -> httpx.Response:
        """PUT an alerter."""
        body = msgspec.json.encode(alerter)
        headers = {"content-type": "application/json"}
        return self.http.put("/api/v1/alerters", content=body, headers=headers)


@cache
def _tls() -> ssl.SSLContext:
    """Return the settings of TLS that all clients share: to read the authorities takes 10 ms."""
    return httpx.create_ssl_context(trust_env=False)


@contextmanager
def running(
    database: Path | None, clock: Clock | None = None, **settings: object
) -> Iterator[Running]:
    """Run a collector on free loopback ports until the block ends.

    Args:
        database: SQLite file; None for the database of the setting `store`.
        clock: Clock of the collector; None uses the system's.
        settings: Other settings.
    """
    told = {
        "database": str(database or ""),
        "grpc_address": "127.0.0.1:0",
        "http_address": "127.0.0.1:0",
        **settings,
    }
    collector = Collector(checked(CollectorSettings, told), clock)
    collector.start()
    try:
        with (
            grpc.insecure_channel(collector.grpc_target, options=CHANNEL_OPTIONS) as channel,
            httpx.Client(
                base_url=collector.http_url,
                trust_env=False,
                timeout=DEADLINE_SECONDS,
                verify=_tls(),
            ) as client,
        ):
            yield Running(collector, channel, collector_stub(channel), client)
    finally:
        collector.stop()


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that a webhook received."""

    key: str
    content: Any  # JSON value; None if the body is not JSON
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)
    body: bytes = b""


@dataclass(slots=True)
class Webhook:
    """A webhook on loopback. It responds with each of `statuses` in turn, then with 200.

    Attributes:
        url: URL of the webhook.
        posted: All messages, oldest first, including refused ones.
        accepted: Messages with a 200 response.
        statuses: Statuses of the next responses.
        headers: Headers of every response.
        body: Body of every response.
    """

    url: str = ""
    posted: list[Posted] = field(default_factory=list)
    accepted: list[Posted] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"


@contextmanager
def listening_webhook(port: int = 0) -> Iterator[Webhook]:
    """Run a webhook until the block ends."""
    webhook = Webhook()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Record the message and respond with the next status."""
            body = self.rfile.read(int(self.headers["content-length"]))
            is_json = self.headers["content-type"] == "application/json"
            posted = Posted(
                key=self.headers.get("idempotency-key", ""),
                content=msgspec.json.decode(body) if is_json else None,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
            )
            status = webhook.statuses.pop(0) if webhook.statuses else 200
            webhook.posted.append(posted)
            if status == 200:
                webhook.accepted.append(posted)
            self.send_response_only(status)
            for name, value in webhook.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(webhook.body)))
            self.end_headers()
            try:
                self.wfile.write(webhook.body)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Write no access log to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    server.daemon_threads = True
    webhook.url = f"http://127.0.0.1:{server.server_address[1]}/services/T0/B0/s3cret"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield webhook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _texts(parameters: Mapping[str, object]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in parameters.items():
        pairs += [(name, str(v)) for v in (value if isinstance(value, list) else [value])]
    return pairs
