"""Makes and advances the runs of actions, and sends those that are due, on one thread.

A run is stored as being sent before its target hears of it, and its outcome after that. After a crash
in between, it is sent again with the same key, if its target recognises the key. A failed attempt is
retried after a full-jitter backoff of 1 to 60 s, for an hour.
"""

import logging
import random
from collections.abc import Callable

from nilometer.values.clock import Clock
from nilometer_collector.actions.performance import NewestPerformance
from nilometer_collector.actions.targets import Targets
from nilometer_collector.alerting.action_runs import Run
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import KIND
from nilometer_collector.background import Background, Pause
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import Reply, Store
from nilometer_collector.store.acting import definition_from

IDLE_SECONDS = 2.0  # interval of checks
BACKOFF_SECONDS = (1.0, 60.0)  # smallest and largest bound of the jitter

log = logging.getLogger("nilometer.collector")


class Actor:
    """Advances and sends runs on its own `thread`, beginning with those of earlier processes.

    Args:
        store: Store of actions, runs and targets.
        targets: Where actions may go.
        clock: Clock for wall time.
        wake: Function that is called when a message may have been queued.
        backoff_seconds: Smallest and largest bound of the jitter.
    """

    def __init__(
        self,
        store: Store,
        targets: Targets,
        clock: Clock,
        wake: Callable[[], None],
        *,
        backoff_seconds: tuple[float, float] = BACKOFF_SECONDS,
    ) -> None:
        self._store = store
        self._targets = targets
        self._clock = clock
        self._wake_couriers = wake
        self._backoff_seconds = backoff_seconds
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._performance = NewestPerformance(store)
        self._not_arrived: set[int] = set()  # runs whose last attempt has certainly not arrived
        self.thread = Background(
            "actions",
            self._turn,
            after_error=Pause(IDLE_SECONDS),
            unavailable="store unavailable, actions will be checked again: check the database's disk",
            failed="internal error in an action, will retry: report this error",
        )

    def stop(self, timeout: float) -> None:
        """End after the current attempt. May be called twice."""
        self.thread.stop(timeout)
        self._targets.processes.stop()  # after that time

    def step(self) -> None:
        """Advance all runs, and send those that are due.

        Raises:
            StoreUnavailable: If the database fails; the next step goes on.
        """
        queued, actions = 0, self._store.actions
        self._store.decisions.settle_silences(self._clock.now_ns())  # actions wait for silences
        entities = actions.entities()
        metrics = self._metrics() if entities else set()
        for entity in entities:
            known = self._performance.of(entity, metrics)
            try:
                queued += actions.step(entity, known, self._clock.now_ns())
            except StoreUnavailable:
                raise
            except Exception:  # the others must go on
                log.exception(
                    "internal error in the actions of an entity: report this error",
                    extra={"entity": entity},
                )
        while not self.thread.is_stopping:
            now_ns = self._clock.now_ns()
            run = actions.take(now_ns)
            if run is None:
                break
            queued += self._send(run, is_first=run.since_ns(RunState.SENDING) == now_ns)
        if queued:
            self._wake_couriers()

    def _metrics(self) -> set[str]:
        texts = self._store.history.objects(KIND).values()
        read = (definition_from(text) for text in texts)  # logs those of a newer version
        return {action.performance for action in read if action is not None} - {""}

    def _send(self, run: Run, *, is_first: bool) -> int:
        """Send *run*, unless an attempt without an outcome may have reached a target that repeats it."""
        now_ns = self._clock.now_ns()
        may_repeat = self._targets.may_repeat(self._store, run)
        if not (is_first or may_repeat or run.id in self._not_arrived):
            reason = "a collector ended while it was sent"
            answer = Answer(outcome=Outcome.FAILED, reason=reason, may_have_arrived=True)
            return self._record(run, answer, may_repeat=may_repeat)
        episode = self._store.alerts.episode(run.entity, run.episode)
        try:
            answer = self._targets.send(self._store, run, episode, now_ns)
        except StoreUnavailable:
            raise
        except Exception:  # counted as an attempt, so that the runs after it are sent
            log.exception("internal error while an action was sent, will retry: report this error")
            answer = Answer(outcome=Outcome.FAILED, reason="internal error", may_have_arrived=True)
        return self._record(run, answer, may_repeat=may_repeat)

    def _record(self, run: Run, answer: Answer, *, may_repeat: bool) -> int:
        is_lost = answer.may_have_arrived and not may_repeat
        if answer.outcome is Outcome.FAILED and not is_lost:
            self._not_arrived.add(run.id)
        else:
            self._not_arrived.discard(run.id)
        known = {
            "action": run.action.name,
            "entity": run.entity,
            "run": run.id,
            "target": run.action.target,
        }
        match answer.outcome:
            case Outcome.DELIVERED:
                log.info("action accepted by its target", extra=known)
            case Outcome.REFUSED:
                told = {**known, "reason": answer.reason}
                log.error(
                    "action refused by its target, will not retry: see the reason", extra=told
                )
            case Outcome.FAILED if is_lost:
                told = {**known, "reason": answer.reason}
                log.error("action may have arrived, will not retry: look at the target", extra=told)
            case Outcome.FAILED:
                told = {**known, "reason": answer.reason}
                log.warning("action not accepted, will retry: check the target", extra=told)
        return self._store.actions.answered(
            run, self._reply(run, answer, may_repeat=may_repeat), self._clock.now_ns()
        )

    def _reply(self, run: Run, answer: Answer, *, may_repeat: bool) -> Reply:
        wait_seconds = 0.0
        if answer.outcome is Outcome.FAILED:
            least, most = self._backoff_seconds
            bound = min(least * 2 ** min(run.attempts, 16), most)
            wait_seconds = max(self._random.uniform(0.0, bound), answer.wait_seconds)
        return Reply(
            outcome=answer.outcome.value,
            reason=answer.reason,
            wait_seconds=wait_seconds,
            may_have_arrived=answer.may_have_arrived,
            may_repeat=may_repeat,
        )

    def _turn(self) -> Pause:
        self.step()
        return Pause(IDLE_SECONDS)
