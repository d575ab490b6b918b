"""Tells a receiver of incidents what opens while the agent cannot reach its collector.

The agent opens incidents. The collector opens the same episode later, joins the incident by its key, and
resolves it. So nobody is paged twice, and an incident ends only when the episode does. The agent itself
resolves only incidents of the default alerter that the collector, when it is back, does not find.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module

from nilometer.alert import Evaluation
from nilometer.alert.incidents import numbered_incident_key
from nilometer.alert.status import EpisodeState, Transition, advance
from nilometer.profile import SummarySample
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer_agent.direct.openings import Opening, Openings
from nilometer_agent.direct.posting import Outcome, post
from nilometer_agent.direct.requests import (
    OPENED_AGAIN,
    DirectRequest,
    key_of,
    opening,
    resolving,
)
from nilometer_agent.direct.unconfirmed import Unconfirmed
from nilometer_agent.direct_channel import DirectChannel
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.uplink.backoff import Backoff
from nilometer_agent.uplink.plan import Contact, PlanKeeper

MOST_STATES = 10_000  # alerters times summaries and label sets; further ones are not told
IDLE_SECONDS = 60.0

log = logging.getLogger("nilometer.agent")

Post = Callable[[DirectRequest], Outcome]
Judge = Callable[[Sequence[SummarySample]], None]


def can_judge_by_default() -> bool:
    """Return whether this installation can judge by baselines, which needs scipy; log if it cannot."""
    try:
        import_module("nilometer_agent.direct.default_alerter")
    except Exception as error:  # a scipy that was built for another numpy may raise anything
        log.warning(
            "the default alerter will not judge while the collector is away, scipy cannot be "
            "loaded: pip install 'nilometer[agent-alerts]'",
            extra={"reason": str(error)[:200]},
        )
        return False
    return True


def _nothing(samples: Sequence[SummarySample]) -> None:
    """Judge no samples."""
    del samples


class DirectAlerts:
    """Follows the states of the agent's alerters, and tells openings on a thread of its own.

    Args:
        channel: Receiver.
        agent: Name of the agent.
        contact: Function that returns when the collector last answered.
        counters: Counters of the agent.
        send: Function that sends a request.
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        channel: DirectChannel,
        agent: str,
        contact: Callable[[], Contact],
        counters: Counters,
        send: Post = post,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._agent = agent
        self._contact = contact
        self._counters = counters
        self._send = send
        self._monotonic = monotonic
        self._backoff = Backoff()
        self._states: dict[str, EpisodeState] = {}
        self._openings = Openings(contact, monotonic)
        self._once = OnceEvery(MINUTE_SECONDS)
        self._judge: Judge = _nothing
        self._unconfirmed: Unconfirmed | None = None
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-direct", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def judge_by_default(self, plans: PlanKeeper, clock: Clock) -> None:
        """Tell also what the default alerter finds by the baselines of *plans* while cut off.

        Call it before the first window closes, and only if `can_judge_by_default`.
        """
        from nilometer_agent.direct.default_alerter import DefaultAlerter  # needs scipy

        alerter = DefaultAlerter(plans, self.tell, clock)
        self._judge = alerter.closed
        self._unconfirmed = Unconfirmed(self._contact, alerter.newest_opened, self._monotonic)

    def stop(self, timeout: float) -> None:
        """End after the current attempt. May be called before `start`, and twice."""
        self._stopping.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def closed(self, samples: Sequence[SummarySample], evaluations: Sequence[Evaluation]) -> None:
        """Take the samples and evaluations of a closed window. Never waits for the receiver."""
        self._judge(samples)
        for evaluation in evaluations:
            self._follow(evaluation)
        if self._openings:
            self._awake.set()

    def tell(self, number: int, evaluation: Evaluation, window_seconds: float) -> None:
        """Tell an opening of the default alerter. Never waits for the receiver.

        Args:
            number: Number that the collector gives to the next episode of the entity.
            evaluation: Leading part of the episode. It replaces one of the same number that waits.
            window_seconds: Length of the windows of the agent.
        """
        key = numbered_incident_key(evaluation.alerter.entity, number)
        self._add(key, Opening(evaluation, self._monotonic(), window_seconds, number))
        self._awake.set()

    def _follow(self, evaluation: Evaluation) -> None:
        key = key_of(evaluation)
        before = self._states.get(key)
        if before is None and len(self._states) >= MOST_STATES:
            return
        self._states[key], transition = advance(before or EpisodeState(), evaluation)
        if transition is Transition.OPENED:
            window = evaluation.window
            seconds = (window.end_ns - window.start_ns) / NANOSECONDS
            self._add(key, Opening(evaluation, self._monotonic(), seconds))
        elif transition is Transition.CLOSED:
            self._openings.closed(key)

    def _add(self, key: str, opening: Opening) -> None:
        if not self._openings.add(key, opening) and self._once.due(self._monotonic()):
            log.warning(
                "too many alerts at once, the further ones are left to the collector",
                extra={"entity": opening.evaluation.alerter.entity},
            )

    def tell_next(self) -> float:
        """Tell the oldest alert that waits; return the seconds until the next attempt.

        When the collector answers again, what still waits is left to it, unless it is missed once
        more within `KNOWN_SECONDS`.
        """
        first = self._openings.first()
        if first is None:
            return self._resolve_unconfirmed()
        key, opened = first
        evaluation = opened.evaluation
        outcome = self._send(opening(self._channel, key, evaluation, self._agent))
        known = {"entity": evaluation.alerter.entity, "alerter": evaluation.alerter.name}
        if outcome.must_retry:
            self._counters.add(Counter.DIRECT_ALERTS_FAILED)
            log.warning(
                "alert not sent, will retry: check the receiver of direct_channel_file",
                extra={**known, "reason": outcome.reason},
            )
            return self._backoff.fail(outcome.wait_seconds)
        self._openings.told(key, opened)
        self._backoff.succeed()
        if outcome.is_refused:
            self._counters.add(Counter.DIRECT_ALERTS_FAILED)
            log.error(
                "alert refused by the receiver, will not retry: correct direct_channel_file",
                extra={**known, "reason": outcome.reason},
            )
        else:
            if opened.number is not None and self._unconfirmed is not None:
                self._unconfirmed.told(key, evaluation, opened.number)
            self._counters.add(Counter.DIRECT_ALERTS)
            log.info("alert sent directly, the collector does not answer", extra=known)
        return 0.0

    def _resolve_unconfirmed(self) -> float:
        """Resolve the incidents of the default alerter that no episode of the collector has joined.

        Open those again that an episode joined just before. Return the seconds until the next attempt.
        """
        unconfirmed = self._unconfirmed
        if unconfirmed is not None:
            for key, evaluation in unconfirmed.joined():
                request = opening(self._channel, key, evaluation, self._agent, OPENED_AGAIN)
                outcome = self._send(request)
                if outcome.must_retry:
                    return self._retry(key, outcome, "incident not opened again")
                unconfirmed.done(key)
                log.info("incident opened again, an episode had joined it", extra={"incident": key})
            for key in unconfirmed.due():
                outcome = self._send(resolving(self._channel, key))
                if outcome.must_retry:
                    return self._retry(key, outcome, "incident not resolved")
                unconfirmed.resolved(key)
                log.info("incident resolved, the collector finds no drift", extra={"incident": key})
        self._backoff.succeed()
        return IDLE_SECONDS

    def _retry(self, key: str, outcome: Outcome, failed: str) -> float:
        """Log *failed*, and return the seconds until the next attempt."""
        log.warning(
            "%s, will retry: check the receiver of direct_channel_file",
            failed,
            extra={"incident": key, "reason": outcome.reason},
        )
        return self._backoff.fail(outcome.wait_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                seconds = self.tell_next()
            except Exception:  # without this thread no alert would be sent
                log.exception("internal error in a direct alert, will retry: report this error")
                seconds = IDLE_SECONDS
            if seconds == IDLE_SECONDS:
                self._awake.wait(seconds)
            elif seconds:
                self._stopping.wait(seconds)
