"""The thread that judges the windows of every entity by the alerters that users set.

A window is judged once, merged over all agents, when every agent that still sends has sent it. So an
episode belongs to the entity and not to an agent. A window that arrives after its time was judged is
stored and shown, but not judged.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

from nilometer.alert import Alerter, Evaluation, Reason
from nilometer.alert.conditions import AgainstOther, Reported
from nilometer.alert.evaluation import not_judged
from nilometer.profile import SummarySample
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import PERFORMANCE
from nilometer.values.senders import TABLES
from nilometer_collector.background import Background, Pause
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.judging.maturing import Maturing
from nilometer_collector.judging.others import Others
from nilometer_collector.judging.windows import MergedWindow, merged_windows
from nilometer_collector.query.arrivals import (
    FARTHEST_BEHIND_NS,
    Laggards,
    awaited_ends,
    closed_until,
)
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import SeriesRecord, Store

INTERVAL_SECONDS = 2.0  # pause between two passes over all entities
SENDER = "nilometer-collector"  # name under which all collectors evaluate together
MOST_TOGETHER = 5000  # most evaluations in one transaction

log = logging.getLogger("nilometer.collector")


class Judging:
    """Applies the alerters of all entities to merged windows, on its own `thread`.

    Args:
        store: Store of samples, alerters and episodes.
        clock: Clock for wall time.
        wake: Function that is called after a notification was queued.
    """

    def __init__(self, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake
        self._started_ns = clock.now_ns()
        self._edges = ReferenceEdges(store.references)
        self._others = Others(store, self._edges)
        self._laggards = Laggards()
        self._maturing = Maturing(store, clock)
        self._closed: dict[str, dict[str, int]] = {}  # time up to which windows were closed in the
        # last pass, by entity and alerter
        self._judged: dict[str, dict[str, int]] = {}  # by entity and alerter
        self._lengths: dict[str, int] = {}  # length of the longest windows of each entity
        self._failed: set[tuple[str, str, int]] = set()  # with series, whose error was logged
        self.thread = Background(
            "judging",
            self._step,
            after_error=Pause(INTERVAL_SECONDS),
            unavailable="store unavailable, windows will be judged later: check the database's disk",
            failed="internal error while alerters judged, will retry: report this error",
        )

    def advance(self) -> None:
        """Judge the windows that were closed at the last call, of every entity with alerters.

        The rows of one window may arrive in several calls, so it waits for the next pass.
        """
        by_entity: dict[str, list[Alerter]] = defaultdict(list)
        for alerter in self._store.alerts.alerters():
            if not isinstance(alerter.condition, Reported):  # the user's own code judges
                by_entity[alerter.entity].append(alerter)
        for gone in self._judged.keys() - by_entity.keys():
            del self._judged[gone]
        for entity, alerters in by_entity.items():
            if self.thread.is_stopping:
                return
            try:
                self._advance(entity, alerters)
            except StoreUnavailable:
                self._judged.pop(entity, None)
                raise
            except Exception:
                self._judged.pop(entity, None)
                log.exception(
                    "internal error while alerters judged, will retry: report this error",
                    extra={"entity": entity},
                )

    def _step(self) -> Pause:
        self.advance()
        return Pause(INTERVAL_SECONDS)

    def _advance(self, entity: str, alerters: Sequence[Alerter]) -> None:
        if not self._store.watching.hold(entity):
            self._judged.pop(entity, None)
            self._closed.pop(entity, None)
            return
        heard = self._store.watching.heard(entity)
        now_ns = self._clock.now_ns()
        window_ns = self._lengths.get(entity, 0)
        settled = self._closed.get(entity)
        timely = self._laggards.timely(entity, heard, window_ns, now_ns)
        closed_ns = closed_until(timely, window_ns, now_ns, self._started_ns)
        self._closed[entity] = self._with_other_entities(alerters, closed_ns, window_ns, now_ns)
        if settled is None:
            return
        alerters = [one for one in alerters if one.name in settled]  # others are new in this pass
        judged = self._judged.get(entity)
        if judged is None:
            stored = self._store.alerts.judged_until(entity, SENDER)
            # The windows that end last may have been judged in part. No window counts twice.
            judged = self._judged[entity] = {name: end_ns - 1 for name, end_ns in stored.items()}
        until = {one.name: _until(one, settled[one.name], now_ns) for one in alerters}
        until = self._maturing.limited(alerters, judged, until)
        if all(judged.get(name, -1) >= end_ns for name, end_ns in until.items()):
            return
        series = self._store.samples.series(entity)
        longest_ns = max((one.last_window_ns for one in series), default=0)
        self._lengths[entity] = longest_ns
        tables = (min(one.end_ns, one.received_ns) for one in heard if one.agent == TABLES)
        past_ns = max(tables, default=0)
        for name, end_ns in until.items():  # a new alerter begins with the newest window
            judged[name] = max(judged.get(name, end_ns - longest_ns), past_ns)
        self._judge(alerters, series, judged, until)

    def _with_other_entities(
        self, alerters: Sequence[Alerter], closed_ns: int, window_ns: int, now_ns: int
    ) -> dict[str, int]:
        """Return for each alerter the time up to which both sides of its comparison are closed.

        Args:
            alerters: Alerters of an entity.
            closed_ns: Time up to which the windows of the entity itself are closed.
            window_ns: Length of its windows.
            now_ns: Wall time now.
        """
        by_other = {"": closed_ns}
        others = {one.name: _other_entity(one) for one in alerters}
        for other in set(others.values()) - {""}:
            heard = self._store.watching.heard(other)
            ends = awaited_ends(heard, window_ns, now_ns, self._started_ns)
            near = [end_ns for end_ns in ends if end_ns > closed_ns - FARTHEST_BEHIND_NS]
            by_other[other] = min([closed_ns, *near])
        return {name: by_other[other] for name, other in others.items()}

    def _judge(
        self,
        alerters: Sequence[Alerter],
        series: Sequence[SeriesRecord],
        judged: dict[str, int],
        until: dict[str, int],
    ) -> None:
        """Judge the windows between *judged* and *until*, which are times by the alerter's name."""
        waiting = [one for one in alerters if judged[one.name] < until[one.name]]
        watched = [one for one in series if any(it.watches(one.summary) for it in waiting)]
        if watched:
            start_ns = min(judged[one.name] for one in waiting)
            end_ns = max(until[one.name] for one in waiting)
            edges_of = self._edges.of(watched[0].entity)
            for windows in merged_windows(self._store.samples, watched, start_ns, end_ns, edges_of):
                self._apply(self._evaluated(waiting, windows, judged, until))
        for one in waiting:
            judged[one.name] = until[one.name]

    def _evaluated(
        self,
        alerters: Sequence[Alerter],
        windows: Sequence[MergedWindow],
        judged: dict[str, int],
        until: dict[str, int],
    ) -> list[Evaluation]:
        found = []
        for window in windows:
            end_ns = window.sample.window.end_ns
            for alerter in alerters:
                if not judged[alerter.name] < end_ns <= until[alerter.name]:
                    continue
                if not alerter.watches(window.series.summary):
                    continue
                if not self._others.is_other_side(alerter.condition, window.series):
                    found.append(self._evaluation(alerter, window))
        return found

    def _evaluation(self, alerter: Alerter, window: MergedWindow) -> Evaluation:
        """Return the evaluation of *alerter*; its error is a reason, never a silent alerter."""
        key = (alerter.entity, alerter.name, window.series.id)
        try:
            why = self._immature(window.sample)
            if why:
                return not_judged(alerter, window.sample, Reason.IMMATURE, why)
            found = self._others.evaluation(alerter, *window)
        except StoreUnavailable:
            raise
        except Exception as error:  # conditions and comparators may be the user's code
            if key not in self._failed:
                self._failed.add(key)
                log.exception(
                    "an alerter failed and did not judge a window: correct it or its code",
                    extra={"entity": alerter.entity, "alerter": alerter.name},
                )
            why = f"the alerter failed: {type(error).__name__}: {error}"
            return not_judged(alerter, window.sample, Reason.FAILED, why)
        self._failed.discard(key)
        return found

    def _immature(self, sample: SummarySample) -> str:
        """Return why *sample* must not be judged by the labels that have arrived; else nothing."""
        if sample.summary != PERFORMANCE:
            return ""
        return self._maturing.of(sample.entity).why.get(sample.window.start_ns, "")

    def _apply(self, evaluations: Sequence[Evaluation]) -> None:
        now_ns = self._clock.now_ns()
        for start in range(0, len(evaluations), MOST_TOGETHER):
            together = evaluations[start : start + MOST_TOGETHER]
            if self._store.alerts.evaluate(together, SENDER, now_ns):
                self._wake()


def _until(alerter: Alerter, closed_ns: int, now_ns: int) -> int:
    """Return the time up to which *alerter* judges; without a delay, clocks do not matter."""
    if not alerter.delay_seconds:
        return closed_ns
    return min(closed_ns, now_ns - round(alerter.delay_seconds * NANOSECONDS))


def _other_entity(alerter: Alerter) -> str:
    """Return the name of another entity that *alerter* compares windows with; empty without one."""
    condition = alerter.condition
    return condition.other_entity if isinstance(condition, AgainstOther) else ""
