"""Windows of judged predictions beside all predictions of the same windows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nilometer.profile import Content, ScoreProfile
from nilometer.profile.performance import Classification
from nilometer.profile.score import UNION_EDGES, score_edges
from nilometer.values.entity import PERFORMANCE, SCORES_SUFFIX, Role, summary_name
from nilometer.values.labels import LabelFilter
from nilometer_collector.errors import Unknown
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.lags import summed
from nilometer_collector.ground_truth.maturity import Arrived
from nilometer_collector.query.query import Query
from nilometer_collector.query.records import EVERY_LABEL, SamplesQuestion
from nilometer_collector.store import JudgedWindow, Store
from nilometer_collector.store.label_text import from_text

MOST_WINDOWS = 10_000  # most windows of all label sets that one answer reads


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedWindow:
    """A window with what arrived of its ground truth.

    Attributes:
        content: Performance of its predictions.
        score_distance: Total variation distance between the scores with ground truth and all
            scores, from 0 to 1; None if they are not known.
    """

    arrived: Arrived
    content: Content | None
    score_distance: float | None


def arrived_windows(
    store: Store,
    query: Query,
    definition: PerformanceDefinition,
    start_ns: int,
    end_ns: int,
    labels: LabelFilter = EVERY_LABEL,
) -> list[ArrivedWindow]:
    """Return the windows of [start, end) with judged predictions, oldest first.

    The number of predictions is that of the profiles of the output column. Agents profile every
    prediction, whether it is logged or not, and profiles stay when the log has expired.
    """
    entity, step_ns = definition.entity, definition.step_ns
    judged: dict[int, list[JudgedWindow]] = {}
    for window in store.truths.windows(entity, start_ns, end_ns, MOST_WINDOWS):
        key = window.key
        if key.end_ns - key.start_ns == step_ns and labels.matches(from_text(key.labels)):
            judged.setdefault(key.start_ns, []).append(window)
    if not judged:
        return []
    reading = _Reading(query, definition, labels, min(judged), max(judged) + step_ns)
    output = _output(definition)
    contents = reading.of(PERFORMANCE)
    outputs = reading.of(output) if output else {}
    scores = reading.of(output + SCORES_SUFFIX) if definition.task == "binary" else {}
    windows = []
    for at in sorted(judged):
        content = contents[at][0] if at in contents else None
        profile, sample = outputs.get(at, (None, 1.0))
        windows.append(
            ArrivedWindow(
                arrived=Arrived(
                    start_ns=at,
                    end_ns=at + step_ns,
                    labelled=sum(one.labelled for one in judged[at]),
                    lags=summed(one.lags for one in judged[at]),
                    predictions=None if profile is None else profile.cells / sample,
                ),
                content=content,
                score_distance=_distance(content, scores[at][0]) if at in scores else None,
            )
        )
    return windows


def _output(definition: PerformanceDefinition) -> str:
    """Return the summary of an output column that every prediction has; empty without one."""
    columns = (definition.score, *definition.scores.values(), definition.predicted)
    column = next(filter(None, columns), "")
    return summary_name(Role.OUTPUT, column) if column else ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads contents of the windows of a definition."""

    query: Query
    definition: PerformanceDefinition
    labels: LabelFilter
    start_ns: int
    end_ns: int

    def of(self, summary: str) -> Mapping[int, tuple[Content, float]]:
        """Return the content of each window by its start, and the share that was profiled."""
        question = SamplesQuestion(
            entity=self.definition.entity,
            summary=summary,
            labels=self.labels,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            step_ns=self.definition.step_ns,
        )
        try:
            found = self.query.samples(question).samples
        except Unknown:
            return {}
        return {
            one.sample.window.start_ns: (one.sample.content, one.sample.sample) for one in found
        }


def _distance(content: Content | None, scores: Content) -> float | None:
    """Return the total variation distance between labelled scores and all scores."""
    if not isinstance(content, Classification) or content.positive is None:
        return None
    if not isinstance(scores, ScoreProfile):
        return None
    cells = content.scores[content.positive].joined(content.thresholds, ())
    labelled = cells.counts.sum(axis=(0, 1)).astype(np.float64)
    every = np.zeros(UNION_EDGES.size + 1)
    starts = np.concatenate([[0], score_edges(scores.thresholds).searchsorted(UNION_EDGES) + 1])
    for bins in scores.classes.values():
        every += np.add.reduceat(bins.counts, starts)
    if not labelled.sum() or not every.sum():
        return None
    return float(np.abs(labelled / labelled.sum() - every / every.sum()).sum() / 2)
