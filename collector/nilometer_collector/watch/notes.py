"""Converts the verdicts of the judge into changes of stored episodes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from nilometer.alert import Alerter, AlertStatus, Severity
from nilometer.alert.calibrated.effects import Effect, Unit
from nilometer.alert.calibrated.episodes import EntityEpisodes, Episode, PartKey
from nilometer.alert.calibrated.group import PartEvent
from nilometer.alert.calibrated.judge import Verdict
from nilometer.alert.calibrated.parts import PartChange
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.calibrated.words import drift_sentence, opening_sentence
from nilometer.alert.conditions import DEFAULT_ALERTER, Calibrated
from nilometer_collector.alerting.decisions import Decision
from nilometer_collector.alerting.episodes import Closed, Opened, Turn
from nilometer_collector.alerting.watch_report import PartEnd
from nilometer_collector.store import EpisodeStep, PartRecord
from nilometer_collector.watch.memory import OpenPart
from nilometer_collector.watch.words import closing_sentence

ENDS = {
    PartChange.CLOSED: PartEnd.RECOVERED,
    PartChange.CLOSED_WITHOUT_DATA: PartEnd.NO_DATA,
    PartChange.REPLACED: PartEnd.REPLACED,
    PartChange.NEW_NORMAL: PartEnd.NEW_NORMAL,
}
NO_NORMALS: Mapping[PartKey, Decision] = {}
_STATUS_AFTER = {
    PartChange.CLOSED_WITHOUT_DATA: AlertStatus.NO_DATA,
    PartChange.NEW_NORMAL: AlertStatus.LEARNING,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a part that opens has moved.

    Attributes:
        effect: Effect since its onset; None if no window was judged.
        tolerance: Tolerance in the unit of the effect.
        usual: Usual share that the part moved from, for performance and service; else None.
        also: Further figure that its sentence ends with; may be empty.
    """

    effect: Effect | None
    tolerance: float
    usual: float | None = None
    also: str = ""


Measure = Callable[[PartEvent], Measured]


def unmeasured(event: PartEvent) -> Measured:
    """Return no effect, for verdicts in which no part opens."""
    del event
    return Measured(None, 0.0)


class Notes:
    """Records the changes of the episodes of one entity.

    Args:
        entity: Name of the entity.
        budget_days: Mean number of days between its false alarms.
        open_parts: Open parts with the numbers of their episodes.
        normals: New normals that people have accepted, by part.

    Attributes:
        open_parts: Currently open parts.
    """

    def __init__(
        self,
        entity: str,
        budget_days: float,
        open_parts: Sequence[OpenPart],
        normals: Mapping[PartKey, Decision] = NO_NORMALS,
    ) -> None:
        self._entity = entity
        self._normals = normals
        self._budget_days = budget_days
        self.open_parts: dict[PartKey, OpenPart] = {
            PartKey(part.record.summary, part.record.labels): part for part in open_parts
        }

    def take(
        self,
        verdict: Verdict,
        episodes: EntityEpisodes,
        end_ns: int,
        measure: Measure,
        digest: str,
    ) -> tuple[EntityEpisodes, list[EpisodeStep]]:
        """Return the episodes with measured effects, and the changes to store.

        Args:
            verdict: Verdict of the judge about a window.
            episodes: Open episodes after it.
            end_ns: End of the window.
            measure: Function that measures the effect of a part that opened.
            digest: Digest of the baselines.
        """
        closed: dict[PartKey, tuple[OpenPart, PartChange]] = {}
        opened: dict[PartKey, PartRecord] = {}
        sizes = {}
        for event in verdict.parts:
            if event.change is PartChange.OPENED:
                found = measure(event)
                opened[event.key] = _record(event, found, end_ns)
                sizes[event.key] = 0.0 if found.effect is None else found.effect.size
            elif event.key in self.open_parts:
                part = self.open_parts.pop(event.key)
                record = replace(part.record, closed_ns=end_ns, ended=ENDS[event.change].value)
                ended = replace(part, record=record)
                closed[event.key] = (ended, event.change)
        episodes = episodes.measured(sizes)
        steps = []
        joined = {key: number for number, key in verdict.told.joined}
        new = {key: one.id for one in verdict.told.opened for key in one.open_parts}
        for number in {one.number for one, _ in closed.values()} | set(joined.values()):
            ended_now = [one for one in closed.values() if one[0].number == number]
            over = next((one for one in verdict.told.closed if one.id == number), None)
            episode = over or episodes.open.get(number)
            if episode is None:
                continue
            parts = [one.record for one, _ in ended_now]
            parts += [opened[key] for key, into in joined.items() if into == number]
            change = self._closing(ended_now[-1], digest, end_ns) if over else None
            self._keep(number, [opened[key] for key, into in joined.items() if into == number])
            steps.append(self._step(number, episode, parts, change, ended_now))
        for one in verdict.told.opened:
            episode = episodes.open.get(one.id, one)
            ranked = sorted(episode.parts, key=lambda key: (-episode.parts[key], key))
            parts = [opened[key] for key in ranked if new.get(key) == one.id]
            self._keep(one.id, parts)
            opening = self._opening(parts, digest, end_ns)
            steps.append(self._step(one.id, episode, parts, opening, ()))
        return episodes, sorted(steps, key=lambda step: step.number)

    def _keep(self, number: int, parts: Sequence[PartRecord]) -> None:
        for part in parts:
            key = PartKey(part.summary, part.labels)
            self.open_parts[key] = OpenPart(number=number, record=part)

    def _step(
        self,
        number: int,
        episode: Episode,
        parts: Sequence[PartRecord],
        change: Opened | Closed | None,
        ended: Sequence[tuple[OpenPart, PartChange]],
    ) -> EpisodeStep:
        known = {key: part.record for key, part in self.open_parts.items()}
        known |= {PartKey(p.record.summary, p.record.labels): p.record for p, _ in ended}
        known |= {PartKey(part.summary, part.labels): part for part in parts}
        lead = episode.lead if episode.lead in known else next(iter(known))
        return EpisodeStep(
            number=number,
            summary=lead.summary,
            labels=lead.labels,
            value=known[lead].effect,
            change=change,
            parts=tuple(parts),
        )

    def _opening(self, parts: Sequence[PartRecord], digest: str, end_ns: int) -> Opened:
        lead, *others = parts
        keys = [PartKey(one.summary, one.labels) for one in others]
        sentence = opening_sentence(lead.evidence, keys)
        turn = self._turn(AlertStatus.ALERTING, lead, sentence, digest, end_ns)
        return Opened(since_ns=min(part.onset_ns for part in parts), turn=turn)

    def _closing(self, ended: tuple[OpenPart, PartChange], digest: str, end_ns: int) -> Closed:
        part, change = ended
        status = _STATUS_AFTER.get(change, AlertStatus.OK)
        key = PartKey(part.record.summary, part.record.labels)
        accepted = self._normals.get(key) if change is PartChange.NEW_NORMAL else None
        sentence = closing_sentence(part.record, change, accepted)
        return Closed(
            closed_ns=end_ns, turn=self._turn(status, part.record, sentence, digest, end_ns)
        )

    def _turn(
        self, status: AlertStatus, part: PartRecord, sentence: str, digest: str, end_ns: int
    ) -> Turn:
        condition = Calibrated(
            component=part.component,
            unit=part.unit,
            tolerance=part.tolerance,
            budget_days=self._budget_days,
        )
        alerter = Alerter(
            entity=self._entity,
            name=DEFAULT_ALERTER,
            summary="*",
            condition=condition,
            severity=Severity(part.severity),
        )
        return Turn(
            status=status,
            at_ns=end_ns,
            window_start_ns=end_ns - BASE_NS,
            value=part.effect,
            evidence=sentence,
            reference_digest=digest,
            alerter=alerter,
        )


def _record(event: PartEvent, found: Measured, end_ns: int) -> PartRecord:
    key, stream, effect = event.key, event.stream, found.effect
    severity = Severity.WARNING if effect is None else effect.severity
    return PartRecord(
        summary=key.summary,
        labels=key.labels,
        component=stream.component,
        direction=stream.sign,
        onset_ns=event.onset_ns,
        opened_ns=end_ns,
        closed_ns=None,
        effect=0.0 if effect is None else effect.value,
        bound=0.0 if effect is None else effect.bound,
        tolerance=found.tolerance,
        unit=Unit.of(stream.component).value,
        severity=severity.value,
        evidence=drift_sentence(
            key.summary,
            str(key.labels),
            stream.component,
            stream.sign,
            effect,
            found.tolerance,
            event.onset_ns,
            found.usual,
        )
        + found.also,
    )
