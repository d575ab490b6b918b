"""The thread that advances the default alerter of every entity.

A base window is closed when every active agent has sent a window that ends a base window later. An
agent whose windows stay far behind those of the others is not awaited (`query.arrivals`).
If no agent sends any more, all windows that have arrived are closed. The entity then waits a day
before time goes on, so that agents that were cut off can still send their stored windows.
Baselines learn from the past windows of a table. Nothing is judged while a table is logged.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.senders import TABLES
from nilometer_collector.alerting.watch_rules import WatchRule, rule_of
from nilometer_collector.background import Background, Pause
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.query.arrivals import AHEAD_NS, Laggards, believed
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import UNDECLARED, HeardRecord, Store
from nilometer_collector.watch.entity import EntityWatch
from nilometer_collector.watch.fitting import Fitter
from nilometer_collector.watch.memory import DAY_NS
from nilometer_collector.watch.reporting import Hearing
from nilometer_collector.watch.rules import current_rules
from nilometer_collector.watch.sources import StateMoved

INTERVAL_SECONDS = 10.0  # pause between two passes over all entities
GRACE_NS = BASE_NS  # time that agents have to send a window after its end
SILENT_NS = 2 * BASE_NS  # wall time without a window until the watch ignores an agent
UPLOAD_NS = 30 * NANOSECONDS  # wall time without a call until a table counts as fully logged
FARTHEST_BEHIND_NS = 12 * BASE_NS  # the watch does not wait for an agent with a larger lag
HEARD_NS = 28 * DAY_NS  # wall time without a window until an agent is forgotten
FORGET_SECONDS = 3600.0  # pause between two removals of such agents
MOST_LOADED = 64  # entities whose state stays in memory

log = logging.getLogger("nilometer.collector")


class Watch:
    """Advances the default alerter of all entities, on its own `thread`.

    Args:
        store: Store of samples, state and episodes.
        clock: Clock for wall time.
        rules: Rules of the settings, by patterns of entities.
        wake: Function that is called after a notification was queued.
    """

    def __init__(
        self, store: Store, clock: Clock, rules: tuple[WatchRule, ...], wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._given = self._rules = rules
        self._wake = wake
        self._started_ns = clock.now_ns()
        self._progress_at = self._forget_at = clock.monotonic()
        self._edges = ReferenceEdges(store.references)
        self._fitter = Fitter(store, self._edges)
        self._laggards = Laggards()
        self._loaded: OrderedDict[str, EntityWatch] = OrderedDict()
        self._reports: dict[str, bytes] = {}
        self.thread = Background(
            "watch",
            self._step,
            after_error=Pause(INTERVAL_SECONDS),
            unavailable="store unavailable, windows will be judged later: check the database's disk",
            failed="internal error in the default alerter, will retry: report this error",
        )

    @property
    def progress_age_seconds(self) -> float:
        """Seconds since windows were judged or an entity had none, or since the start.

        Thread-safe.
        """
        return max(self._clock.monotonic() - self._progress_at, 0.0)

    def advance(self) -> None:
        """Judge the closed windows of every entity; close episodes that nothing judges now."""
        if self._store.alerts.expire(self._clock.now_ns(), self._started_ns):
            self._wake()
        self._forget_agents()
        zones = {one.name: one.declaration.time_zone for one in self._store.entities.all()}
        self._rules = current_rules(self._store, self._given)
        for entity in self._store.watching.entities():
            if self.thread.is_stopping:
                return
            try:
                self._advance(entity, zones.get(entity, UNDECLARED.time_zone))
            except StateMoved:
                self._forget(entity)
            except StoreUnavailable:
                self._forget(entity)
                raise
            except Exception:
                self._forget(entity)
                log.exception(
                    "internal error in the default alerter, will retry: report this error",
                    extra={"entity": entity},
                )
            self._progress()
        self._progress()

    def _step(self) -> Pause:
        self.advance()
        return Pause(INTERVAL_SECONDS)

    def _forget_agents(self) -> None:
        """Forget agents that send no more: pods get new names with each deployment."""
        if self._clock.monotonic() >= self._forget_at:
            self._forget_at = self._clock.monotonic() + FORGET_SECONDS
            self._store.watching.forget_agents(self._clock.now_ns() - HEARD_NS)

    def _advance(self, entity: str, time_zone: str) -> None:
        if not self._store.watching.hold(entity):
            self._forget(entity)
            return
        rule = rule_of(self._rules, entity).declared(time_zone)
        watch = self._loaded_watch(entity, rule)
        revision = watch.revision
        now_ns, heard = self._clock.now_ns(), self._store.watching.heard(entity)
        if not self._accept(entity, watch, now_ns):
            self._forget(entity)
            watch = self._loaded_watch(entity, rule)
        if watch.rule.watch:
            timely = self._laggards.timely(entity, heard, BASE_NS, now_ns)
            until_ns = closed_until(timely, watch.end_ns, now_ns, self._started_ns)
            for queued in watch.advance(until_ns, now_ns, past_until(heard)):
                self._progress()
                if queued:
                    self._wake()
                if self.thread.is_stopping:
                    return
        heard_ns = max((one.received_ns for one in heard), default=now_ns)
        if watch.revision != revision:  # a report was stored with the state
            self._reports.pop(entity, None)
        hearing = Hearing(now_ns=now_ns, heard_ns=heard_ns, started_ns=self._started_ns)
        report = watch.report(hearing)
        if self._reports.get(entity) != report:
            self._store.watching.report(entity, report)
            self._reports[entity] = report

    def _accept(self, entity: str, watch: EntityWatch, now_ns: int) -> bool:
        """Learn the accepted new normals of *entity*; return False after an internal error.

        Such an error is logged. It does not keep the windows of the entity from being judged.
        """
        try:
            normals = self._store.decisions.pending(entity)
            if normals and watch.accept(normals, now_ns):
                self._wake()
        except (StateMoved, StoreUnavailable):
            raise
        except Exception:
            log.exception(
                "internal error while a new normal is learned, will retry: report this error",
                extra={"entity": entity},
            )
            return False
        return True

    def _progress(self) -> None:
        self._progress_at = self._clock.monotonic()

    def _forget(self, entity: str) -> None:
        """Forget the loaded state and the stored report; another collector may have changed both."""
        self._loaded.pop(entity, None)
        self._reports.pop(entity, None)

    def _loaded_watch(self, entity: str, rule: WatchRule) -> EntityWatch:
        watch = self._loaded.pop(entity, None)
        if watch is None or watch.rule != rule:
            watch = EntityWatch(entity, rule, self._store, self._edges, self._fitter)
        self._loaded[entity] = watch
        while len(self._loaded) > MOST_LOADED:
            self._loaded.popitem(last=False)
        return watch


def closed_until(heard: Sequence[HeardRecord], judged_ns: int, now_ns: int, started_ns: int) -> int:
    """Return the time up to which the windows of an entity are closed, Unix nanoseconds.

    It is never far in the future: evidence only goes forward, so an agent whose clock is ahead would
    make the windows of all others late. Such windows are judged when their time has come.

    Args:
        heard: How far the windows of each agent have arrived.
        judged_ns: End of the newest window that was judged.
        now_ns: Wall time now.
        started_ns: Wall time since which this collector listens.
    """
    tables = [one for one in heard if one.agent == TABLES]
    if any(one.received_ns > now_ns - UPLOAD_NS for one in tables):
        return judged_ns
    agents = believed(heard, now_ns, SILENT_NS)
    if not agents:
        return max(past_until(heard), judged_ns)
    return max(min(_arrived(agents, judged_ns, now_ns, started_ns), now_ns + AHEAD_NS), judged_ns)


def _arrived(agents: Sequence[HeardRecord], judged_ns: int, now_ns: int, started_ns: int) -> int:
    """Return the time up to which all windows of *agents* have arrived; see `closed_until`."""
    newest_ns = max(one.end_ns for one in agents)
    silent_since_ns = now_ns - SILENT_NS
    sending = [one for one in agents if one.received_ns > silent_since_ns]
    behind = judged_ns - FARTHEST_BEHIND_NS
    awaited = [one.end_ns for one in sending if one.end_ns > behind]
    if awaited:
        return max(min(awaited) - GRACE_NS, judged_ns)
    if sending or started_ns > silent_since_ns:
        return judged_ns
    silent_ns = now_ns - max(*(one.received_ns for one in agents), started_ns)
    return newest_ns if silent_ns < DAY_NS else newest_ns + silent_ns


def past_until(heard: Sequence[HeardRecord]) -> int:
    """Return the end of the past windows of tables, Unix nanoseconds; 0 without any.

    Args:
        heard: How far the windows of each agent, and of tables, have arrived.
    """
    tables = (min(one.end_ns, one.received_ns) for one in heard if one.agent == TABLES)
    return max(tables, default=0)
