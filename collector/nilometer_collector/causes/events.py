"""What else changed around an onset: label values, failures, latency, coverage, schema, declarations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nilometer.causes import Event
from nilometer.causes.breaks import largest_break
from nilometer.causes.shares import Counted, percent
from nilometer.causes.stages import LEAST_SCORE
from nilometer.profile import Coverage, FeatureProfile, ServiceProfile, SummarySample
from nilometer.values.entity import SCHEMA, SERVICE
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.causes.reading import Reader
from nilometer_collector.causes.spans import AROUND_NS, WINDOW_NS
from nilometer_collector.store import Store
from nilometer_collector.store.changing import MOST_CHANGES
from nilometer_collector.store.history_records import ChangeQuestion, ChangeRecord

MOST_SERIES = 64  # label sets of the service
SLOW = 0.95  # quantile of the latency before the onset beyond which a request is slow

ByWindow = Mapping[tuple[int, Labels], SummarySample]
Count = Callable[[SummarySample], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Search:
    """A share that is searched for its largest break.

    Attributes:
        words: Clause before the figures, such as ``the share of failed requests``.
        count: Function that returns the counted rows of a sample, and all its rows.
    """

    words: str
    count: Count


def service_events(
    reader: Reader, around: Window, onset_ns: int, *, whose: str = ""
) -> list[Event]:
    """Return changes of failures, latency, coverage and label values of the requests.

    Args:
        reader: Reader of the entity.
        around: Windows around the onset.
        onset_ns: Onset of the episode.
        whose: Beginning of every clause, such as ``upstream features: ``; empty for the entity itself.
    """
    series = reader.of(SERVICE)
    if len(series) > MOST_SERIES or reader.size(series, [around]) > reader.left:
        return []
    table = reader.by_window(series, around, WINDOW_NS)
    if not table:
        return []
    slow = _slow_from(table, onset_ns)
    searches = [
        _Search("the share of failed requests", _failed),
        _Search("the share of requests without columns", lambda one: _lost(one, "undecodable")),
        _Search(
            "the share of observations that sampling left out",
            lambda one: _lost(one, "sampled_out"),
        ),
        _Search("the share of observations that were lost", lambda one: _lost(one, "dropped")),
    ]
    if slow is not None:
        words = f"the share of requests that take more than {slow:.3g} s"
        searches.append(_Search(words, lambda one: _slower(one, slow)))
    pairs = sorted({pair for _, labels in table for pair in labels})
    several = [pair for pair in pairs if sum(key == pair[0] for key, _ in pairs) > 1]
    tried = len(searches) + len(several)
    found = [_event(table, around, one.words, one.count, tried, whose) for one in searches]
    found += [_label_event(table, around, pair, tried, whose) for pair in several]
    return [one for one in found if one is not None]


def schema_events(reader: Reader, around: Window) -> Iterator[Event]:
    """Yield the schema changes that appear first in *around*, each with its first window."""
    series = reader.of(SCHEMA)
    if reader.size(series, [around]) > reader.left:
        return
    first: dict[str, tuple[int, float]] = {}
    starts: set[int] = set()
    for (start, _), sample in sorted(reader.by_window(series, around, WINDOW_NS).items()):
        starts.add(start)
        if not isinstance(sample.content, FeatureProfile):
            continue
        rows = float(max(sample.coverage.profiled, 1))
        for name, cells in sample.content.categories.frequent.counts.items():
            first.setdefault(name, (start, min(cells / rows, 1.0)))
    earliest = min(starts, default=0)
    for name, (start, share) in sorted(first.items()):
        if start > earliest:
            rows = 100.0 / max(1.0 - share, 0.01)  # a change of the schema is no matter of chance
            yield Event(
                words=_schema_words(name),
                at_ns=start,
                strength=Counted(0.0, rows, share * rows, rows).strength(),
            )


def declared_events(store: Store, entity: str, onset_ns: int) -> Iterator[Event]:
    """Yield the changes of declared objects of *entity* around the onset.

    They have no figure, so their strength is below that of any other cause that a message tells.
    """
    question = ChangeQuestion(entity=entity)
    for one in store.history.changes(question, MOST_CHANGES):
        if abs(one.made_ns - onset_ns) <= AROUND_NS:
            yield Event(words=_declared_words(one), at_ns=one.made_ns, strength=LEAST_SCORE / 2)


def _declared_words(record: ChangeRecord) -> str:
    change = record.change
    verb = "changed"
    if change.before is None:
        verb = "created"
    elif change.after is None:
        verb = "removed"
    return f"{change.key.kind} {change.key.name!r} was {verb} by {record.author}"


def _schema_words(name: str) -> str:
    problem, _, rest = name.partition(":")
    if problem == "new":
        return f"the new column {rest} appears"
    if problem == "vanished":
        return f"the column {rest} is missing from all rows"
    column, _, kinds = rest.rpartition(":")
    before, _, after = kinds.partition(">")
    return f"the column {column} changes its type from {before} to {after}"


def _failed(sample: SummarySample) -> tuple[float, float]:
    content = sample.content
    if not isinstance(content, ServiceProfile):
        return 0.0, 0.0
    return float(content.failures), float(content.count)


def _lost(sample: SummarySample, what: str) -> tuple[float, float]:
    coverage: Coverage = sample.coverage
    counts = {
        "undecodable": sum(coverage.of_predictions().undecodable.values()),
        "sampled_out": coverage.sampled_out,
        "dropped": sum(coverage.dropped.values()),
    }
    return float(counts[what]), float(coverage.of_predictions().seen)


def _slower(sample: SummarySample, seconds: float) -> tuple[float, float]:
    content = sample.content
    if not isinstance(content, ServiceProfile):
        return 0.0, 0.0
    return float(content.latency.count_above(seconds)), float(content.latency.count)


def _slow_from(table: ByWindow, onset_ns: int) -> float | None:
    """Return the latency in seconds beyond which a request counts as slow; None if it is unknown."""
    before = [
        one.content
        for (start, _), one in table.items()
        if start + WINDOW_NS <= onset_ns and isinstance(one.content, ServiceProfile)
    ]
    return ServiceProfile.merge_all(before).latency.quantile(SLOW) if before else None


def _series_of(
    table: ByWindow, around: Window, count: Callable[[Labels, SummarySample], tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Return the counted rows and all rows of each window of *around*."""
    windows = range(around.start_ns, around.end_ns, WINDOW_NS)
    counts, rows = dict.fromkeys(windows, 0.0), dict.fromkeys(windows, 0.0)
    for (start, labels), sample in table.items():
        if start in counts:
            part, total = count(labels, sample)
            counts[start] += part
            rows[start] += total
    return list(counts.values()), list(rows.values())


def _event(
    table: ByWindow, around: Window, words: str, count: Count, tried: int, whose: str
) -> Event | None:
    counts, rows = _series_of(table, around, lambda _, sample: count(sample))
    found = largest_break(counts, rows, tried)
    if found is None or found.strength <= 0.0:
        return None
    shares = _shares(found.counted)
    verb = "rises" if found.counted.change > 0 else "falls"
    at_ns = around.start_ns + found.at * WINDOW_NS
    return Event(words=f"{whose}{words} {verb} {shares}", at_ns=at_ns, strength=found.strength)


def _label_event(
    table: ByWindow, around: Window, pair: tuple[str, str], tried: int, whose: str
) -> Event | None:
    def count(labels: Labels, sample: SummarySample) -> tuple[float, float]:
        _, rows = _failed(sample)
        values = dict(labels.pairs)
        if pair[0] not in values:
            return 0.0, 0.0
        return (rows if values[pair[0]] == pair[1] else 0.0), rows

    counts, rows = _series_of(table, around, count)
    found = largest_break(counts, rows, tried)
    if found is None or found.strength <= 0.0:
        return None
    name, counted = f"{pair[0]}={pair[1]}", found.counted
    at_ns = around.start_ns + found.at * WINDOW_NS
    if not counted.before:
        words = f"{name} appears, with {percent(counted.share_now)} of the requests"
    elif not counted.now:
        words = f"{name} ends, which had {percent(counted.share_before)} of the requests"
    else:
        words = f"the share of {name} changes {_shares(counted)}"
    return Event(words=f"{whose}{words}", at_ns=at_ns, strength=found.strength)


def _shares(counted: Counted) -> str:
    return f"from {percent(counted.share_before)} to {percent(counted.share_now)}"


def upstream_events(readers: Sequence[Reader], around: Window, onset_ns: int) -> list[Event]:
    """Return changes of failures and latency of the entities that are read from directly."""
    return [
        one
        for reader in readers
        for one in service_events(reader, around, onset_ns, whose=f"upstream {reader.entity}: ")
    ]
