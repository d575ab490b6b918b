"""Delivers stored notifications of each channel, oldest first, until each is delivered or refused.

A message is marked after the receiver has accepted it. After a crash before the mark, it is delivered
again under the same key. Failed attempts are retried without limit, with a full-jitter backoff of 1 to
30 s. After the first messages, a channel gets one message in each interval of its kind. Notifications
that wait in the meantime share a message.
"""

import logging
import random

from nilometer.values.clock import Clock
from nilometer_collector.alerting.receivers import KINDS, ChannelDefinition, Kind
from nilometer_collector.background import Background, Pause
from nilometer_collector.channels.action_message import any_message_of
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.receivers import Receivers
from nilometer_collector.channels.sending import Sending
from nilometer_collector.channels.surroundings import Surroundings
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import Notice, Store
from nilometer_collector.store.routing import awaits_route

BACKOFF_SECONDS = (1.0, 30.0)  # smallest and largest bound of the jitter
IDLE_SECONDS = 5.0  # interval of checks for notifications of other collectors
MOST_ERRORS = 3  # attempts at a message that ends with an internal error

log = logging.getLogger("nilometer.collector")


class Courier:
    """Delivers the notifications of one channel, on its own `thread`, until the channel is deleted.

    Args:
        name: Name of the channel.
        store: Store of the queued notifications.
        receivers: Channels, and how to reach them.
        clock: Clock for the wall time of deliveries and the pace.
        counters: Counters of delivered, refused and failed notifications.
        backoff_seconds: Smallest and largest bound of the jitter.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        receivers: Receivers,
        clock: Clock,
        counters: Counters,
        *,
        backoff_seconds: tuple[float, float] = BACKOFF_SECONDS,
    ) -> None:
        self._name = name
        self._store = store
        self._receivers = receivers
        self._clock = clock
        self._counters = counters
        self._backoff_seconds = backoff_seconds
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._failures = 0
        self._pace = _Pace(clock)
        self._errors = 0
        self._awaiting: tuple[int, bool] | None = None  # newest revision, and what it means
        self._repeated_at: float | None = None
        self.thread = Background(
            f"notify-{name}",
            self._step,
            after_error=Pause(backoff_seconds[1], is_firm=True),
            unavailable="store unavailable, notifications will be retried: check the database's disk",
            failed="internal error in a notification, will retry: report this error",
        )

    def deliver_oldest(self) -> float | None:
        """Try once to deliver the next message.

        Returns:
            Seconds to wait before the next attempt; None if no notification is queued, or the oldest
            must wait.
        """
        channel = self._receivers.read(self._store, self._name)
        if channel is None or self._awaits_route():
            return None
        self._repeat(channel)
        kind = KINDS[channel.kind]
        is_grouping = kind.is_grouping
        if (wait := self._pace.wait_seconds(kind)) > 0:
            return wait
        now_ns = self._clock.now_ns()
        notice = self._store.deliveries.take(self._name, now_ns, is_grouping=is_grouping)
        if notice is None:
            return None
        return self._record(notice, self._tried(channel, notice))

    def _awaits_route(self) -> bool:
        """Return whether an unreadable route may name the channel; routes are read after a new revision."""
        newest = self._store.history.newest  # before the routes, so that a change is seen next time
        if self._awaiting is None or self._awaiting[0] != newest:
            self._awaiting = newest, awaits_route(self._name, self._store.routes.contents())
        return self._awaiting[1]

    def _repeat(self, channel: ChannelDefinition) -> None:
        """Tell the receiver of all open episodes that it knows, if its kind wants that now."""
        seconds, now = KINDS[channel.kind].repeat_seconds, self._clock.monotonic()
        if not seconds or (self._repeated_at is not None and now < self._repeated_at + seconds):
            return
        self._repeated_at = now
        notice = self._store.deliveries.standing(self._name)
        if notice is None:
            return
        answer = self._send(channel, notice)
        if answer.outcome is not Outcome.DELIVERED:
            log.warning(
                "open episodes not repeated, will retry: check the channel",
                extra={"channel": self._name, "reason": answer.reason},
            )

    def _tried(self, channel: ChannelDefinition, notice: Notice) -> Answer:
        """Send a message. An internal error is an attempt with a reason, so that it delays no other."""
        try:
            answer = self._send(channel, notice)
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception("internal error in a notification: report this error")
            self._errors += 1
            is_last = self._errors >= MOST_ERRORS
            return Answer(
                outcome=Outcome.REFUSED if is_last else Outcome.FAILED,
                reason=f"internal error: {type(error).__name__}",
            )
        self._errors = 0
        return answer

    def _send(self, channel: ChannelDefinition, notice: Notice) -> Answer:
        now_ns = self._clock.now_ns()
        surroundings = Surroundings(
            self._store,
            self._receivers.page_url(),
            self._receivers.likely_cause,
            links_for=channel.name if self._receivers.has_links else "",
            now_ns=now_ns,
        )
        sending = Sending(
            channel=channel,
            message=any_message_of(notice, surroundings),
            allowed=self._receivers.allowed,
            now_ns=now_ns,
            is_guarded=self._receivers.guards(self._store, channel),
        )
        return self._receivers.senders[channel.kind](sending)

    def _record(self, notice: Notice, answer: Answer) -> float:
        now_ns = self._clock.now_ns()
        deliveries = self._store.deliveries
        count = 1 + len(notice.others)
        known = {
            "channel": self._name,
            "episode": notice.episode.id,
            "attempt": notice.attempts + 1,
            "notifications": count,
        }
        match answer.outcome:
            case Outcome.DELIVERED:
                deliveries.delivered(notice, now_ns)
                self._counters.add(Counter.NOTIFICATIONS_DELIVERED, count)
                log.info("notification delivered", extra=known)
                self._pace.spend()
            case Outcome.REFUSED if notice.others:
                deliveries.split(notice, now_ns, answer.reason)
                self._counters.add(Counter.NOTIFICATIONS_FAILED)
                log.warning(
                    "message refused by the channel, will send its halves: see the reason",
                    extra={**known, "reason": answer.reason},
                )
            case Outcome.REFUSED:
                deliveries.refused(notice, now_ns, answer.reason)
                self._counters.add(Counter.NOTIFICATIONS_REFUSED, count)
                log.error(
                    "notification refused by the channel, will not retry: see the reason",
                    extra={**known, "reason": answer.reason},
                )
            case Outcome.FAILED:
                deliveries.failed(
                    notice,
                    now_ns,
                    answer.reason,
                    answer.wait_seconds,
                    may_have_arrived=answer.may_have_arrived,
                )
                self._counters.add(Counter.NOTIFICATIONS_FAILED)
                log.warning(
                    "notification failed, will retry: check the channel",
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

    def _step(self) -> Pause | None:
        if self._receivers.read(self._store, self._name) is None:
            return None
        wait = self.deliver_oldest()
        return Pause(IDLE_SECONDS) if wait is None else Pause(wait, is_firm=True)


class _Pace:
    """Allows the first messages of a kind at once, and one more in each of its intervals."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent = 0.0  # messages that no interval has paid for
        self._at = clock.monotonic()

    def wait_seconds(self, kind: Kind) -> float:
        """Return the time until the next message may be sent; 0 if it may be sent now."""
        now = self._clock.monotonic()
        self._spent = max(self._spent - (now - self._at) / kind.pace_seconds, 0.0)
        self._at = now
        return max((self._spent + 1.0 - kind.burst) * kind.pace_seconds, 0.0)

    def spend(self) -> None:
        """Count a message."""
        self._spent += 1.0


class Couriers:
    """Keeps one courier for each channel, also for channels that are created later.

    Args:
        store: Store of the channels and the queued notifications.
        receivers: Channels, and how to reach them.
        clock: Clock for the wall time of deliveries and the pace.
        counters: Counters of delivered, refused and failed notifications.
        backoff_seconds: Smallest and largest bound of the jitter.
    """

    def __init__(
        self,
        store: Store,
        receivers: Receivers,
        clock: Clock,
        counters: Counters,
        *,
        backoff_seconds: tuple[float, float] = BACKOFF_SECONDS,
    ) -> None:
        self._store = store
        self._receivers = receivers
        self._clock = clock
        self._counters = counters
        self._backoff_seconds = backoff_seconds
        self._couriers: dict[str, Courier] = {}
        self.thread = Background(
            "notify",
            self._step,
            after_error=Pause(IDLE_SECONDS),
            unavailable="store unavailable, channels will be read again: check the database's disk",
            failed="internal error in the channels, will retry: report this error",
        )

    def stop(self, timeout: float) -> None:
        """End every courier after its current attempt. May be called twice."""
        self.thread.stop(timeout)
        for courier in self._couriers.values():
            courier.thread.end()  # all end at the same time
        for courier in self._couriers.values():
            courier.thread.stop(timeout)

    @property
    def threads(self) -> list[Background]:
        """The threads of all couriers."""
        return [courier.thread for courier in tuple(self._couriers.values())]

    def _step(self) -> Pause:
        for channel in self._receivers.all(self._store):
            self._keep(channel.name)
        for courier in self._couriers.values():
            courier.thread.wake()
        return Pause(IDLE_SECONDS)

    def _keep(self, name: str) -> None:
        courier = self._couriers.get(name)
        if courier is None or not courier.thread.is_running:
            self._couriers[name] = Courier(
                name,
                self._store,
                self._receivers,
                self._clock,
                self._counters,
                backoff_seconds=self._backoff_seconds,
            )
            log.info("notifications go to a channel", extra={"channel": name})
            self._couriers[name].thread.start()
