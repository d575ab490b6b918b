"""The thread that watches the monitoring itself, and sends the heartbeat while it works.

It opens an episode when the agents of an entity are silent or fall behind, or when the default
alerter does not judge the entity's windows. If this thread or the process ends, the heartbeat
stops.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nilometer.alert import Alerter, AlertStatus, Evaluation, Severity, Verdict
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.conditions import OWN_ALERTER, Overdue
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.alerting.watch_report import WatchReport
from nilometer_collector.background import Background, Pause
from nilometer_collector.channels import Heartbeat
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import HeardRecord, Store
from nilometer_collector.watch.overdue import (
    LATE_SECONDS,
    Awaited,
    Finding,
    Slow,
    behind,
    judgement,
    silence,
    slow_agents,
)
from nilometer_collector.watch.reading import watched_series
from nilometer_collector.watch.watch import Watch, closed_until

ERROR_SECONDS = 1.0  # pause after an error
CHECK_SECONDS = 60.0  # pause between two checks, and length of the window of a check
FRESH_NS = 3 * BASE_NS  # largest age of the newest judged window of an entity that is up to date
SENDER = "nilometer-collector"  # name under which all collectors evaluate together

log = logging.getLogger("nilometer.collector")


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the monitoring works.

    Attributes:
        is_up: Whether windows are judged in time, of at least one entity that has any.
        progress_age_seconds: Time since the default alerter last judged windows, or had none to
            judge.
        late: Number of entities whose complete windows wait too long.
    """

    is_up: bool
    progress_age_seconds: float
    late: int


class Watchdog:
    """Checks the monitoring, on its own `thread`.

    Args:
        store: Store of states and episodes.
        watch: Default alerter of this collector.
        clock: Clock for wall time and monotonic time.
        wake: Function that is called after a notification was queued.
        heartbeat: Dead-man's switch, or None.
        heartbeat_seconds: Time between two heartbeats.
    """

    def __init__(
        self,
        store: Store,
        watch: Watch,
        clock: Clock,
        wake: Callable[[], None],
        heartbeat: Heartbeat | None = None,
        heartbeat_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._store = store
        self._watch = watch
        self._clock = clock
        self._wake = wake
        self._heartbeat = heartbeat
        self._heartbeat_seconds = heartbeat_seconds
        self._started_ns = clock.now_ns()
        self._judged: dict[str, tuple[int | None, int]] = {}  # newest judged window, wall time
        self._slow: dict[str, dict[str, Slow]] = {}
        self._late = 0
        self._moved_ns: int | None = None  # wall time at which some entity was last seen judged
        self._is_stuck = False  # whether windows wait and none of any entity is judged
        self._checked_ns = self._started_ns  # wall time of the last check
        self._is_checked = True  # whether the last check succeeded
        self._beat_at = clock.monotonic()
        self._check_at = self._beat_at + CHECK_SECONDS
        self.thread = Background(
            "watchdog",
            self._step,
            after_error=Pause(ERROR_SECONDS),
            unavailable="store unavailable, the monitoring is not checked: check the database's disk",
            failed="internal error in the watchdog, will retry: report this error",
        )

    @property
    def health(self) -> Health:
        """Whether the monitoring works now. Thread-safe."""
        age = self._watch.progress_age_seconds
        is_up = self._is_checked and not self._is_stuck and age <= LATE_SECONDS
        return Health(is_up, age, self._late)

    def check(self) -> None:
        """Check every entity once, and open and close episodes."""
        try:
            self._check_entities()
            self._is_checked = True
        except StoreUnavailable as error:
            self._is_checked = False
            log.warning(
                "store unavailable, the monitoring is not checked: check the database's disk",
                extra={"reason": str(error)},
            )

    def beat(self) -> None:
        """Send the heartbeat, if the monitoring works."""
        if self._heartbeat is not None and self.health.is_up:
            self._heartbeat.beat(self._clock.monotonic())

    def _step(self) -> Pause:
        """Check and send the heartbeat, each in its time; return the time until the next."""
        now = self._clock.monotonic()
        try:
            if now >= self._check_at:
                self._check_at = now + CHECK_SECONDS
                self.check()
            if now >= self._beat_at:
                self._beat_at = now + self._heartbeat_seconds
                self.beat()
        except Exception:
            self._is_checked = False
            raise
        return Pause(max(min(self._check_at, self._beat_at) - now, 0.0))

    def _check_entities(self) -> None:
        now_ns = self._clock.now_ns()
        back_seconds = (self._checked_ns - now_ns) / NANOSECONDS
        if back_seconds >= CHECK_SECONDS:
            log.warning(
                "the clock went back, no episode about the monitoring opens or closes until it has "
                "caught up: check the time of this machine",
                extra={"seconds": round(back_seconds)},
            )
        self._checked_ns = now_ns
        opened = self._opened()
        reports = {
            entity: WatchReport.from_bytes(content)
            for entity, content in self._store.watching.reports()
        }
        evaluations, late = [], 0
        entities = self._store.watching.entities()
        for entity in entities:
            heard = self._store.watching.heard(entity)
            findings = self._findings(entity, reports.get(entity), heard, now_ns, opened)
            late += findings[Awaited.JUDGEMENT].is_late
            evaluations += [
                _evaluation(entity, awaited, finding, now_ns)
                for awaited, finding in findings.items()
                if finding.is_late or (entity, awaited.value) in opened
            ]
        self._late = late
        limit_ns = round(LATE_SECONDS * NANOSECONDS)
        is_moving = self._moved_ns is not None and 0 <= now_ns - self._moved_ns <= limit_ns
        self._is_stuck = late > 0 and not is_moving
        for known in (self._judged, self._slow):
            for entity in known.keys() - set(entities):
                del known[entity]
        if evaluations and self._store.alerts.evaluate(evaluations, SENDER, now_ns):
            self._wake()

    def _opened(self) -> dict[tuple[str, str], int]:
        """Return the opening of each open episode of the watchdog, by entity and summary."""
        summaries = {one.value for one in Awaited}
        entities = {
            entity for entity, summary in self._store.alerts.open_episodes() if summary in summaries
        }
        return {
            (one.alerter.entity, one.summary): one.opened_ns
            for entity in sorted(entities)
            for one in self._store.alerts.episodes(entity, is_open=True)
            if one.alerter.name == OWN_ALERTER
        }

    def _findings(
        self,
        entity: str,
        report: WatchReport | None,
        heard: list[HeardRecord],
        now_ns: int,
        opened: Mapping[tuple[str, str], int],
    ) -> dict[Awaited, Finding]:
        slow = slow_agents(heard, self._slow.get(entity, {}), now_ns)
        self._slow[entity] = slow
        waiting = self._waiting_seconds(entity, report, heard, now_ns)
        return {
            Awaited.AGENTS: silence(
                report, heard, now_ns, opened.get((entity, Awaited.AGENTS.value))
            ),
            Awaited.WINDOWS: behind(
                heard, slow, now_ns, is_open=(entity, Awaited.WINDOWS.value) in opened
            ),
            Awaited.JUDGEMENT: judgement(
                waiting,
                None if report is None else report.judged_ns,
                is_open=(entity, Awaited.JUDGEMENT.value) in opened,
            ),
        }

    def _waiting_seconds(
        self, entity: str, report: WatchReport | None, heard: list[HeardRecord], now_ns: int
    ) -> float | None:
        """Return for how long windows have waited while none was judged; None if none waits."""
        judged_ns = None if report is None else report.judged_ns
        is_watched = report is None or report.status is not AlertStatus.NOT_WATCHED
        known = self._first_ns(entity) if judged_ns is None else judged_ns
        newest_ns = max((one.end_ns for one in heard), default=0)
        closed_ns = closed_until(heard, known or 0, now_ns, self._started_ns)
        until_ns = min(closed_ns, newest_ns)  # after it, there is nothing to judge
        if not is_watched or known is None or until_ns // BASE_NS * BASE_NS <= known:
            self._judged[entity] = (judged_ns, now_ns)
            if judged_ns is not None and now_ns - judged_ns <= FRESH_NS:
                self._moved_ns = now_ns
            return None
        before_ns, since_ns = self._judged.setdefault(entity, (judged_ns, now_ns))
        if before_ns != judged_ns:
            self._judged[entity] = (judged_ns, now_ns)
            self._moved_ns = now_ns
            return None
        return max(now_ns - since_ns, 0) / NANOSECONDS

    def _first_ns(self, entity: str) -> int | None:
        """Return the start of the first base window to judge; None without data."""
        starts = (one.first_start_ns for one in watched_series(self._store.samples, entity))
        first = min(starts, default=None)
        return None if first is None else first // BASE_NS * BASE_NS


def _evaluation(entity: str, awaited: Awaited, finding: Finding, now_ns: int) -> Evaluation:
    minute_ns = round(CHECK_SECONDS * NANOSECONDS)
    alerter = Alerter(
        entity=entity,
        name=OWN_ALERTER,
        summary=awaited.value,
        condition=Overdue(limit_seconds=awaited.limit_seconds),
        severity=Severity.WARNING,
    )
    return Evaluation(
        alerter=alerter,
        summary=awaited.value,
        labels=Labels(),
        window=Window.containing(now_ns, minute_ns),
        verdict=Verdict.BREACH if finding.is_late else Verdict.FINE,
        value=finding.seconds,
        count=1,
        reference_digest="",
        evidence=finding.evidence,
    )
