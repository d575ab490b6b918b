"""The settings of the agent."""

import socket
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from nilometer.handoff.settings import MAX_SOCKET_PATH, SOCKET_NAME, Uid, default_directory
from nilometer.profile.derived.vectors import DEFAULT_REDUCTIONS, REDUCTIONS
from nilometer.profile.schema import Schema
from nilometer.profile.summed_outputs import MOST_OUTPUTS, SummedOutputs, Wish
from nilometer.profiling.budget import MAX_HELD_BYTES
from nilometer.profiling.segments import Segments
from nilometer.settings.credentials import Credentials
from nilometer.settings.loopback import host_of
from nilometer.settings.settings import Settings
from nilometer.values.entity import Role, entity_name, role_of
from nilometer.values.errors import ConfigError
from nilometer.values.nearest import not_one_of
from nilometer.values.privacy import MAX_SUPPRESS_BELOW, Disclosure, Privacy, PrivacyName
from nilometer_agent.direct_channel import DirectChannel, read_channel
from nilometer_agent.proxy.settings import ProxySettings, check_all

PREFIX = "NILOMETER_AGENT_"

MINUTE = 60
DAY = 86_400


class AgentSettings(Settings, frozen=True, kw_only=True):
    """All settings of the agent. Durations are seconds, sizes bytes.

    Attributes:
        directory: Directory of the socket and the outbox; created with mode 0700. Each agent
            needs a directory of its own.
        socket: Path of the Unix socket; empty means ``agent.sock`` in the directory. The socket for
            plain frames has the same path with ``.frames`` added.
        allowed_uids: User ids whose workers may connect, besides root and the agent's own user.
        name: Stable name of this agent at the collector; empty means the host name.
        collector: ``host:port`` of the collector's gRPC; empty keeps all rows in the outbox.
        window_seconds: Length of a window of event time; whole minutes, at most a day.
        grace_seconds: Event time that must pass after a window before it is judged.
        idle_close_seconds: Wall time without new data after which a window that has ended closes.
        commit_seconds: Longest time a worker waits for its acknowledgement.
        plan_seconds: Time between two requests to the collector for references and alerters.
        tls_ca: File of the CA certificates that the agent trusts for the collector, PEM; ``system``
            means the CA certificates of this machine. Empty turns TLS off: use that on loopback or a trusted
            network only.
        tls_certificate: File of this agent's certificate, PEM, if the collector requires one.
            The agent reads the TLS files again when they change.
        tls_key: File of the private key of ``tls_certificate``; PEM.
        tls_server_name: Host name in the collector's certificate, if it differs from ``collector``.
        direct_channel_file: TOML file with a receiver of incidents, to which the agent sends its own
            alerts while it cannot reach its collector; empty sends none. See docs/agent-alerts.md.
        token_file: File with this agent's token; needs ``tls_ca``, except to a loopback address.
        max_outbox_bytes: Largest size of the outbox file. The agent also never uses more than half
            of the free disk space.
        max_memory_bytes: Largest size of the outbox in memory, used while the disk cannot be used.
        max_working_bytes: Largest amount of memory for decoded observations that are not committed
            yet. At half of this amount, the agent commits immediately. Columns of a batch that does
            not fit count as ``too_large``. Raise it if features times label sets within half a
            second exceed 4,000.
        max_open_windows: Largest number of open windows, over all entities and label sets. Beyond
            it, the agent closes the least recently used windows early. Later data for a closed
            window makes a further sample.
        when_full: Policy for a full outbox. ``drop_oldest`` drops the oldest rows and counts them.
            ``refuse`` keeps them and acknowledges no new batch; the workers count what they drop.
        privacy: Privacy level for single values: ``open``, ``pod`` or ``strict``; see
            docs/privacy.md. A collector can ask for a stricter level, but not for a less strict one.
        readable_categories: Patterns of summaries whose category names the agent may store at level
            ``pod``. Names in a reference are always readable; all others become pseudonyms.
        names_key: Secret key of the pseudonyms; empty uses the collector's key. Without a key, the
            agent stores only the names that a reference publishes.
        suppress_below: Least number of observations behind a published number or pseudonym. Smaller
            groups count in totals only. 0 uses the default of ``privacy``: 5 for pseudonyms in
            ``pod``, 20 for everything in ``strict``, otherwise 1. ``strict`` needs at least 20.
        segments: Labels taken from fields, such as ``{region = "input.region"}``. Their values are
            published. Each observation has exactly one label set, so label sets add up to the total.
        schemas: Field types by entity, such as ``{scorer = {"input.amount" = "number"}}``; a
            question mark after the type makes a field optional. An entity that is not listed
            uses the schema of its newest reference.
        admit_after: Number of requests with a new name after which the name becomes a feature. This
            applies to names in neither reference nor schema, once an entity has 64 features. Cells
            of earlier requests count as unnamed.
        max_label_sets: Largest number of label sets of an entity in one window. Further ones share
            one label set, with the label ``nilometer_overflow``.
        sample: Share of observations whose bodies are decoded and profiled. All requests are
            counted; coverage says how many were sampled out.
        scores: Outputs that are probabilities, with their decision thresholds, such as
            ``{"output.score" = [0.5]}``. The agent also finds them by a reference.
        prediction_sums: Whether the agent sums the prediction by bin of each input, so that the
            collector can name causes: ``auto`` if the collector asks for it, ``on`` or ``off``. See
            docs/references.md.
        summed_outputs: Outputs that are summed, at most 4, such as ``["output.score"]``. Each adds up
            to 130 bytes for each input and window. Empty chooses one output of the reference.
        prediction_log: Entities whose predictions are logged at the collector for ground truth, such as
            ``["scorer"]`` or ``["fraud-*"]``; none by default, because the log moves single outputs
            off the pod. See docs/predictions.md.
        prediction_log_inputs: Inputs that the log contains besides the outputs, such as
            ``["input.amount"]``; none by default.
        prediction_log_subjects: Field by entity or pattern whose value is the subject of a
            prediction, such as ``{scorer = "input.customer"}``. Ground truth without a prediction id
            joins by it, and all predictions about a subject can be erased.
        prediction_log_in_strict: Whether predictions are logged at the privacy level ``strict``, too.
        prediction_log_key_file: File with the key that encrypts logged predictions on the agent's disk:
            32 random bytes, plain or as base64. Empty stores them unencrypted. Needs the extra
            ``encryption``.
        prediction_log_max_bytes: Largest size of the predictions that wait for the collector, in
            addition to ``max_outbox_bytes``. Beyond it, the oldest predictions are dropped and counted.
        profilers: Python modules that register profilers, such as ``my_package.profilers``.
        profiler_seconds: Longest time that a profiler may take for a batch before it is disabled.
        reductions: Statistics computed of each tensor and image: mean, std, min, max, range, l1,
            zero_share.
        otlp_endpoint: OTLP endpoint for metrics; empty uses ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        otlp_protocol: ``grpc`` or ``http/protobuf``; empty uses ``OTEL_EXPORTER_OTLP_PROTOCOL``,
            then ``grpc``.
        otlp_temporality: ``cumulative`` or ``delta``; empty uses
            ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``, then ``cumulative``.
        otlp_interval_seconds: Time between two exports of metrics.
        otlp_use_proxy: Whether OTLP export uses the proxy variables of the environment.
        metrics_address: ``host:port`` of ``/metrics`` for Prometheus and of the probes ``/livez``,
            ``/readyz`` and ``/startupz``. An empty host means every address; an empty value opens
            no port.
        otlp_in_grpc_address: ``host:port`` where a server in the pod can send OTLP over gRPC; empty
            opens no port.
        otlp_in_http_address: ``host:port`` where a server in the pod can send OTLP over HTTP; empty
            opens no port.
        otlp_in_service: Source of the service profile in the OTLP that the agent receives:
            ``metrics`` (`http.server.request.duration`), ``spans`` (server spans), or ``none``
            where the middleware already measures the requests.
        events_address: ``host:port`` where an inference logger in the pod can send CloudEvents, or
            KServe's logger its batches; empty opens no port.
        events_entity: Entity of all events; empty uses the inference service that each event names.
        events_join_seconds: Longest time that the request or response of a prediction waits for the
            other one.
        proxy: Proxies in front of servers that cannot use the middleware, each a table of its own;
            see the next section. The environment variable holds a JSON list.
        peers_by_address: Whether clients can be told apart by their addresses. If so, one address
            gets at most a quarter of the connections of ``/metrics``, events and OTLP. Leave it off
            where clients come through one gateway.
        until_idle: Whether the agent stops once no worker is connected; for an agent that a worker
            started.
        idle_seconds: Time without a connected worker before the agent stops, with ``until_idle``.
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
    direct_channel_file: str = ""
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
    prediction_sums: Wish = "auto"
    summed_outputs: Annotated[tuple[str, ...], Meta(max_length=MOST_OUTPUTS)] = ()
    prediction_log: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    prediction_log_inputs: tuple[str, ...] = ()
    prediction_log_subjects: dict[str, str] = field(default_factory=dict)
    prediction_log_in_strict: bool = False
    prediction_log_key_file: str = ""
    prediction_log_max_bytes: Annotated[int, Meta(ge=1 << 20)] = 64 << 20
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
        _ = self.direct_channel
        self._check_prediction_log()
        check_all(self.proxy)
        for word in self.reductions:
            if word not in REDUCTIONS:
                raise ConfigError(not_one_of("reductions", word, REDUCTIONS))
        for fields in self.schemas.values():
            Schema.declared(fields)
        for output in self.summed_outputs:
            if role_of(output) is not Role.OUTPUT:
                raise ConfigError(f"summed_outputs = {output!r}: must start with output.")
        if len(str(self.socket_path).encode()) > MAX_SOCKET_PATH:
            raise ConfigError(
                f"socket = {str(self.socket_path)!r}: must be at most {MAX_SOCKET_PATH} bytes"
            )

    def _check_prediction_log(self) -> None:
        if self.prediction_log and self.privacy == "strict" and not self.prediction_log_in_strict:
            raise ConfigError(
                'prediction_log: moves single outputs off the pod, which privacy = "strict" forbids: set '
                "prediction_log_in_strict = true to allow it, or leave prediction_log empty"
            )
        for name in self.prediction_log_inputs:
            if role_of(name) is not Role.INPUT:
                raise ConfigError(
                    f"prediction_log_inputs = {name!r}: must start with input., such as input.amount"
                )
        for name in self.prediction_log_subjects.values():
            if role_of(name) not in {Role.INPUT, Role.OUTPUT}:
                raise ConfigError(
                    f"prediction_log_subjects = {name!r}: must start with input. or output."
                )

    def _check_credentials(self) -> None:
        if self.tls_certificate and not self.tls_ca:
            raise ConfigError(
                f"tls_certificate = {self.tls_certificate!r}: needs tls_ca, the CA of the collector's certificate"
            )
        credentials = self.credentials
        if self.collector:
            credentials.require_privacy(host_of(self.collector), secure=bool(self.tls_ca))
        credentials.require_files()

    @property
    def direct_channel(self) -> DirectChannel | None:
        """The receiver of the agent's own alerts; None without one.

        Raises:
            ConfigError: If its file cannot be read or has a wrong value.
        """
        return read_channel(self.direct_channel_file) if self.direct_channel_file else None

    @property
    def credentials(self) -> Credentials:
        """The credentials for the collector."""
        return Credentials(
            ca=self.tls_ca,
            certificate=self.tls_certificate,
            key=self.tls_key,
            token=self.token_file,
            server_name=self.tls_server_name,
        )

    @property
    def disclosure(self) -> Disclosure:
        """The rules for the disclosure of single values."""
        return Disclosure(Privacy(self.privacy), self.suppress_below)

    @property
    def summed(self) -> SummedOutputs:
        """The outputs that are summed by bin of each input."""
        return SummedOutputs(
            wish=self.prediction_sums,
            declared=self.summed_outputs,
            scores=frozenset(self.scores),
        )

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
        """The name of this agent at the collector."""
        return self.name or socket.gethostname()
