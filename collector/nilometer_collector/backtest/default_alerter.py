"""Replays the default alerter on stored windows: it learns and judges as if live.

A replay starts to learn before the tested time, as early as the history allows. Its baselines never
use later data. It uses the bins on which agents count now, and stores nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from nilometer.alert.calibrated.packing import packed, unpacked
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.conditions import DEFAULT_ALERTER, Calibrated
from nilometer_collector.alerting.episodes import Closed, Opened
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.backtest.overlay import Overlay
from nilometer_collector.backtest.records import DAY_NS, Firing, Replay
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import EpisodeStep, Store, WatchRecord
from nilometer_collector.watch.entity import EntityWatch
from nilometer_collector.watch.fitting import Fitter
from nilometer_collector.watch.memory import Book, Memory, Watched
from nilometer_collector.watch.watch import past_until

LEARN_DAYS = 15  # days before the tested time: a live baseline is frozen after 14
ACTIVE_DAYS = 8  # days of traffic until the default alerter is ACTIVE, if they have a weekend


def begun_for(start_ns: int, first_ns: int) -> int:
    """Return the time at which a replay starts to learn, for a test from *start_ns* on.

    Args:
        start_ns: Start of the tested time.
        first_ns: Start of the stored history.
    """
    begun_ns = max(start_ns - LEARN_DAYS * DAY_NS, first_ns)
    return -(-begun_ns // BASE_NS) * BASE_NS


def replayed(
    entity: str,
    rule: WatchRule,
    store: Store,
    edges: ReferenceEdges,
    begun_ns: int,
    span: tuple[int, int],
) -> Replay:
    """Return the replay of the default alerter.

    Args:
        entity: Name of the entity.
        rule: Settings of the default alerter for it.
        store: Store to read.
        edges: Edges of the references.
        begun_ns: Time at which it starts to learn, from `begun_for`.
        span: Start and end of the tested time that has data.
    """
    start_ns, end_ns = span
    overlay = Overlay(store, begun_ns, _first_record(store, entity, begun_ns))
    windows = 0
    if rule.watch and begun_ns < end_ns:
        watch = EntityWatch(entity, rule, overlay, edges, Fitter(overlay, edges))
        for _ in watch.advance(end_ns, end_ns, 0):
            pass
        windows = (end_ns - max(start_ns, begun_ns)) // BASE_NS
    firings = [one for one in _firings(overlay.watching.steps) if one.opened_ns > start_ns]
    return Replay(
        entity=entity,
        alerter=DEFAULT_ALERTER,
        kind=Calibrated.kind,
        start_ns=start_ns,
        end_ns=end_ns,
        window_ns=BASE_NS,
        judged=windows,
        not_judged=0,
        firings=firings,
        notes=_notes(rule, begun_ns, span, differences(store, entity, begun_ns)),
    )


def _first_record(store: Store, entity: str, begun_ns: int) -> WatchRecord | None:
    """Return a state before the first window, with the current columns and no baselines."""
    now = store.watching.load(entity)
    if now is None or not now.baselines:
        return None
    book = unpacked(now.baselines, Book)
    watched = tuple(
        Watched(key=one.key, slot=one.slot, counted=one.counted) for one in book.watched
    )
    memory = Memory(begun_ns=begun_ns, end_ns=begun_ns, data_ns=begun_ns, fitted_ns=begun_ns)
    return WatchRecord(
        revision=1, state=packed(memory), baselines=packed(replace(book, watched=watched))
    )


def _firings(steps: Sequence[EpisodeStep]) -> list[Firing]:
    """Return the episodes of *steps*, oldest first."""
    found: dict[int, Firing] = {}
    for step in steps:
        known = found.get(step.number)
        match step.change:
            case Opened(since_ns=since_ns, turn=turn):
                found[step.number] = Firing(
                    summary=step.summary,
                    labels=step.labels,
                    since_ns=since_ns,
                    opened_ns=turn.at_ns,
                    closed_ns=None,
                    worst=step.value,
                    severity=turn.alerter.severity.value,
                    evidence=turn.evidence,
                )
            case Closed(closed_ns=closed_ns) if known is not None:
                found[step.number] = replace(known, closed_ns=closed_ns)
            case None if known is not None:
                worst = max(known.worst, step.value)
                found[step.number] = replace(known, summary=step.summary, worst=worst)
    return sorted(found.values(), key=lambda one: one.opened_ns)


def differences(store: Store, entity: str, begun_ns: int) -> list[str]:
    """Return sentences on what the replay does otherwise than the live alerter did."""
    found = []
    now = store.watching.load(entity)
    book = unpacked(now.baselines, Book) if now is not None and now.baselines else Book()
    accepted = sorted({one.key.summary for one in book.watched if one.since_ns > begun_ns})
    if accepted:
        found.append(
            f"new normals that people accepted are not replayed, so it keeps the earlier normal of "
            f"{', '.join(accepted)}"
        )
    if past_until(store.watching.heard(entity)) > begun_ns:
        found.append(
            "it also judges the windows of tables, from which the live alerter only learns"
        )
    return found


def _notes(
    rule: WatchRule, begun_ns: int, span: tuple[int, int], differences: list[str]
) -> list[str]:
    if not rule.watch:
        return ["a setting switches it off for this entity"]
    days = max(span[0] - begun_ns, 0) / DAY_NS
    if days >= ACTIVE_DAYS:
        return differences
    why = (
        f"the history begins {days:.1f} days before the tested time: until it has {ACTIVE_DAYS} days, "
        "it judges nothing (one day) or with wide tolerances"
    )
    return [why, *differences]
