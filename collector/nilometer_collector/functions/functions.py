"""The thread that calls the functions of alerters when an interval has ended."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from nilometer.alert import Alerter, Evaluation
from nilometer.alert.conditions import Reported
from nilometer.functions.child import Answer
from nilometer.values.clock import Clock
from nilometer.values.errors import NilometerError
from nilometer.values.window import Window
from nilometer_collector.alerting.function_limits import FunctionLimits, is_allowed, refusal
from nilometer_collector.background import Background, Pause
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.functions.process import Outcome, Running
from nilometer_collector.functions.reports import evaluations_of, failed, interval_of
from nilometer_collector.store import Store

INTERVAL_SECONDS = 2.0  # pause between two looks at the clock
MOST_AT_ONCE = 4  # calls at the same time
SENDER = "nilometer-functions"  # name under which reports evaluate

log = logging.getLogger("nilometer.collector")


class Functions:
    """Calls each function once for each interval, and applies its reports.

    Several collectors share the work: the one that holds an entity calls its functions. If two call
    for the same interval, the second report changes nothing.

    Args:
        store: Store of alerters and episodes.
        clock: Clock for wall time.
        limits: Which functions may run, and what a call may use.
        url: Function that returns the URL of this collector's API.
        wake: Function that is called after a notification was queued.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: FunctionLimits,
        url: Callable[[], str],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._url = url
        self._wake = wake
        self._running = Running()
        self._lock = threading.Lock()
        self._called: dict[tuple[str, str], int] = {}  # end of the newest interval, by alerter
        self._busy: set[tuple[str, str]] = set()  # alerters with a running call
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="nilometer-function")
        self.thread = Background(
            "functions",
            self._step,
            after_error=Pause(INTERVAL_SECONDS),
            unavailable="store unavailable, functions will run later: check the database's disk",
            failed="internal error before a function ran: report this error",
            first=Pause(INTERVAL_SECONDS),
        )

    def stop(self, timeout: float) -> None:
        """End running calls and the thread. Safe to repeat, and before the thread starts."""
        self.thread.end()
        self._running.stop()
        self._pool.shutdown(cancel_futures=True)
        self.thread.stop(timeout)

    def advance(self) -> int:
        """Begin the calls whose interval has ended; return their number."""
        begun = 0
        now_ns = self._clock.now_ns()
        for alerter in self._store.alerts.alerters():
            condition = alerter.condition
            if not isinstance(condition, Reported) or not condition.function:
                continue
            window = interval_of(condition, now_ns)
            if self.thread.is_stopping or not self._is_due(alerter, window):
                continue
            with self._lock:
                self._busy.add((alerter.entity, alerter.name))
            self._pool.submit(self._judge, alerter, condition, window)
            begun += 1
        return begun

    def _is_due(self, alerter: Alerter, window: Window) -> bool:
        key = (alerter.entity, alerter.name)
        if key in self._busy or self._called.get(key, 0) >= window.end_ns:
            return False
        if not self._store.watching.hold(alerter.entity):
            return False
        judged = self._store.alerts.judged_until(alerter.entity, SENDER)
        self._called[key] = judged.get(alerter.name, 0)
        return self._called[key] < window.end_ns

    def _judge(self, alerter: Alerter, condition: Reported, window: Window) -> None:
        key = (alerter.entity, alerter.name)
        try:
            self._apply(alerter, condition, window)
            self._called[key] = window.end_ns
        except StoreUnavailable as error:
            log.warning(
                "store unavailable, an alerter's function will run again: check the database's disk",
                extra={"entity": alerter.entity, "alerter": alerter.name, "reason": str(error)},
            )
        except Exception:
            self._called[key] = window.end_ns
            log.exception(
                "internal error while an alerter's function ran: report this error",
                extra={"entity": alerter.entity, "alerter": alerter.name},
            )
        finally:
            with self._lock:
                self._busy.discard(key)

    def _apply(self, alerter: Alerter, condition: Reported, window: Window) -> None:
        found = Outcome(Answer(failure=refusal(condition.function)))
        if is_allowed(condition.function, self._limits.allowed):
            found = self._running.call(alerter, condition, window, self._limits, self._url)
        if self.thread.is_stopping:
            return  # the stop ended the call, and the next collector repeats it
        evaluations = self._evaluations(alerter, found, window)
        if self._store.alerts.evaluate(evaluations, SENDER, self._clock.now_ns()):
            self._wake()

    def _evaluations(self, alerter: Alerter, found: Outcome, window: Window) -> list[Evaluation]:
        failure = found.answer.failure
        if not failure:
            try:
                return evaluations_of(alerter, found.answer.reports, window)
            except NilometerError as error:
                failure = f"its report is not allowed: {error}"
        log.warning(
            "an alerter's function gave no status: correct it",
            extra={
                "entity": alerter.entity,
                "alerter": alerter.name,
                "reason": failure,
                "output": found.output,
            },
        )
        known = [
            (one.summary, one.labels)
            for one in self._store.alerts.statuses(alerter.entity)
            if one.alerter == alerter.name
        ]
        return failed(alerter, known, window, failure)

    def _step(self) -> Pause:
        self.advance()
        return Pause(INTERVAL_SECONDS)
