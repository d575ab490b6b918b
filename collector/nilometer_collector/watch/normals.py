"""Keeps drifts out of what baselines learn, unless a person accepted a new normal."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.judge import Verdict
from nilometer.alert.calibrated.parts import PartChange
from nilometer_collector.alerting.decisions import Decision
from nilometer_collector.store import NormalRecord
from nilometer_collector.watch.memory import Book, OpenPart, Watched

Spans = tuple[tuple[int, int, int], ...]


def accepted_parts(
    open_parts: Sequence[OpenPart], normals: Sequence[NormalRecord]
) -> dict[PartKey, Decision]:
    """Return the decision for each open part whose new normal was accepted."""
    lapsed = lapses(open_parts, normals)
    return {_key_of(one): one.decision for one in normals if not lapsed[one.id]}


def lapses(open_parts: Sequence[OpenPart], normals: Sequence[NormalRecord]) -> dict[int, bool]:
    """Return for the id of each new normal whether its part has closed since the decision."""
    numbers = {PartKey(one.record.summary, one.record.labels): one.number for one in open_parts}
    return {one.id: numbers.get(_key_of(one)) != one.number for one in normals}


def _key_of(normal: NormalRecord) -> PartKey:
    return PartKey(normal.decision.summary, normal.decision.labels)


def anew(book: Book, open_parts: Sequence[OpenPart], accepted: Mapping[PartKey, Decision]) -> Book:
    """Return *book*; the *accepted* parts lose their baseline and learn again from the onset."""
    onsets = {PartKey(p.record.summary, p.record.labels): p.record.onset_ns for p in open_parts}

    def learning(watched: Sequence[Watched]) -> tuple[Watched, ...]:
        return tuple(o.anew(onsets[o.key]) if o.key in accepted else o for o in watched)

    return replace(book, watched=learning(book.watched), performance=learning(book.performance))


def spans_after(
    spans: Spans, slots: Mapping[PartKey, int], verdict: Verdict, end_ns: int, oldest_ns: int
) -> Spans:
    """Return the spans ``(slot, start_ns, end_ns)`` that baselines must not learn from.

    The end is 0 while a part is open. Baselines learn from a new normal from its onset on.

    Args:
        spans: Spans before the window.
        slots: Slot of each subject.
        verdict: Parts that opened and closed in the window.
        end_ns: End of the window.
        oldest_ns: Time from which baselines learn; earlier spans are dropped.
    """
    changed = {slots[event.key]: event.change for event in verdict.parts if event.key in slots}
    kept = []
    for slot, start_ns, until_ns in spans:
        if until_ns:
            if until_ns > oldest_ns:
                kept.append((slot, start_ns, until_ns))
        elif changed.get(slot) is not PartChange.NEW_NORMAL:
            kept.append((slot, start_ns, end_ns if slot in changed else 0))
    opened = [
        (slots[event.key], event.onset_ns, 0)
        for event in verdict.parts
        if event.change is PartChange.OPENED and event.key in slots
    ]
    return (*kept, *opened)
