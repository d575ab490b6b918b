"""Reads predictions judged by their ground truth, with the number of all predictions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nilometer.alert.calibrated.counting import is_pooled
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.profile import FeatureProfile, ScoreProfile, SummarySample
from nilometer.profile.performance import Classification
from nilometer.values.entity import SCHEMA, SCORES_SUFFIX, SERVICE, Role, role_of, summary_name
from nilometer.wire.contents.codec import EdgesOf, no_edges
from nilometer_collector.store import Samples, SeriesRecord
from nilometer_collector.store.levels import Level
from nilometer_collector.watch.labelled.columns import Judged, is_judged, merged_rows
from nilometer_collector.watch.reading import Reader


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """The labelled predictions of a span.

    Attributes:
        start_ns: Start of the span, Unix nanoseconds.
        end_ns: End of the span.
        rows: Labelled predictions of all traffic, and of each label set.
        predictions: Number of all predictions, of the same keys.
    """

    start_ns: int
    end_ns: int
    rows: Mapping[PartKey, Judged] = field(default_factory=dict)
    predictions: Mapping[PartKey, float] = field(default_factory=dict)

    def labelled(self, key: PartKey) -> float:
        """Return the number of labelled predictions of *key*."""
        return float(self.rows[key].count) if key in self.rows else 0.0

    def predicted(self, key: PartKey) -> float:
        """Return the number of predictions of *key*, labelled or not."""
        own = float(self.rows[key].cells) if key in self.rows else 0.0
        return max(own, self.predictions.get(key, 0.0))

    def share(self, key: PartKey) -> float | None:
        """Return the share of the predictions of *key* with a label; None without predictions."""
        predicted = self.predicted(key)
        return self.labelled(key) / predicted if predicted else None


class PerformanceReader:
    """Reads one summary of performance, and the outputs whose number tells how many rows it lacks.

    Args:
        samples: Stored samples.
        edges_of: Function that finds the edges of the entity's references.
        summary: Name of the summary.
        series: Series of the entity.
    """

    def __init__(
        self, samples: Samples, edges_of: EdgesOf, summary: str, series: Sequence[SeriesRecord]
    ) -> None:
        self.summary = summary
        self.series = [one for one in series if one.summary == summary]
        self.outputs = _outputs_of(summary, series)
        self._reader = Reader(samples, edges_of, Level.FIVE_MINUTES)

    @property
    def shortest(self) -> int:
        """Length of the windows of the summary, in base windows."""
        return max(max((one.last_window_ns for one in self.series), default=0) // BASE_NS, 1)

    def windows(self, start_ns: int, end_ns: int) -> Iterator[LabelledWindow]:
        """Read the base windows that end in ``(start_ns, end_ns]`` and have data, in order."""
        both = [*self.series, *self.outputs]
        for window_end_ns, samples in self._reader.samples(both, start_ns, end_ns):
            yield self._of(window_end_ns, samples)

    def window(self, start_ns: int, end_ns: int) -> LabelledWindow:
        """Read ``(start_ns, end_ns]`` as one window."""
        return joined_windows(start_ns, end_ns, list(self.windows(start_ns, end_ns)))

    def next_data_ns(self, start_ns: int, end_ns: int) -> int:
        """Return a late time in [*start_ns*, *end_ns*] such that no sample ends before it."""
        return self._reader.next_data_ns([*self.series, *self.outputs], start_ns, end_ns)

    def scores(self, start_ns: int, end_ns: int) -> ScoreProfile | None:
        """Read the scores of all predictions of ``(start_ns, end_ns]``; None without any."""
        series = [one for one in self.outputs if one.summary.endswith(SCORES_SUFFIX)]
        found = [
            sample.content
            for _, samples in self._reader.samples(series, start_ns, end_ns)
            for sample in samples
            if isinstance(sample.content, ScoreProfile)
        ]
        return ScoreProfile.merge_all(found) if found else None

    def _of(self, end_ns: int, samples: Sequence[SummarySample]) -> LabelledWindow:
        parts: dict[PartKey, list[Judged]] = {}
        predictions: dict[str, dict[PartKey, float]] = {}
        for sample in samples:
            content = sample.content
            keys = {PartKey(self.summary), PartKey(self.summary, sample.labels)}
            for key in keys:
                if sample.summary == self.summary and is_judged(content):
                    parts.setdefault(key, []).append(content)
                elif isinstance(content, FeatureProfile | ScoreProfile):
                    counted = predictions.setdefault(sample.summary, {})
                    counted[key] = counted.get(key, 0.0) + content.cells / sample.sample
        rows = {key: merged_rows(found) for key, found in parts.items()}
        most: dict[PartKey, float] = {}
        for counted in predictions.values():  # an output and its scores count the same predictions
            for key, cells in counted.items():
                most[key] = max(most.get(key, 0.0), cells)
        known = {key: one for key, one in rows.items() if one is not None}
        return LabelledWindow(end_ns - BASE_NS, end_ns, known, most)


def joined_windows(start_ns: int, end_ns: int, windows: Sequence[LabelledWindow]) -> LabelledWindow:
    """Return *windows* as one from *start_ns* to *end_ns*."""
    rows: dict[PartKey, list[Judged]] = {}
    predictions: dict[PartKey, float] = {}
    for window in windows:
        for key, one in window.rows.items():
            rows.setdefault(key, []).append(one)
        for key in window.rows.keys() | window.predictions.keys():
            predictions[key] = predictions.get(key, 0.0) + window.predicted(key)
    merged = {key: merged_rows(parts) for key, parts in rows.items()}
    known = {key: one for key, one in merged.items() if one is not None}
    return LabelledWindow(start_ns, end_ns, known, predictions)


def performance_summaries(
    samples: Samples, series: Sequence[SeriesRecord], known: dict[str, bool]
) -> list[str]:
    """List the summaries of *series* that hold performance, by name.

    All samples of a summary have one type, so one sample tells it.

    Args:
        samples: Stored samples.
        series: Series of one entity.
        known: Results for earlier summaries; new results are added.
    """
    reader = Reader(samples, no_edges)
    for one in series:
        if one.summary in known or one.summary in (SCHEMA, SERVICE) or role_of(one.summary):
            continue
        found = reader.samples([one], one.last_end_ns - 1, one.last_end_ns)
        contents = [sample.content for _, each in found for sample in each]
        if contents:
            known[one.summary] = is_judged(contents[0])
    return sorted({one.summary for one in series if known.get(one.summary, False)})


def scored_rows(window: LabelledWindow) -> Classification | None:
    """Return the labelled rows of all traffic if a binary classifier has scored them."""
    for key, rows in window.rows.items():
        if is_pooled(key) and isinstance(rows, Classification) and rows.positive is not None:
            return rows
    return None


def _outputs_of(summary: str, series: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """Return the series that count the predictions of *summary*: those of the output of its name.

    Without such an output, all outputs count, because each prediction has all outputs.
    """
    outputs = [one for one in series if role_of(one.summary) is Role.OUTPUT]
    own = summary_name(Role.OUTPUT, summary.partition(".")[2])
    named = [one for one in outputs if one.summary in (own, own + SCORES_SUFFIX)]
    return named or outputs
