"""Answers of the HTTP API that the client reads. Times are Unix seconds; unknown fields are ignored.

`tests/client/test_answers.py` compares them with the views of the collector.
"""

from collections.abc import Mapping
from typing import Any

import msgspec


class EntityStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A monitored entity and its health."""

    name: str
    health: str  # OK, ALERTING, NO_DATA, LEARNING or PAUSED
    summaries: int
    observations: int  # requests seen over all windows
    first_seen: float | None
    last_seen: float | None  # end of the newest window
    open_episodes: int
    references: list[str]


class LoggedPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a logged prediction."""

    prediction_id: str
    row: int
    time: float  # event time, Unix seconds
    labels: dict[str, str]
    outputs: dict[str, int | float | str | bool | None]
    inputs: dict[str, int | float | str | bool | None]
    subject: str


class PredictionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some logged predictions of an entity, in the order of their arrival."""

    predictions: list[LoggedPrediction]
    next: int | None


class EntityStore(msgspec.Struct, frozen=True, kw_only=True):
    """The store that has the data of an entity."""

    store: str  # name of the store


class EntityPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of entities."""

    entities: list[EntityStatus]
    next: str | None


class SummaryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A summary of an entity."""

    name: str
    role: str  # input, output, ground_truth, logged or service
    data_type: str
    labels: dict[str, list[str]]  # every label key with its values
    last_seen: float | None  # end of the newest window


class SummaryList(msgspec.Struct, frozen=True, kw_only=True):
    """The summaries of an entity."""

    summaries: list[SummaryStatus]


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """The time from an alerter's opening to its closing."""

    id: int
    entity: str
    summary: str
    labels: dict[str, str]
    alerter: str
    severity: str
    opened: float
    closed: float | None  # None while it is open
    value: float  # value furthest beyond the threshold
    threshold: float
    evidence: str


class EpisodeList(msgspec.Struct, frozen=True, kw_only=True):
    """Episodes, newest first."""

    episodes: list[Episode]


class Moments(msgspec.Struct, frozen=True, kw_only=True):
    """Moments of the finite numbers of a window."""

    mean: float | None
    standard_deviation: float | None
    skewness: float | None
    kurtosis: float | None
    minimum: float | None
    maximum: float | None


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a series. Fields that were not asked for are empty."""

    window_start: float
    window_end: float
    level: str
    samples: int
    count: int  # finite numbers and categories, or requests
    quantiles: Mapping[str, float | None] = {}
    cdf: Mapping[str, float | None] = {}
    moments: Moments | None = None
    rates: Mapping[str, float | None] = {}
    statistics: Mapping[str, float | None] = {}
    distances: Mapping[str, float | None] = {}
    sample: bytes = b""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The points of one summary and group, oldest first."""

    summary: str
    labels: dict[str, str]
    points: list[Point]


class SeriesPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of series."""

    entity: str
    series: list[Series]
    next: str | None


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """The result of logging samples."""

    stored: int
    repeated: int  # samples that were stored before


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The result of reporting a status."""

    end: float  # end of the interval, Unix seconds
    statuses: list[str]  # status of the alerter after each report


class TruthAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of some rows of ground truth."""

    rows: int
    repeated: bool  # whether the rows had been joined before, so that nothing changed now
    counts: dict[str, int]  # number of rows by outcome, such as joined or waiting


class TruthProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a source of ground truth has been joined."""

    chunks: int  # number of its newest chunk; 0 without one
    position: int  # place in the source after that chunk
    counts: dict[str, int]  # number of its rows by outcome


class TruthStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all ground truth of an entity."""

    task: str
    counts: dict[str, int]  # number of rows by outcome, without those that wait
    waiting: int  # number of rows that wait for their predictions
    oldest_waiting: float | None  # arrival of the oldest waiting row, Unix seconds
    source: TruthProgress | None


class MaturityWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The ground truth of one window."""

    start: float
    end: float
    predictions: float | None  # all predictions; None if their number is not known
    labelled: int  # predictions with ground truth
    share: float | None  # share of the predictions with ground truth
    age: float  # seconds since the end of the window
    usual: float | None  # share that earlier windows had at this age
    mature: bool  # whether enough ground truth has arrived to judge the window
    why: str  # reason why the window is not mature
    lags: dict[str, float]  # quantiles of seconds from a prediction to its ground truth
    score_distance: float | None  # of scores with ground truth from all scores, 0 to 1


class Maturity(msgspec.Struct, frozen=True, kw_only=True):
    """How much ground truth of an entity has arrived, oldest window first."""

    step: int  # length of the windows in seconds
    lags: dict[str, float]  # quantiles over all windows
    windows: list[MaturityWindow]


class ChangedField(msgspec.Struct, frozen=True, kw_only=True):
    """A field that a change sets, changes or removes."""

    field: str
    before: str | None  # JSON text; null if the field was not set
    after: str | None  # JSON text; null if the field is not set any more


class ObjectChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one declared object."""

    kind: str
    entity: str  # entity of the object, or a pattern of entities
    name: str
    action: str  # created, changed or removed
    fields: list[ChangedField]


class ObjectWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A warning about one declared object."""

    kind: str
    entity: str
    name: str
    sentence: str


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What a document or a rollback changed, or would change."""

    revision: int | None  # number of the revision; null if nothing was changed
    dry_run: bool
    changes: list[ObjectChange]
    unchanged: int  # number of objects that are stored as they are given
    warnings: list[ObjectWarning]
    based_on: int = 0  # newest revision before it; 0 before the first and from older collectors


class DeclaredObject(msgspec.Struct, frozen=True, kw_only=True):
    """A declared object."""

    kind: str
    entity: str
    name: str
    definition: dict[str, Any]  # definition without defaults, as in a document
    warnings: list[str]


class ObjectList(msgspec.Struct, frozen=True, kw_only=True):
    """Declared objects by kind, entity and name."""

    objects: list[DeclaredObject]


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of declared objects that were made together."""

    revision: int
    author: str
    origin: str  # apply, api, settings, upload or rollback
    made: float
    changes: list[ObjectChange]
    reason: str = ""  # why they were made; empty without a reason, and from older collectors


class RevisionList(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of declared objects, newest first."""

    revisions: list[Revision]
