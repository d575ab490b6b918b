"""Groups of subjects with one window length, which are scored together."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.effects import Effect, effect_of
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.evidence import Budget, EvidenceState
from nilometer.alert.calibrated.model import Judged, Model, Stream
from nilometer.alert.calibrated.parts import Change, ModelState, PartChange
from nilometer.alert.calibrated.slots import Calendar

CHUNK = 288  # windows scored at once
PATIENCE = 288  # base windows without data after which an open part closes: a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A summary and label set that is judged.

    Attributes:
        key: Summary and label set.
        judged: Column with its baseline and its tolerance.
        length: Length of its windows in base windows; one of `baseline.LENGTHS`.
        share: Share of the entity's budget, above 0. All shares of an entity add up to at most 1.
        patience: Consecutive windows without data after which an open part closes.
    """

    key: PartKey
    judged: Judged
    length: int
    share: float
    patience: int = PATIENCE


Times = NDArray[np.int64]


class History(NamedTuple):
    """Earlier windows of one subject at its length, in order of time.

    Attributes:
        starts_ns: Starts of the windows, Unix nanoseconds, shape (W,).
        counts: Vectors of the column, shape (W, width).
    """

    starts_ns: Times
    counts: Floats


@dataclass(frozen=True, slots=True)
class PartEvent:
    """A part that opened or closed.

    Attributes:
        key: Summary and label set.
        change: Whether the part opened, or how it closed.
        stream: Component that drifted, and its direction.
        onset_ns: Estimated start of the drift, Unix nanoseconds.
        log_evidence: Natural logarithm of evidence divided by budget, for an opening; else 0.
    """

    key: PartKey
    change: PartChange
    stream: Stream
    onset_ns: int
    log_evidence: float = 0.0


class Group:
    """Subjects of one window length.

    Args:
        subjects: The subjects.
        calendar: Calendar of the entity for this window length.
        length: Length of the windows in base windows.
        budget: Mean number of base windows between false alarms of the entity.

    Attributes:
        keys: Position of the column of each subject.
        budget: Adds up the evidence of the streams.
        patience: Windows without data after which an open part of each column closes.
    """

    def __init__(
        self, subjects: list[Subject], calendar: Calendar, length: int, budget: float
    ) -> None:
        self.keys = {subject.key: place for place, subject in enumerate(subjects)}
        self._subjects = subjects
        self._calendar = calendar
        self._length = length
        self._model = Model([subject.judged for subject in subjects], calendar)
        self._nothing = {one.key: np.zeros(one.judged.column.width) for one in subjects}
        self.patience = [subject.patience for subject in subjects]
        shares = np.array([subject.share for subject in subjects])
        self.budget = Budget(self._model.of_stream, shares, base_windows=length, budget=budget)

    @property
    def empty(self) -> ModelState:
        """The state before the first window."""
        return ModelState(evidence=EvidenceState.empty(len(self._model.streams)))

    def key_of(self, column: int) -> PartKey:
        """Return the summary and label set of the column at this position."""
        return self._subjects[column].key

    def judged(self, key: PartKey) -> Judged:
        """Return the column of the subject *key*."""
        return self._subjects[self.keys[key]].judged

    def carried(
        self,
        before: "Group | None",
        state: ModelState | None,
        reset: Collection[PartKey],
        end_ns: int,
    ) -> ModelState:
        """Convert the *state* of the group *before* to a state of this group.

        Streams of subjects in *reset*, and new streams, start after *end_ns*.
        """
        fresh = self.empty.evidence
        fresh.since_ns[:] = end_ns
        if before is None or state is None:
            return ModelState(evidence=fresh, end_ns=end_ns)
        places = {identity: place for place, identity in enumerate(before.identities())}
        now = {}  # new position of each kept stream, by its old position
        for place, (key, component, sign) in enumerate(self.identities()):
            old = places.get((key, component, sign))
            if old is not None and key not in reset:
                now[old] = place
                for name in ("m", "windows", "since_ns"):
                    getattr(fresh, name)[place] = getattr(state.evidence, name)[old]
        parts = {
            self.keys[before.key_of(column)]: replace(
                part,
                stream=now[part.stream],
                recoveries={now[stream]: m for stream, m in part.recoveries.items()},
            )
            for column, part in state.parts.items()
            if now.keys() >= {part.stream, *part.recoveries}
        }
        return ModelState(evidence=fresh, parts=parts, end_ns=state.end_ns)

    def identities(self) -> list[tuple[PartKey, str, int]]:
        """List (subject, component, sign) of each stream."""
        return [
            (self.key_of(stream.column), stream.component, stream.sign)
            for stream in self._model.streams
        ]

    def joined(self, counts: Mapping[PartKey, Floats], windows: int) -> Floats:
        """Join the vectors of *windows* windows; subjects without data have counts of 0."""
        layout = self._model.layout
        found = np.zeros((windows, layout.width))
        for key, place in self.keys.items():
            vectors = counts.get(key)
            if vectors is not None:
                start = layout.offsets[place]
                found[: len(vectors), start : start + vectors.shape[1]] = vectors
        return found

    def joined_window(self, counts: Mapping[PartKey, Floats]) -> Floats:
        """Join the vectors of one window, shape (1, width); see `joined`."""
        parts = [counts.get(key, nothing) for key, nothing in self._nothing.items()]
        return np.concatenate(parts)[None] if parts else np.zeros((1, 0))

    def scores(self, joined: Floats, starts_ns: Times) -> Floats:
        """Return the scores of each stream, shape (W, S)."""
        slots = self._calendar.slots(starts_ns)
        if len(joined) <= CHUNK:
            return self._model.z(joined, slots)
        parts = [
            self._model.z(joined[first : first + CHUNK], slots.part(slice(first, first + CHUNK)))
            for first in range(0, len(joined), CHUNK)
        ]
        return np.concatenate(parts)

    def event(self, change: Change) -> PartEvent:
        """Return a change of this group with names instead of positions."""
        return PartEvent(
            key=self._subjects[change.column].key,
            change=change.change,
            stream=self._model.streams[change.part.stream],
            onset_ns=change.part.onset_ns,
            log_evidence=change.log_evidence,
        )

    def effect(self, key: PartKey, stream: Stream, history: History) -> Effect | None:
        """Return the effect of *stream* of a subject over *history*; None if it is not judged."""
        judged = self.judged(key)
        alone = Model([judged], self._calendar)
        place = next(
            i
            for i, one in enumerate(alone.streams)
            if (one.component, one.sign) == (stream.component, stream.sign)
        )
        scored = alone.scores(history.counts, self._calendar.slots(history.starts_ns))
        columns = (scored.effect, scored.variance, scored.rows, scored.z)
        return effect_of(stream.component, *(values[:, place] for values in columns))
