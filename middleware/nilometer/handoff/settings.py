"""Settings of the middleware."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta, field

from nilometer.settings.settings import Settings
from nilometer.values.entity import entity_or_template
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.request_rules import RequestRules
from nilometer.values.templates import ROUTE, checked, names_in
from nilometer.values.time_zone import zone_named

if TYPE_CHECKING:
    from nilometer.handoff.redact import Redaction

PREFIX = "NILOMETER_"
SOCKET_NAME = "agent.sock"
FRAMES_SUFFIX = ".frames"  # added to the path of the gRPC socket for the socket of plain frames
MAX_SOCKET_PATH = 107 - len(FRAMES_SUFFIX)  # bytes; the kernel allows 107
AUTO = "auto"

Bytes: TypeAlias = Annotated[int, Meta(ge=1024, le=1 << 30)]
Uid: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 32)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.0, le=60.0)]

HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
PROBES = (
    *("/healthz", "/readyz", "/livez", "/metrics", "/favicon.ico"),
    *("/health", "/ping"),  # `/health` of LitServe, vLLM and MLflow; `/ping` of TorchServe
    *("/v2/health/live", "/v2/health/ready"),  # Open Inference Protocol
)


class CaptureSettings(Settings, frozen=True, kw_only=True):
    """Settings for capture in a model server.

    Attributes:
        entity: Name of the monitored entity. It may be a template, such as ``{model}``, that each
            request fills in: ``{model}``, ``{version}`` and ``{route}`` are what a request names.
        labels: Labels on every sample, such as the server's location, version and region. Values
            may be templates, such as ``{version = "{version}"}``. The labels ``model`` and
            ``version`` are added if requests name them and no other label or the entity does.
        agent: Address of the agent. ``auto`` uses the agent of this user's directory and starts one
            if none answers; ``unix:/path`` names an agent that is started separately.
        allowed_uids: User ids that may run the agent, in addition to this process's own and root.
        profile_in: Place where bodies are parsed: ``agent``, or ``process``, so that no raw byte
            leaves the process.
        speedups: Use of `nilometer-speedups`, which serves plain requests in C: ``auto`` if it is
            installed, ``off``, or ``required``, so that a process without it does not start. Python
            loads it before it reads files, so only the environment variable can prevent loading.
        directory: Directory of the socket and of the data of an agent that this process starts.
        max_body_bytes: Cap for each body. Of a larger body, only the size is kept. Of a larger
            stream of events or lines, the start and the end are kept as well.
        max_queue_bytes: Cap for observations that wait for the background thread.
        max_unacknowledged_bytes: Cap for batches that the agent has not acknowledged yet.
        flush_seconds: Longest time until an observation is sent.
        shutdown_seconds: Longest time that the process waits for the agent when it ends.
        stall_seconds: Time without a chunk after which an interrupted stream counts as stalled.
        max_cpu_percent: Limit of the CPU time for observation in a process, in percent of one core.
            Above it, the bodies of a share of the observations are left out. 0 means no limit.
        max_p99_us: Limit of the microseconds that observation adds to a request (99th percentile).
            0 means no limit.
        capture: Source of the columns: ``bodies``, or ``values``, which keeps no body and records
            only what is passed to `nilometer.log` and `observe`. Requests are counted with both.
        exclude: Rules for requests that are not observed, such as probes. A rule is a path, or
            words such as ``GET /static/*``, ``route=/items/{id}``, ``grpc=ray.serve.*`` and
            ``type=text/*``. Paths are relative to the root path.
        include: Rules, in the same form, for requests that are predictions. Without rules, a
            request counts as a prediction if a decoder accepts its body. All other requests are
            only counted, as ``not_inference``.
        event_time_header: Header that holds the event time: RFC 3339, or a number since 1970.
        event_time_field: Input column that holds the event time, such as ``sent_at`` or
            ``meta.time``; it is not profiled. The first row of a request is used; without the
            column, the header is used.
        event_time_unit: Unit of event times that are numbers: ``s``, ``ms``, ``us`` or ``ns`` since
            1970; ``auto`` derives it from the magnitude of each number.
        event_time_zone: Time zone of event times without an offset, such as ``Europe/Berlin``.
        prediction_id_header: Request header that holds the prediction id; if it is missing or
            empty, ``ce-id``, ``x-request-id`` and the trace id are used, in this order.
        return_prediction_id: Response header that returns the prediction id, which is generated if
            the request has none; empty adds no header.
        parent_header: Request header that names the calling entity.
        label_headers: Labels from request headers, such as ``{"region": "x-region"}``. No other
            header is recorded.
        query_parameters: Names of query parameters that are recorded; ``*`` records all.
        redact_fields: Patterns of field names, such as ``ssn`` or ``input.user.*``. Matching fields
            are removed before data leaves the process. A body in which a field may be hidden is
            withheld as a whole, and counted as ``withheld``.
        redact_values: Kinds of text that are replaced by ``[redacted]`` wherever they occur:
            ``email``, ``card``, ``iban``, ``phone``, ``ssn``, ``ip``, ``token``, or your own
            regular expression.
        readable_categories: Patterns of summaries whose category names may be stored; used if
            profiles are made in the process.
        segments: Labels from fields, such as ``{region = "input.region"}``, if profiles are made in
            the process; the agent has its own setting. The values of these fields are published.
        features: Summaries that are features from their first request, such as ``input.amount``, if
            profiles are made in the process. An agent takes the features from its schemas and
            references instead.
        admit_after: Number of requests with a new name before it becomes a feature. It applies if
            profiles are made in the process and the entity already has 64 features. Cells of
            earlier requests count as unnamed.
        profilers: Modules that register profilers, if profiles are made in the process.
        names_key: Secret key for the pseudonyms of names that are not readable, if profiles are
            made in the process; without it these names are not kept.
    """

    entity: str
    labels: dict[str, str] = field(default_factory=dict)
    agent: str = AUTO
    allowed_uids: tuple[Uid, ...] = ()
    profile_in: Literal["agent", "process"] = "agent"
    speedups: Literal["auto", "off", "required"] = "auto"
    directory: str = ""
    max_body_bytes: Bytes = 256 << 10
    max_queue_bytes: Bytes = 16 << 20
    max_unacknowledged_bytes: Bytes = 16 << 20
    flush_seconds: Annotated[float, Meta(ge=0.005, le=5.0)] = 0.05
    shutdown_seconds: Seconds = 2.0
    stall_seconds: Annotated[float, Meta(gt=0.0, le=3600.0)] = 10.0
    max_cpu_percent: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.0
    max_p99_us: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.0
    capture: Literal["bodies", "values"] = "bodies"
    exclude: tuple[str, ...] = PROBES
    include: tuple[str, ...] = ()
    event_time_header: str = ""
    event_time_field: str = ""
    event_time_unit: Literal["auto", "s", "ms", "us", "ns"] = "auto"
    event_time_zone: str = "UTC"
    prediction_id_header: str = ""
    return_prediction_id: str = ""
    parent_header: str = "x-nilometer-entity"
    label_headers: dict[str, str] = field(default_factory=dict)
    query_parameters: tuple[str, ...] = ()
    redact_fields: tuple[str, ...] = ()
    redact_values: tuple[str, ...] = ()
    readable_categories: tuple[str, ...] = ()
    segments: dict[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    admit_after: Annotated[int, Meta(ge=1, le=1000)] = 5
    profilers: tuple[str, ...] = ()
    names_key: str = ""

    def __post_init__(self) -> None:
        entity_or_template(self.entity)
        Labels.of(self.labels)
        for key, value in self.labels.items():
            checked(value, f"labels.{key}")
        RequestRules.of(self.exclude, "exclude")
        RequestRules.of(self.include, "include")
        if self.segments:
            from nilometer.profiling.segments import (
                Segments,  # needs numpy, and most servers set no segments
            )

            Segments.of(self.segments)
        Labels.of(self.label_headers)
        if self.return_prediction_id and not HEADER.fullmatch(self.return_prediction_id):
            raise ConfigError(
                f"return_prediction_id = {self.return_prediction_id!r}: must be a header's name"
            )
        self.redaction()
        try:
            zone_named(self.event_time_zone)
        except ValueError as error:
            raise ConfigError(f"event_time_zone = {self.event_time_zone!r}: {error}") from error
        if self.agent != AUTO and not self.agent.startswith("unix:/"):
            raise ConfigError(f"agent = {self.agent!r}: must be 'auto' or 'unix:/absolute/path'")
        if len(str(self.socket_path).encode()) > MAX_SOCKET_PATH:
            name = "directory" if self.agent == AUTO else "agent"
            raise ConfigError(
                f"{name} = {self.directory if self.agent == AUTO else self.agent!r}: the path of the "
                f"socket must be at most {MAX_SOCKET_PATH} bytes: choose a shorter one"
            )

    def redaction(self) -> "Redaction | None":
        """Return the redaction that the rules ask for; None without rules.

        Raises:
            ConfigError: If a rule of `redact_values` is not valid.
        """
        if not (self.redact_fields or self.redact_values):
            return None
        from nilometer.handoff.redact import (
            Redaction,  # compiles patterns, so it is imported only with rules
        )

        return Redaction.of(self.redact_fields, self.redact_values)

    @property
    def wants_route(self) -> bool:
        """Whether the entity or a label needs the template of the route."""
        return any(ROUTE in names_in(text) for text in (self.entity, *self.labels.values()))

    @property
    def body_cap(self) -> int:
        """Largest number of bytes of a body that are kept."""
        return 0 if self.capture == "values" else self.max_body_bytes

    @property
    def home(self) -> Path:
        """Directory of the socket and of the data of an agent that this process starts."""
        return Path(self.directory) if self.directory else default_directory()

    @property
    def socket_path(self) -> Path:
        """Path of the agent's Unix socket."""
        if self.agent == AUTO:
            return self.home / SOCKET_NAME
        return Path(self.agent.removeprefix("unix:"))


def frame_socket(socket_path: Path) -> Path:
    """Return the path of the agent's socket for plain frames, next to the one for gRPC."""
    return socket_path.with_name(socket_path.name + FRAMES_SUFFIX)


def default_directory(environment: Mapping[str, str] | None = None) -> Path:
    """Return ``$XDG_STATE_HOME/nilometer`` or ``~/.local/state/nilometer``."""
    import os

    state = (environment or os.environ).get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "nilometer"
