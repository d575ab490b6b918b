"""Reads the features of an episode's entity: since the onset, and at comparable times before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from nilometer.causes import FeatureSides
from nilometer.compare import reference_column
from nilometer.profile import FeatureProfile, Reference, ReferenceColumn, SummarySample
from nilometer.profile.reference import INPUT_BINS, LEARNED
from nilometer.values.entity import Role, is_logged, role_of
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.causes.reading import Reader
from nilometer_collector.causes.spans import DAYS, Times
from nilometer_collector.store import EpisodeRecord, SeriesRecord, Store

MOST_FEATURES = 64  # features that are compared


@dataclass(frozen=True, slots=True)
class Compared:
    """The features that were read.

    Attributes:
        sides: Both sides of each feature.
        left_out: Number of features that were not read.
        before: Comparable times that were read.
    """

    sides: Sequence[FeatureSides]
    left_out: int
    before: Sequence[Window]


def compared(store: Store, reader: Reader, episode: EpisodeRecord, times: Times) -> Compared:
    """Return the features of *episode*: those that drift first, then by name.

    Of an episode of one segment, only this segment is compared. Fewer features are read if they have too
    many samples.
    """
    drifting = [part.summary for part in episode.parts] or [episode.summary]
    order = {name: at for at, name in enumerate(dict.fromkeys(drifting))}
    names = {one.summary for one in reader.series}
    features = sorted(
        filter(_is_feature, names), key=lambda name: (order.get(name, len(order)), name)
    )
    chosen = features[:MOST_FEATURES]
    before = _with_data(reader, episode.labels, times)
    series = _series(reader, chosen, episode.labels)
    while chosen and reader.size(series, [times.now, *before]) > reader.left:
        chosen = chosen[: len(chosen) // 2]
        series = _series(reader, chosen, episode.labels)
    now = reader.merged(series, times.now, _summary)
    past = [reader.merged(series, window, _summary) for window in before]
    columns = _columns(store, episode)
    sides = [
        found
        for name in chosen
        if (found := _sides(name, now, past, columns.get(name))) is not None
    ]
    return Compared(sides, len(features) - len(chosen), before)


def _is_feature(summary: str) -> bool:
    return role_of(summary) in (Role.INPUT, Role.OUTPUT) and not is_logged(summary)


def _summary(series: SeriesRecord) -> str:
    return series.summary


def _series(reader: Reader, names: Sequence[str], labels: Labels) -> list[SeriesRecord]:
    chosen, wanted = set(names), set(labels.pairs)
    return [
        one for one in reader.series if one.summary in chosen and wanted.issubset(one.labels.pairs)
    ]


def _with_data(reader: Reader, labels: Labels, times: Times) -> list[Window]:
    """Return the comparable days that have data, at most `DAYS`; else the hours directly before."""
    wanted = set(labels.pairs)
    series = [
        one
        for one in reader.series
        if _is_feature(one.summary) and wanted.issubset(one.labels.pairs)
    ]
    days = list(islice((one for one in times.days if reader.has_samples(series, one)), DAYS))
    return days or [one for one in times.directly if reader.has_samples(series, one)]


def _sides(
    name: str,
    now: Mapping[str, SummarySample],
    past: Sequence[Mapping[str, SummarySample]],
    column: ReferenceColumn | None,
) -> FeatureSides | None:
    """Return both sides of a feature; None if a side has no features' profile."""
    before = [
        side[name].content
        for side in past
        if name in side and isinstance(side[name].content, FeatureProfile)
    ]
    profiles = [one for one in before if isinstance(one, FeatureProfile)]
    current = now[name].content if name in now else None
    if not profiles or not isinstance(current, FeatureProfile):
        return None
    if column is None:
        column = reference_column(FeatureProfile.merge_all(profiles), INPUT_BINS)
    return FeatureSides(summary=name, column=column, before=profiles, now=current)


def _columns(store: Store, episode: EpisodeRecord) -> dict[str, ReferenceColumn]:
    """Return the bins of each summary: those of the alerter's reference, else of the newest one."""
    records = store.references.records(episode.alerter.entity)
    wanted = episode.alerter.condition.reference
    records.sort(key=lambda one: (one.name == wanted, one.name != LEARNED, one.created_ns))
    found: dict[str, ReferenceColumn] = {}
    for record in records:
        reference: Reference | None = store.references.read(record)
        found |= {} if reference is None else reference.columns
    return found
