"""The heartbeat: a request that an outside monitor awaits, and misses when the monitoring fails."""

import logging
import uuid

from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer_collector.access.destinations import Destination
from nilometer_collector.channels.posting import Outcome, Post, post
from nilometer_collector.counters import Counter, Counters

log = logging.getLogger("nilometer.collector")


class Heartbeat:
    """Posts to the URL of a dead-man's switch.

    Args:
        destination: URL, and the addresses that it may have.
        counters: Counters of sent and failed heartbeats.
        deliver: Function that posts a message.
    """

    def __init__(self, destination: Destination, counters: Counters, deliver: Post = post) -> None:
        self._destination = destination
        self._counters = counters
        self._deliver = deliver
        self._once = OnceEvery(MINUTE_SECONDS)

    def beat(self, now: float) -> None:
        """Post once; a failure is counted and logged, and the next beat tries again.

        Args:
            now: Monotonic time, for the log.
        """
        answer = self._deliver(self._destination, {"status": "up"}, uuid.uuid4().hex)
        if answer.outcome is Outcome.DELIVERED:
            self._counters.add(Counter.HEARTBEATS)
            return
        self._counters.add(Counter.HEARTBEATS_FAILED)
        if self._once.due(now):
            log.warning(
                "heartbeat not accepted, will send the next one: check heartbeat_url",
                extra={"reason": answer.reason},
            )
