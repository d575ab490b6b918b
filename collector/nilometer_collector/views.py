"""The shapes that leave the HTTP API, and from which its OpenAPI document is made.

Times are Unix seconds (float, UTC) for the reader's convenience; windows are half-open
``[start, end)``. Ratios are 0 to 1. A number that does not exist (the mean of nothing) is null.
"""

from typing import Literal, TypeAlias

import msgspec

Health: TypeAlias = Literal["OK", "ALERTING", "NO_DATA", "LEARNING", "PAUSED"]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A response body or a part of one."""


class EntityView(View, frozen=True, kw_only=True):
    """A monitored entity and how it is."""

    name: str
    health: Health  # ALERTING while an episode is open; LEARNING with data but no alerter
    summaries: int
    observations: int  # requests seen over all windows
    first_seen: float | None
    last_seen: float | None  # end of the newest window
    open_episodes: int
    references: list[str]


class SummaryView(View, frozen=True, kw_only=True):
    """A named series of an entity."""

    entity: str
    name: str
    data_type: Literal["number", "category", "mixed", "empty", "service"]
    role: Literal["input", "output", "ground_truth", "service"]
    health: Health
    observations: int
    last_seen: float | None
    labels: dict[str, list[str]]  # every key with its values, sorted


class CoverageView(View, frozen=True, kw_only=True):
    """seen = profiled + sampled_out + sum(dropped) + sum(undecodable)."""

    seen: int
    profiled: int
    sampled_out: int
    dropped: dict[str, int]
    undecodable: dict[str, int]


class CategoryView(View, frozen=True, kw_only=True):
    """One value of a category with its share of the non-missing rows."""

    value: str
    count: int
    ratio: float


class HistogramView(View, frozen=True, kw_only=True):
    """Counts between edges, in the unit of the feature: ``len(edges) == len(counts) + 1``."""

    edges: list[float | None]  # an infinite edge is null
    counts: list[float]


class FeatureView(View, frozen=True, kw_only=True):
    """A distribution of one feature in one window, or of a reference."""

    count: int  # finite numbers and categories
    missing: int
    missing_ratio: float | None
    non_finite: int
    null_like: int  # strings such as "n/a"
    types: dict[str, int]
    type_errors: dict[str, int]  # cells of another type than expected, by their type
    zero: int
    negative: int
    below_reference: int  # below the smallest of the reference
    above_reference: int
    unseen: int | None  # categories the reference never had; null without a reference
    mean: float | None
    standard_deviation: float | None
    minimum: float | None
    maximum: float | None
    quantiles: dict[str, float]  # "0.01" ... "0.99"; empty without numbers
    histogram: HistogramView | None  # on the reference's edges where there are any
    distinct: float | None
    top: list[CategoryView]  # at most 20


class ScoresView(View, frozen=True, kw_only=True):
    """Probabilities of one output in one window."""

    count: int  # inside [0, 1]
    mean: float | None
    predicted: dict[str, int]  # by predicted class
    histogram: HistogramView  # on the union edges and the decision thresholds
    outside: int  # below 0 or above 1
    not_a_number: int


class ServiceView(View, frozen=True, kw_only=True):
    """Requests of one window."""

    requests: int
    requests_per_second: float
    error_ratio: float | None
    outcomes: dict[str, int]
    statuses: dict[str, int]
    latency_quantiles_seconds: dict[str, float]  # "0.5", "0.9", "0.99"
    latency_mean_seconds: float | None
    in_flight_max: int  # of one process
    stream_ends: dict[str, int]  # answers in pieces, by how they ended
    first_byte_quantiles_seconds: dict[str, float]
    chunk_gap_quantiles_seconds: dict[str, float]


class SampleView(View, frozen=True, kw_only=True):
    """All samples of one summary and window that matched the filter, merged."""

    window_start: float
    window_end: float
    coverage: CoverageView
    feature: FeatureView | None
    service: ServiceView | None
    scores: ScoresView | None
    psi: float | None  # debiased, nats, against the reference asked for
    ks: float | None  # 0 .. 1


class ReferenceView(View, frozen=True, kw_only=True):
    """A reference and, when a summary was asked for, its distribution."""

    entity: str
    name: str
    digest: str
    rows: int
    source: str
    created: float
    feature: FeatureView | None


class SamplesView(View, frozen=True, kw_only=True):
    """A series, oldest window first, beside its reference."""

    entity: str
    summary: str
    samples: list[SampleView]
    reference: ReferenceView | None


class TransitionView(View, frozen=True, kw_only=True):
    """An opening or a closing of an episode."""

    at: float  # end of the window that caused it
    status: Health
    value: float
    evidence: str


class EpisodeView(View, frozen=True, kw_only=True):
    """The time from an alerter's opening to its closing."""

    id: int
    entity: str
    summary: str
    labels: dict[str, str]
    alerter: str
    comparator: str  # comparator or statistic
    threshold: float
    severity: str
    breached_since: float  # start of the first breach in a row
    opened: float  # end of the window that opened it
    closed: float | None
    value: float  # the largest so far
    reference: str
    reference_digest: str
    evidence: str
    history: list[TransitionView]


class AlerterView(View, frozen=True, kw_only=True):
    """A rule. See nilometer.alert.Alerter for meaning and bounds."""

    entity: str
    name: str
    summary: str
    kind: Literal["FIXED", "RANGE", "REFERENCE"]
    statistic: str = ""
    comparison: str = ""
    threshold: float = 0.0
    low: float = 0.0
    high: float = 0.0
    reference: str = ""
    comparator: str = ""
    minimum_count: int = 100
    windows_to_open: int = 1
    windows_to_close: int = 1
    severity: str = "warning"


class Problem(View, frozen=True, kw_only=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
