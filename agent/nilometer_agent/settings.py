"""What the agent can be told."""

import socket
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from nilometer.handoff.settings import MAX_SOCKET_PATH, SOCKET_NAME, Uid, default_directory
from nilometer.profile.derived.vectors import DEFAULT_REDUCTIONS, REDUCTIONS
from nilometer.profile.schema import Schema
from nilometer.profiling.budget import MAX_HELD_BYTES
from nilometer.profiling.segments import Segments
from nilometer.settings.credentials import Credentials
from nilometer.settings.loopback import host_of
from nilometer.settings.settings import Settings
from nilometer.values.entity import entity_name
from nilometer.values.errors import ConfigError
from nilometer.values.nearest import not_one_of
from nilometer.values.privacy import MAX_SUPPRESS_BELOW, Disclosure, Privacy, PrivacyName
from nilometer_agent.proxy.settings import ProxySettings, check_all

PREFIX = "NILOMETER_AGENT_"

MINUTE = 60
DAY = 86_400


class AgentSettings(Settings, frozen=True, kw_only=True):
    """Everything the agent can be told. Durations are seconds, sizes bytes.

    Attributes:
        directory: Of the socket and the outbox; made with mode 0700. One agent a directory.
        socket: Path of the Unix socket; empty means ``agent.sock`` in the directory. The socket for
            plain frames is beside it, its name with ``.frames`` added.
        allowed_uids: Users whose workers are served, beside this process's own and root.
        name: Stable name of this agent at the collector; empty means the host's.
        collector: ``host:port`` of the collector's gRPC; empty keeps everything here.
        window_seconds: Length of a window of event time; whole minutes, at most a day.
        grace_seconds: Event time that must pass after a window before it is judged.
        idle_close_seconds: Wall time without data after which an ended window closes anyway.
        commit_seconds: Longest time a worker waits for its acknowledgement.
        plan_seconds: How often references and alerters are asked for.
        tls_ca: Certificates that may have signed the collector's, PEM; ``system`` for those of
            this machine; empty speaks without TLS, to loopback or a network that is trusted.
        tls_certificate: This agent's certificate, for a collector that asks for one; PEM. Files
            are read again when they change.
        tls_key: Key of it, PEM.
        tls_server_name: Name in the collector's certificate, where it is not the address's.
        token_file: File with this agent's token; only with ``tls_ca``, or to a loopback address.
        max_outbox_bytes: Cap of the file that holds what waits for the collector, and never more
            than half of what the disk has free.
        max_memory_bytes: Cap for what is held in memory while the disk cannot be used.
        max_working_bytes: Cap for what is decoded and not committed yet. At the half of it everything
            is committed at once; columns of a batch that has no room beside it are counted as
            ``too_large``. Raise it where features times label sets of half a second are over 4,000.
        max_open_windows: Windows of all entities and label sets that are open at once; over it, those
            that were added to least recently are closed early, and what comes for them later makes
            further samples.
        when_full: ``drop_oldest`` drops the rows that wait longest, counted; ``refuse`` keeps
            them, acknowledges nothing new, and lets the workers count what they lose.
        privacy: What may be told of single values: ``open``, ``pod`` or ``strict``; see
            docs/privacy.md. A collector may ask for a stricter level, never for a laxer one.
        readable_categories: Patterns of summaries whose category names may be stored, in ``pod``;
            names that a reference published are readable anyway, all others become pseudonyms.
        names_key: Secret of the pseudonyms; empty takes the collector's. Without either, names
            that nobody published are not kept.
        suppress_below: Fewest observations that a number or a pseudonym that is told may stand
            for; totals keep the others. 0 takes what ``privacy`` says: 5 for pseudonyms in ``pod``,
            20 for all in ``strict``, else 1. ``strict`` has 20 at least.
        segments: Labels from fields, such as ``{region = "input.region"}``; their values are
            published. Each observation has one label set, so label sets add up to the whole.
        schemas: Fields by entity, such as ``{scorer = {"input.amount" = "number"}}``; a question
            mark makes one optional. Without, a schema is that of the newest reference.
        admit_after: Requests that must have had a name before it is a feature, where the entity has
            64 features already and neither its reference nor its schema has the name. The cells
            of earlier requests are counted as unnamed.
        max_label_sets: Label sets of an entity in one window; what comes after is one more, with
            the label ``nilometer_overflow``.
        sample: Share of observations whose bodies are decoded and profiled; all requests are
            counted, and coverage says how many were sampled out.
        scores: Outputs of probabilities and their decision thresholds, such as
            ``{"output.score" = [0.5]}``; outputs that a reference shows to be are found anyway.
        profilers: Modules that register profilers, such as ``my_package.profilers``.
        profiler_seconds: Time that a profiler may take for a batch before it is disarmed.
        reductions: What tensors and images are reduced to: mean, std, min, max, range, l1,
            zero_share.
        otlp_endpoint: OTLP endpoint for metrics; empty takes ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        otlp_protocol: ``grpc`` or ``http/protobuf``; empty takes ``OTEL_EXPORTER_OTLP_PROTOCOL``,
            then ``grpc``.
        otlp_temporality: ``cumulative`` or ``delta``; empty takes
            ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``, then ``cumulative``.
        otlp_interval_seconds: How often metrics are exported.
        otlp_use_proxy: Whether proxy variables of the environment count for OTLP.
        metrics_address: ``host:port`` of ``/metrics`` for Prometheus and of the probes ``/livez``,
            ``/readyz`` and ``/startupz``; an empty host means every address, empty opens no port.
        otlp_in_grpc_address: ``host:port`` where a server in the pod may send OTLP over gRPC; empty
            opens none.
        otlp_in_http_address: ``host:port`` where it may send OTLP over HTTP; empty opens none.
        otlp_in_service: What of it becomes the service profile: ``metrics``
            (`http.server.request.duration`), ``spans`` (server spans), or ``none`` where the
            middleware measures already.
        events_address: ``host:port`` where an inference logger of the pod may send CloudEvents, or
            KServe's logger its batches; empty opens none.
        events_entity: Whose events they are; empty takes the inference service that each names.
        events_join_seconds: How long a request waits for its response, or the other way round.
        proxy: Proxies in front of servers that cannot take the middleware, each a table of its own;
            see the next section. In a variable, a list in JSON.
        peers_by_address: Whether the addresses of peers tell them apart: then one address has at
            most a quarter of the connections of ``/metrics``, events and OTLP. Leave it off where
            peers come through one gateway.
        until_idle: End when the last worker has left: for an agent that a worker started.
        idle_seconds: How long after the last worker.
    """

    directory: str = ""
    socket: str = ""
    allowed_uids: tuple[Uid, ...] = ()
    name: str = ""
    collector: str = "127.0.0.1:7501"
    window_seconds: Annotated[int, Meta(ge=MINUTE, le=DAY, multiple_of=MINUTE)] = MINUTE
    grace_seconds: Annotated[float, Meta(ge=0, le=DAY)] = 5.0
    idle_close_seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0
    commit_seconds: Annotated[float, Meta(ge=0.01, le=1.0)] = 0.5
    plan_seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0
    tls_ca: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    tls_server_name: str = ""
    token_file: str = ""
    max_outbox_bytes: Annotated[int, Meta(ge=1 << 20)] = 256 << 20
    max_memory_bytes: Annotated[int, Meta(ge=1 << 20, le=1 << 30)] = 16 << 20
    max_working_bytes: Annotated[int, Meta(ge=4 << 20, le=1 << 36)] = MAX_HELD_BYTES
    max_open_windows: Annotated[int, Meta(ge=16, le=1_000_000)] = 8192
    when_full: Literal["drop_oldest", "refuse"] = "drop_oldest"
    privacy: PrivacyName = "pod"
    readable_categories: tuple[str, ...] = ()
    names_key: str = ""
    suppress_below: Annotated[int, Meta(ge=0, le=MAX_SUPPRESS_BELOW)] = 0
    segments: dict[str, str] = field(default_factory=dict)
    schemas: dict[str, dict[str, str]] = field(default_factory=dict)
    admit_after: Annotated[int, Meta(ge=1, le=1000)] = 5
    max_label_sets: Annotated[int, Meta(ge=1, le=100_000)] = 2000
    sample: Annotated[float, Meta(gt=0, le=1)] = 1.0
    scores: dict[str, tuple[Annotated[float, Meta(gt=0, lt=1)], ...]] = field(default_factory=dict)
    profilers: tuple[str, ...] = ()
    profiler_seconds: Annotated[float, Meta(gt=0, le=60)] = 1.0
    reductions: tuple[str, ...] = DEFAULT_REDUCTIONS
    otlp_endpoint: str = ""
    otlp_protocol: Literal["", "grpc", "http/protobuf"] = ""
    otlp_temporality: Literal["", "cumulative", "delta"] = ""
    otlp_interval_seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 15.0
    otlp_use_proxy: bool = False
    metrics_address: str = ""
    otlp_in_grpc_address: str = ""
    otlp_in_http_address: str = ""
    otlp_in_service: Literal["metrics", "spans", "none"] = "metrics"
    events_address: str = ""
    events_entity: str = ""
    events_join_seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 30.0
    proxy: tuple[ProxySettings, ...] = ()
    peers_by_address: bool = False
    until_idle: bool = False
    idle_seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 5.0

    def __post_init__(self) -> None:
        Segments.of(self.segments)
        if self.events_entity:
            entity_name(self.events_entity)
        self._check_credentials()
        check_all(self.proxy)
        for word in self.reductions:
            if word not in REDUCTIONS:
                raise ConfigError(not_one_of("reductions", word, REDUCTIONS))
        for fields in self.schemas.values():
            Schema.declared(fields)
        if len(str(self.socket_path).encode()) > MAX_SOCKET_PATH:
            raise ConfigError(
                f"socket = {str(self.socket_path)!r}: must be at most {MAX_SOCKET_PATH} bytes"
            )

    def _check_credentials(self) -> None:
        if self.tls_certificate and not self.tls_ca:
            raise ConfigError(
                f"tls_certificate = {self.tls_certificate!r}: needs tls_ca, the collector's"
            )
        credentials = self.credentials
        if self.collector:
            credentials.require_privacy(host_of(self.collector), secure=bool(self.tls_ca))
        credentials.require_files()

    @property
    def credentials(self) -> Credentials:
        """What the collector is shown."""
        return Credentials(
            ca=self.tls_ca,
            certificate=self.tls_certificate,
            key=self.tls_key,
            token=self.token_file,
            server_name=self.tls_server_name,
        )

    @property
    def disclosure(self) -> Disclosure:
        """What may be told of single values."""
        return Disclosure(Privacy(self.privacy), self.suppress_below)

    @property
    def home(self) -> Path:
        """Directory of the outbox."""
        return Path(self.directory) if self.directory else default_directory()

    @property
    def socket_path(self) -> Path:
        """The Unix socket workers connect to."""
        return Path(self.socket) if self.socket else self.home / SOCKET_NAME

    @property
    def agent_name(self) -> str:
        """What the collector knows this agent by."""
        return self.name or socket.gethostname()
