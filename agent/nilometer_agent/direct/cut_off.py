"""Judges the windows of one entity from the moment on at which its agent was cut off."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from nilometer.alert import Alerter, Evaluation, Severity, Verdict
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.counting import added, counts_of
from nilometer.alert.calibrated.effects import Unit
from nilometer.alert.calibrated.episodes import Episode, PartKey
from nilometer.alert.calibrated.group import History, PartEvent
from nilometer.alert.calibrated.handed import HandedOver
from nilometer.alert.calibrated.holidays import Holidays
from nilometer.alert.calibrated.judge import EntityState
from nilometer.alert.calibrated.limits import tolerance_of, usual_of
from nilometer.alert.calibrated.parts import PartChange
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.calibrated.words import drift_sentence, has_usual_share, opening_sentence
from nilometer.alert.conditions import DEFAULT_ALERTER, Calibrated
from nilometer.profile import SummarySample
from nilometer.values.clock import NANOSECONDS
from nilometer.values.time_zone import zone_named
from nilometer.values.window import Window

MOST_KEPT_WINDOWS = 288  # base windows whose counts are kept: a day
MOST_KEPT_BYTES = 4 << 20  # their largest size; the oldest are forgotten first
MOST_JOINED = 3  # episodes of one outage in one message: the most severe, then the newest

Counts = Mapping[PartKey, NDArray[np.float32]]

_ORDER = tuple(Severity)  # the least severe first


@dataclass(frozen=True, slots=True)
class Told:
    """An episode that opened.

    Attributes:
        number: Number that the collector gives to the next episode of the entity.
        evaluation: Its leading part, with the sentence about all parts. All episodes of one outage
            join one incident, so the most severe one leads, and the others follow in the sentence.
    """

    number: int
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that opened: its key, its evaluation, and the size of its effect."""

    key: PartKey
    evaluation: Evaluation
    size: float


class CutOffEntity:
    """The default alerter of one entity in one agent, over one time in which the agent is cut off.

    Args:
        entity: Name of the entity.
        content: Packed baselines from the collector.
        start_ns: Start of the first window that closed while the agent was cut off, Unix
            nanoseconds. The first base window that is judged begins there or later.

    Attributes:
        counting: Counts of the base windows that are not over, by their ends.

    Raises:
        ValueError: If the baselines cannot be read.
        ConfigError: If a holiday in them is not a day of the calendar.
    """

    def __init__(self, entity: str, content: bytes, start_ns: int) -> None:
        self._entity = entity
        self._handed = HandedOver.from_bytes(content)
        self._columns = self._handed.columns
        self._judge = self._handed.judge()
        self._holidays = Holidays(self._handed.holidays)
        self._zone = zone_named(self._handed.time_zone)
        self._subjects = frozenset(one.key for one in self._handed.subjects)
        self._state = EntityState()
        self._since_ns = -(-start_ns // BASE_NS) * BASE_NS  # start of the oldest kept window
        self._end_ns = self._since_ns  # end of the newest base window that was judged
        self.counting: dict[int, dict[PartKey, list[tuple[float, Floats]]]] = {}
        self._kept: OrderedDict[int, Counts] = OrderedDict()
        self._kept_bytes = 0
        self._opened: list[Evaluation] = []  # episodes since the cut, the most severe first

    def take(self, samples: Sequence[SummarySample]) -> list[Told]:
        """Count the samples of a closed window, and return the episodes that open.

        A base window is judged when a later window closes, as in the collector. Samples of windows
        that began before the agent was cut off, or that were judged, are left out.
        """
        window = samples[0].window
        base_end_ns = -(-window.end_ns // BASE_NS) * BASE_NS
        if window.start_ns < self._end_ns:
            return []
        told = self._advance(window.start_ns // BASE_NS * BASE_NS)
        parts = self.counting.setdefault(base_end_ns, {})
        for sample in samples:
            for one in counts_of(sample, self._columns):
                for key in {PartKey(one.summary), PartKey(one.summary, one.labels)}:
                    if key in self._subjects:
                        parts.setdefault(key, []).append((one.share, one.vector))
        return told

    def _advance(self, until_ns: int) -> list[Told]:
        """Judge the base windows that end up to *until_ns*."""
        if until_ns - self._end_ns > MOST_KEPT_WINDOWS * BASE_NS:  # no traffic for a day
            self._state, self.counting = EntityState(), {}
            self._kept.clear()
            self._kept_bytes = 0
            self._since_ns = self._end_ns = until_ns
        told = []
        while self._end_ns < until_ns:
            end_ns = self._end_ns = self._end_ns + BASE_NS
            parts = self.counting.pop(end_ns, {})
            self._keep(end_ns, {key: added(found) for key, found in parts.items()})
            self._state, verdict = self._judge.advance(self._state, self._due(end_ns), end_ns)
            opened = [one for one in verdict.parts if one.change is PartChange.OPENED]
            told += [self._told(episode, opened, end_ns) for episode in verdict.told.opened]
        return told

    def _keep(self, end_ns: int, counts: Mapping[PartKey, Floats]) -> None:
        self._kept[end_ns] = {key: vector.astype(np.float32) for key, vector in counts.items()}
        self._kept_bytes += _size(self._kept[end_ns])
        while len(self._kept) > MOST_KEPT_WINDOWS or self._kept_bytes > MOST_KEPT_BYTES:
            oldest_ns, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= _size(oldest)
            self._since_ns = oldest_ns

    def _due(self, end_ns: int) -> dict[PartKey, Floats]:
        """Return the counts of the subjects whose window ends now, and began after the cut."""
        found: dict[PartKey, Floats] = {}
        for key, start_ns in self._judge.due(end_ns).items():
            vectors = self._vectors(key, start_ns, end_ns)
            if start_ns >= self._since_ns and vectors:
                found[key] = np.sum([vector for _, vector in vectors], axis=0)
        return found

    def _vectors(self, key: PartKey, start_ns: int, end_ns: int) -> list[tuple[int, Floats]]:
        """Return the counts of a subject by the ends of its base windows, oldest first."""
        ends = range(max(start_ns, self._since_ns) + BASE_NS, end_ns + 1, BASE_NS)
        kept = ((end, self._kept[end].get(key)) for end in ends if end in self._kept)
        return [(end, found.astype(np.float64)) for end, found in kept if found is not None]

    def _told(self, episode: Episode, opened: Sequence[PartEvent], end_ns: int) -> Told:
        parts = [self._part(one, end_ns) for one in opened if one.key in episode.open_parts]
        lead, *others = sorted(parts, key=lambda part: (-part.size, part.key))
        sentence = opening_sentence(lead.evaluation.evidence, [part.key for part in others])
        self._opened.insert(0, replace(lead.evaluation, evidence=sentence))
        self._opened.sort(key=lambda one: -_ORDER.index(one.severity))
        del self._opened[MOST_JOINED:]
        first, *before = (one.evidence for one in self._opened)
        joined = f"{first}; in the same outage: {'; '.join(before)}" if before else first
        return Told(self._handed.episode, replace(self._opened[0], evidence=joined))

    def _part(self, event: PartEvent, end_ns: int) -> _Part:
        """Return a part that opens, with its effect since the onset."""
        key, component = event.key, event.stream.component
        judged = self._judge.judged(key)
        length_ns = self._judge.lengths[key] * BASE_NS
        effect = self._judge.effect(key, event.stream, self._history(key, event.onset_ns, end_ns))
        is_holiday = self._is_holiday(end_ns - length_ns)
        tolerance = tolerance_of(judged, component, is_holiday=is_holiday)
        has_usual = has_usual_share(key.summary, component)
        has_usual |= self._columns[key.summary].expected is not None
        evidence = drift_sentence(
            key.summary,
            str(key.labels),
            component,
            event.stream.sign,
            effect,
            tolerance,
            event.onset_ns,
            usual_of(judged, component) if has_usual else None,
        )
        evaluation = Evaluation(
            alerter=Alerter(
                entity=self._entity,
                name=DEFAULT_ALERTER,
                summary="*",
                condition=Calibrated(
                    component=component,
                    unit=Unit.of(component).value,
                    tolerance=tolerance,
                    budget_days=self._handed.budget_days,
                ),
                severity=Severity.WARNING if effect is None else effect.severity,
            ),
            summary=key.summary,
            labels=key.labels,
            window=Window(end_ns - BASE_NS, end_ns),
            verdict=Verdict.BREACH,
            value=0.0 if effect is None else effect.value,
            count=0 if effect is None else int(effect.rows),
            reference_digest="",
            evidence=evidence,
            edge=True,
        )
        return _Part(key, evaluation, 0.0 if effect is None else effect.size)

    def _history(self, key: PartKey, onset_ns: int, end_ns: int) -> History:
        """Return the windows of a subject since *onset_ns*, of those that are kept."""
        length_ns = self._judge.lengths[key] * BASE_NS
        oldest_ns = -(-self._since_ns // length_ns) * length_ns
        first_ns = max(onset_ns // length_ns * length_ns, oldest_ns)
        width = self._columns[key.summary].column.width
        counts = np.zeros((max(end_ns - first_ns, 0) // length_ns, width))
        for end, vector in self._vectors(key, first_ns, end_ns):
            counts[(end - 1 - first_ns) // length_ns] += vector
        starts = first_ns + np.arange(len(counts), dtype=np.int64) * length_ns
        return History(starts, counts)

    def _is_holiday(self, at_ns: int) -> bool:
        return datetime.fromtimestamp(at_ns // NANOSECONDS, self._zone).date() in self._holidays


def _size(counts: Counts) -> int:
    return sum(vector.nbytes for vector in counts.values())
