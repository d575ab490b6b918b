"""Delivers stored notifications, oldest first, until each is delivered or refused.

A notification is marked after the receiver has accepted it. After a crash before the mark, it is
delivered again under the same key. Failed attempts are retried without limit, with a full-jitter
backoff of 1 to 60 s.
"""

import logging
import random
import threading
from collections.abc import Callable

from nilometer.values.clock import Clock
from nilometer_collector.access.destinations import Destination
from nilometer_collector.access.secret import shown_url
from nilometer_collector.channels.slack import CHANNEL, message
from nilometer_collector.channels.webhook import Answer, Outcome, Post, post
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import Store

BACKOFF_SECONDS = (1.0, 60.0)  # smallest and largest bound of the jitter
IDLE_SECONDS = 5.0  # interval of checks for notifications of other collectors

log = logging.getLogger("nilometer.collector")


class Courier:
    """Delivers notifications to one webhook, on its own thread.

    Args:
        store: Store of the queued notifications.
        destination: Webhook, and the addresses that it may have.
        page_url: Function that returns the URL of the pages; called at each delivery.
        clock: Clock for the wall time of deliveries.
        counters: Counters of delivered, refused and failed notifications.
        deliver: Function that posts a message.
        backoff_seconds: Smallest and largest bound of the jitter.
    """

    def __init__(
        self,
        store: Store,
        destination: Destination,
        page_url: Callable[[], str],
        clock: Clock,
        counters: Counters,
        *,
        deliver: Post = post,
        backoff_seconds: tuple[float, float] = BACKOFF_SECONDS,
    ) -> None:
        self._store = store
        self._destination = destination
        self._page_url = page_url
        self._clock = clock
        self._counters = counters
        self._deliver = deliver
        self._backoff_seconds = backoff_seconds
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._failures = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-notify", daemon=True)

    def start(self) -> None:
        """Start to deliver, beginning with notifications of earlier runs."""
        log.info(
            "notifications go to a webhook",
            extra={"webhook": shown_url(self._destination.url.reveal())},
        )
        self._thread.start()

    def wake(self) -> None:
        """Deliver now, because a new notification was queued. Any thread may call."""
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """End after the current attempt; other notifications stay queued. May be called twice."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def deliver_oldest(self) -> float | None:
        """Try once to deliver the oldest notification.

        Returns:
            Seconds to wait before the next attempt; None if no notification is queued, or the oldest
            must wait.
        """
        notice = self._store.deliveries.take(CHANNEL, self._clock.now_ns())
        if notice is None:
            return None
        content = message(notice, self._page_url())
        answer = self._deliver(self._destination, content, notice.key)
        now_ns = self._clock.now_ns()
        known = {"episode": notice.episode.id, "attempt": notice.attempts + 1}
        match answer.outcome:
            case Outcome.DELIVERED:
                self._store.deliveries.delivered(notice.id, now_ns)
                self._counters.add(Counter.NOTIFICATIONS_DELIVERED)
                log.info("notification delivered", extra=known)
            case Outcome.REFUSED:
                self._store.deliveries.refused(notice.id, now_ns, answer.reason)
                self._counters.add(Counter.NOTIFICATIONS_REFUSED)
                log.error(
                    "notification refused by the webhook, will not retry: see the reason",
                    extra={**known, "reason": answer.reason},
                )
            case Outcome.FAILED:
                self._store.deliveries.failed(notice.id, now_ns, answer.reason, answer.wait_seconds)
                self._counters.add(Counter.NOTIFICATIONS_FAILED)
                log.warning(
                    "notification failed, will retry: check the webhook",
                    extra={**known, "reason": answer.reason},
                )
                return self._after_failure(answer)
        self._failures = 0
        return 0.0

    def _after_failure(self, answer: Answer) -> float:
        least, most = self._backoff_seconds
        bound = min(least * 2**self._failures, most)
        self._failures = min(self._failures + 1, 16)
        return max(self._random.uniform(0.0, bound), answer.wait_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                wait = self.deliver_oldest()
            except StoreUnavailable as error:
                log.warning(
                    "store unavailable, notifications will be retried: check the database's disk",
                    extra={"reason": str(error)},
                )
                wait = self._backoff_seconds[1]
            except Exception:
                log.exception("internal error in a notification, will retry: report this error")
                wait = self._backoff_seconds[1]
            if wait is None:
                self._wake.wait(IDLE_SECONDS)
            elif wait:
                self._stopping.wait(wait)
