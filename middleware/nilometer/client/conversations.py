"""What the client asks of a collector: each function is a conversation, without I/O."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nilometer.client.answers import (
    EntityPage,
    EntityStatus,
    EntityStore,
    Episode,
    EpisodeList,
    Logged,
    Maturity,
    PredictionPage,
    Reported,
    Series,
    SeriesPage,
    SummaryList,
    SummaryStatus,
    TruthAnswer,
    TruthStatus,
)
from nilometer.client.errors import NotUnderstood
from nilometer.client.report import Report
from nilometer.client.request import Conversation, Parameters, read, send
from nilometer.client.series_table import SeriesTable, joined

if TYPE_CHECKING:
    from nilometer.client.samples import Samples

SAMPLES_AT_ONCE = 500  # points with sketches in one page, about 1 MB
POINTS_AT_ONCE = 5000


def entities() -> Conversation[list[EntityStatus]]:
    """Return all entities that the caller may read, by name."""
    found: list[EntityStatus] = []
    after: Parameters = ()
    seen: set[str] = set()
    while True:
        page = yield from read("/api/v1/entities", EntityPage, after)
        found += page.entities
        if page.next is None:
            return found
        require_new(page.next, seen)
        after = [("after", page.next)]


def require_new(following: str, seen: set[str]) -> None:
    """Add the place of the next page to *seen*.

    Raises:
        NotUnderstood: If it is there already, so that the pages would never end.
    """
    if following in seen:
        raise NotUnderstood(f"the pages of the answer repeat at {following[:64]!r}")
    seen.add(following)


def status(entity: str) -> Conversation[EntityStatus]:
    """Return the status of *entity*."""
    answer = yield from read("/api/v1/entity", EntityStatus, [("entity", entity)])
    return answer


def store(entity: str) -> Conversation[str]:
    """Return the name of the store that has the data of *entity*."""
    answer = yield from read("/api/v1/entity", EntityStore, [("entity", entity)])
    return answer.store


def summaries(entity: str) -> Conversation[list[SummaryStatus]]:
    """Return the summaries of *entity*."""
    answer = yield from read("/api/v1/summaries", SummaryList, [("entity", entity)])
    return answer.summaries


def episodes(entity: str, *, is_open: bool | None) -> Conversation[list[Episode]]:
    """Return the episodes of *entity*, newest first; all of them if *is_open* is None."""
    asked = [("entity", entity)]
    if is_open is not None:
        asked.append(("open", "true" if is_open else "false"))
    answer = yield from read("/api/v1/episodes", EpisodeList, asked)
    return answer.episodes


def series_page(
    entity: str, asked: Parameters, at_once: int, after: str | None
) -> Conversation[SeriesPage]:
    """Return the page of points that match *asked* and begin at *after*, at most *at_once*."""
    place = [] if after is None else [("after", after)]
    parameters = [("entity", entity), *asked, ("limit", str(at_once)), *place]
    answer = yield from read("/api/v1/query", SeriesPage, parameters)
    return answer


def prediction_page(
    entity: str, asked: Parameters, at_once: int, after: int | None
) -> Conversation[PredictionPage]:
    """Return the page of logged predictions that begins after *after*, at most *at_once*."""
    place = [] if after is None else [("after", str(after))]
    parameters = [("entity", entity), *asked, ("limit", str(at_once)), *place]
    answer = yield from read("/api/v1/predictions", PredictionPage, parameters)
    return answer


def series(entity: str, asked: Parameters, at_once: int) -> Conversation[list[Series]]:
    """Return the points of all pages that match *asked*, *at_once* in a page."""
    found: list[Series] = []
    after: str | None = None
    seen: set[str] = set()
    while True:
        page = yield from series_page(entity, asked, at_once, after)
        found += page.series
        after = page.next
        if after is None:
            return joined(found)
        require_new(after, seen)


def table(entity: str, asked: Parameters) -> Conversation[SeriesTable]:
    """Return the points that match *asked* as a table."""
    found = yield from series(entity, asked, POINTS_AT_ONCE)
    return SeriesTable(entity, found)


def samples(entity: str, summary: str, asked: Parameters) -> "Conversation[Samples]":
    """Return the samples of *summary* that match *asked*, with their sketches."""
    from nilometer.client.samples import Samples, sample_of

    parameters = [("summary", summary), ("show", "sample"), *asked]
    found = yield from series(entity, parameters, SAMPLES_AT_ONCE)
    packed = [point.sample for one in found for point in one.points]
    try:
        return Samples(entity, summary, map(sample_of, packed))
    except ValueError as error:
        raise NotUnderstood(f"a sample of {summary} cannot be read: {error}") from error


def report(
    entity: str, alerter: str, reports: Report | Sequence[Report], end: datetime | None
) -> Conversation[Reported]:
    """Store what a program reports for the alerter *alerter* of *entity*: one status, or several."""
    several = [reports] if isinstance(reports, Report) else list(reports)
    content: dict[str, object] = {"entity": entity, "name": alerter, "reports": several}
    if end is not None:
        content["end"] = end.timestamp()
    answer = yield from send("/api/v1/alerters/reports", Reported, content)
    return answer


def log(rows: Sequence[Mapping[str, Any]], source: str | None) -> Conversation[Logged]:
    """Store *rows*, which are numbered from 1 for *source*, if there is one."""
    named = {} if source is None else {"source": source, "first": 1}
    answer = yield from send("/api/v1/samples", Logged, {**named, "samples": rows})
    return answer


def ground_truth(
    entity: str,
    rows: Sequence[Mapping[str, Any]],
    source: str | None,
    chunk: int,
    position: int,
) -> Conversation[TruthAnswer]:
    """Join *rows* of ground truth with the logged predictions of *entity*."""
    named = {} if source is None else {"source": source, "chunk": chunk, "position": position}
    content = {"entity": entity, **named, "rows": rows}
    answer = yield from send("/api/v1/ground-truth", TruthAnswer, content)
    return answer


def ground_truth_status(entity: str, source: str | None) -> Conversation[TruthStatus]:
    """Return what became of the ground truth of *entity*, and the progress of *source*."""
    named = [] if source is None else [("source", source)]
    asked = [("entity", entity), *named]
    answer = yield from read("/api/v1/ground-truth", TruthStatus, asked)
    return answer


def maturity(entity: str, asked: Parameters) -> Conversation[Maturity]:
    """Return how much ground truth of *entity* has arrived."""
    answer = yield from read("/api/v1/maturity", Maturity, [("entity", entity), *asked])
    return answer
