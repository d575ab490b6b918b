"""The options of what captures, for type checkers and editors.

Generated from `CaptureSettings` by `make settings`. Every option may be missing: what is not given
comes from a settings file or from ``NILOMETER_*``.
"""

from collections.abc import Mapping
from typing import Literal, TypedDict


class CaptureOptions(TypedDict, total=False):
    """Keywords of `NilometerMiddleware`, `observe` and the interceptors."""

    entity: str
    """Name of the monitored entity. It may be a template, such as `{model}`, that each request
    fills in: `{model}`, `{version}` and `{route}` are what a request names.
    """

    labels: Mapping[str, str]
    """Labels on every sample, such as the server's location, version and region. Values may be
    templates, such as `{version = "{version}"}`. The labels `model` and `version` are added if
    requests name them and no other label or the entity does.
    """

    agent: str
    """Address of the agent. `auto` uses the agent of this user's directory and starts one if none
    answers; `unix:/path` names an agent that is started separately. Default: `"auto"`.
    """

    allowed_uids: list[int] | tuple[int, ...]
    """User ids that may run the agent, in addition to this process's own and root."""

    profile_in: Literal["agent", "process"]
    """Place where bodies are parsed: `agent`, or `process`, so that no raw byte leaves the process.
    Default: `"agent"`.
    """

    speedups: Literal["auto", "off", "required"]
    """Use of `nilometer-speedups`, which serves plain requests in C: `auto` if it is installed,
    `off`, or `required`, so that a process without it does not start. Python loads it before it
    reads files, so only the environment variable can prevent loading. Default: `"auto"`.
    """

    directory: str
    """Directory of the socket and of the data of an agent that this process starts."""

    max_body_bytes: int
    """Cap for each body. Of a larger body, only the size is kept. Of a larger stream of events or
    lines, the start and the end are kept as well. Default: `262144`.
    """

    max_queue_bytes: int
    """Cap for observations that wait for the background thread. Default: `16777216`."""

    max_unacknowledged_bytes: int
    """Cap for batches that the agent has not acknowledged yet. Default: `16777216`."""

    flush_seconds: float
    """Longest time until an observation is sent. Default: `0.05`."""

    shutdown_seconds: float
    """Longest time that the process waits for the agent when it ends. Default: `2.0`."""

    stall_seconds: float
    """Time without a chunk after which an interrupted stream counts as stalled. Default: `10.0`.
    """

    max_cpu_percent: float
    """Limit of the CPU time for observation in a process, in percent of one core. Above it, the
    bodies of a share of the observations are left out. 0 means no limit. Default: `0.0`.
    """

    max_p99_us: float
    """Limit of the microseconds that observation adds to a request (99th percentile). 0 means no
    limit. Default: `0.0`.
    """

    capture: Literal["bodies", "values"]
    """Source of the columns: `bodies`, or `values`, which keeps no body and records only what is
    passed to `nilometer.log` and `observe`. Requests are counted with both. Default: `"bodies"`.
    """

    exclude: list[str] | tuple[str, ...]
    """Rules for requests that are not observed, such as probes. A rule is a path, or words such as
    `GET /static/*`, `route=/items/{id}`, `grpc=ray.serve.*` and `type=text/*`. Paths are relative
    to the root path. Default: `["/healthz", "/readyz", "/livez", "/metrics", "/favicon.ico",
    "/health", "/ping", "/v2/health/live", "/v2/health/ready"]`.
    """

    include: list[str] | tuple[str, ...]
    """Rules, in the same form, for requests that are predictions. Without rules, a request counts
    as a prediction if a decoder accepts its body. All other requests are only counted, as
    `not_inference`.
    """

    event_time_header: str
    """Header that holds the event time: RFC 3339, or a number since 1970."""

    event_time_field: str
    """Input column that holds the event time, such as `sent_at` or `meta.time`; it is not profiled.
    The first row of a request is used; without the column, the header is used.
    """

    event_time_unit: Literal["auto", "s", "ms", "us", "ns"]
    """Unit of event times that are numbers: `s`, `ms`, `us` or `ns` since 1970; `auto` derives it
    from the magnitude of each number. Default: `"auto"`.
    """

    event_time_zone: str
    """Time zone of event times without an offset, such as `Europe/Berlin`. Default: `"UTC"`."""

    prediction_id_header: str
    """Request header that holds the prediction id; if it is missing or empty, `ce-id`,
    `x-request-id` and the trace id are used, in this order.
    """

    return_prediction_id: str
    """Response header that returns the prediction id, which is generated if the request has none;
    empty adds no header.
    """

    parent_header: str
    """Request header that names the calling entity. Default: `"x-nilometer-entity"`."""

    label_headers: Mapping[str, str]
    """Labels from request headers, such as `{"region": "x-region"}`. No other header is recorded.
    """

    query_parameters: list[str] | tuple[str, ...]
    """Names of query parameters that are recorded; `*` records all."""

    redact_fields: list[str] | tuple[str, ...]
    """Patterns of field names, such as `ssn` or `input.user.*`. Matching fields are removed before
    data leaves the process. A body in which a field may be hidden is withheld as a whole, and
    counted as `withheld`.
    """

    redact_values: list[str] | tuple[str, ...]
    """Kinds of text that are replaced by `[redacted]` wherever they occur: `email`, `card`, `iban`,
    `phone`, `ssn`, `ip`, `token`, or your own regular expression.
    """

    readable_categories: list[str] | tuple[str, ...]
    """Patterns of summaries whose category names may be stored; used if profiles are made in the
    process.
    """

    segments: Mapping[str, str]
    """Labels from fields, such as `{region = "input.region"}`, if profiles are made in the process;
    the agent has its own setting. The values of these fields are published.
    """

    features: list[str] | tuple[str, ...]
    """Summaries that are features from their first request, such as `input.amount`, if profiles are
    made in the process. An agent takes the features from its schemas and references instead.
    """

    admit_after: int
    """Number of requests with a new name before it becomes a feature. It applies if profiles are
    made in the process and the entity already has 64 features. Cells of earlier requests count as
    unnamed. Default: `5`.
    """

    profilers: list[str] | tuple[str, ...]
    """Modules that register profilers, if profiles are made in the process."""

    names_key: str
    """Secret key for the pseudonyms of names that are not readable, if profiles are made in the
    process; without it these names are not kept.
    """
