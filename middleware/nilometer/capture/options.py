"""The options of what captures, for type checkers and editors.

Generated from `CaptureSettings` by `make settings`. Every option may be missing: what is not given
comes from a settings file or from ``NILOMETER_*``.
"""

from collections.abc import Mapping
from typing import Literal, TypedDict


class CaptureOptions(TypedDict, total=False):
    """Keywords of `NilometerMiddleware`, `observe` and the interceptors."""

    entity: str
    """Name of the monitored entity."""

    labels: Mapping[str, str]
    """Labels on every sample: where the server runs, its version, its region."""

    agent: str
    """`auto` finds the agent of this user's directory and starts one where none answers;
    `unix:/path` is an agent that somebody else starts. Default: `"auto"`.
    """

    allowed_uids: list[int] | tuple[int, ...]
    """Users that may run the agent, beside this process's own and root."""

    profile_in: Literal["agent", "process"]
    """Where bodies are parsed: `agent`, or `process` where no raw byte may leave the process.
    Default: `"agent"`.
    """

    directory: str
    """Directory of the socket and, for an agent started from here, its data."""

    max_body_bytes: int
    """Cap for each body; over it only sizes are kept, and of a stream of events or lines its start
    and its end. Default: `262144`.
    """

    max_queue_bytes: int
    """Cap for what waits for the background thread. Default: `16777216`."""

    max_unacknowledged_bytes: int
    """Cap for what waits for the agent's acknowledgement. Default: `16777216`."""

    flush_seconds: float
    """Longest wait of an observation before it is handed on. Default: `0.05`."""

    shutdown_seconds: float
    """Longest time the end of the process may wait for the agent. Default: `2.0`."""

    stall_seconds: float
    """Silence after which a stream that broke off counts as stalled. Default: `10.0`."""

    max_cpu_percent: float
    """Most processor time that observing may take in a process, in per cent of one core; above it
    bodies of a share of the observations are left out. 0: no limit. Default: `0.0`.
    """

    max_p99_us: float
    """Most microseconds that we may add to a request, at the 99th percentile, on its own path; 0:
    no limit. Default: `0.0`.
    """

    capture: Literal["bodies", "values"]
    """`bodies`, or `values`: no body is kept, only what `nilometer.log` and `observe` are given;
    requests are counted all the same. Default: `"bodies"`.
    """

    exclude: list[str] | tuple[str, ...]
    """Paths that are not observed, such as probes. Default: `["/healthz", "/readyz", "/livez",
    "/metrics", "/favicon.ico", "/health", "/ping", "/v2/health/live", "/v2/health/ready"]`.
    """

    event_time_header: str
    """Header that holds the event time: RFC 3339, or Unix seconds."""

    event_time_field: str
    """Input field that holds the event time."""

    prediction_id_header: str
    """Request header that holds the prediction id; without it, or where it is empty, `ce-id`,
    `x-request-id` and the trace id are taken, in this order.
    """

    return_prediction_id: str
    """Response header in which the prediction id is returned, made where the request has none;
    empty adds no header.
    """

    parent_header: str
    """Request header that names the entity that asks. Default: `"x-nilometer-entity"`."""

    label_headers: Mapping[str, str]
    """Labels from request headers: `{"region": "x-region"}`. No other header is recorded."""

    query_parameters: list[str] | tuple[str, ...]
    """Query parameters that are recorded; `*` names them all."""

    redact_fields: list[str] | tuple[str, ...]
    """Patterns of field names, such as `*.ssn`; such fields are removed before anything is handed
    on. A body whose fields cannot be told apart is withheld whole.
    """

    redact_values: list[str] | tuple[str, ...]
    """Kinds of text that are replaced by `[redacted]` wherever they stand: `email`, `card`, `iban`,
    `phone`, `ssn`, `ip`, `token`, or a regular expression of your own.
    """

    readable_categories: list[str] | tuple[str, ...]
    """Patterns of summaries whose category names may be stored; used where profiles are made in the
    process.
    """

    segments: Mapping[str, str]
    """Labels from fields, such as `{region = "input.region"}`, where profiles are made in the
    process; an agent has a setting of its own. Their values are published.
    """

    features: list[str] | tuple[str, ...]
    """Summaries that are features from their first request on, such as `input.amount`, where
    profiles are made in the process; an agent takes those of its schemas and of references.
    """

    admit_after: int
    """Requests that must have had another name before it is a feature, where the entity has 64
    features already and profiles are made in the process; the cells of earlier requests are counted
    as unnamed. Default: `5`.
    """

    profilers: list[str] | tuple[str, ...]
    """Modules that register profilers, where profiles are made in the process."""

    names_key: str
    """Secret of the pseudonyms of all other names, where profiles are made in the process; without
    it they are not kept.
    """
