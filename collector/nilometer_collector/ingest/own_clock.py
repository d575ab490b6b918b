"""Tells whether a time after the collector's clock may be right, because that clock is behind.

An agent never ships a rejected row again. So a row from the future is rejected only if what agents
shipped before agrees with the collector's clock, or, if nothing arrived lately, the agent's clock
does by now. Otherwise the agent keeps the row and retries.
"""

import logging
from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.once import HOUR_SECONDS, OnceEvery
from nilometer.values.senders import TABLES
from nilometer_collector.store import Store

DAY_NS = 86_400 * NANOSECONDS
OLDEST_AGREEING_NS = DAY_NS  # longest time since the newest window that confirms the clock
# A clock that was never set is behind by decades: it shows a time before this software existed.
FIRST_NS = 1_672_531_200 * NANOSECONDS  # 2023
LONGEST_BEHIND_NS = 3650 * DAY_NS  # no clock that shows a later time is behind by more

log = logging.getLogger("nilometer.collector")


class Evidence(NamedTuple):
    """What a shipment tells about the time.

    Attributes:
        newest_ns: Newest end of its allowed windows, Unix nanoseconds; 0 without one.
        sent_ns: Time of the agent's clock, Unix nanoseconds; 0 if it did not say.
    """

    newest_ns: int
    sent_ns: int = 0


class OwnClock:
    """The collector's clock, compared with the windows that agents shipped. Thread-safe.

    Args:
        store: Store of the windows.
        clock: The collector's clock.
        future_ns: Longest time after *clock* at which a window may begin, nanoseconds.
    """

    def __init__(self, store: Store, clock: Clock, future_ns: int) -> None:
        self._store = store
        self._future_ns = future_ns
        self._clock = clock
        self._hourly = OnceEvery(HOUR_SECONDS)

    def doubt(self, agent: str, times: Collection[int], evidence: Evidence, now_ns: int) -> str:
        """Return why the collector's clock may be behind; empty if *times* may be rejected.

        Who ships tables still has them after a rejection, so those rows never wait.

        Args:
            agent: Name of the agent that shipped the rows.
            times: Times of rows that are too far in the future, Unix nanoseconds; may be empty.
            evidence: What the shipment of these rows tells about the time.
            now_ns: Time of the collector's clock, Unix nanoseconds.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        possible = [at for at in times if now_ns < FIRST_NS or at <= now_ns + LONGEST_BEHIND_NS]
        if not possible or agent == TABLES:
            return ""
        newest_ns = max(evidence.newest_ns, self._store.newest_end_ns() or 0)
        earliest_ns = max(now_ns - OLDEST_AGREEING_NS, 1)  # 0 is no window
        if earliest_ns <= newest_ns <= now_ns + self._future_ns // 2:
            return ""
        if newest_ns < earliest_ns and self._agrees(evidence.sent_ns, now_ns):
            return ""
        known = f"the newest ends at {utc(newest_ns)}" if newest_ns else "there is none"
        reason = (
            f"a row is of {utc(min(possible))}, and the collector's clock shows {utc(now_ns)}, which "
            f"no stored window confirms ({known}): set the clock that is wrong"
        )
        self._tell(agent, len(times), reason)
        return reason

    def _agrees(self, sent_ns: int, now_ns: int) -> bool:
        """Return whether the agent's clock, which was wrong before, confirms the collector's by now.

        An agent on the same machine shares a clock that was never set. An older agent tells no time.
        """
        is_known = now_ns >= FIRST_NS and sent_ns > 0
        return is_known and abs(sent_ns - now_ns) <= self._future_ns // 2

    def _tell(self, agent: str, rows: int, reason: str) -> None:
        if self._hourly.due(self._clock.monotonic()):
            log.error(
                "rows from the future wait at their agent, because the collector's clock may be "
                "behind: set the collector's clock, or that of the agent's machine",
                extra={"agent": agent, "rows": rows, "reason": reason},
            )


def utc(at_ns: int) -> str:
    """Return a time, Unix nanoseconds, in ISO 8601 with whole seconds."""
    return datetime.fromtimestamp(at_ns // NANOSECONDS, UTC).isoformat()
