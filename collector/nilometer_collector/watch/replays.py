"""Replays: recorded traffic that is sent long after its windows."""

from collections.abc import Sequence

from nilometer.values.senders import TABLES
from nilometer_collector.store import HeardRecord
from nilometer_collector.watch.memory import DAY_NS

REPLAYED_NS = 7 * DAY_NS  # windows that arrive so late are those of a replay


def is_replayed(heard: Sequence[HeardRecord]) -> bool:
    """Return whether no agent has ever sent a window in time, so that all traffic is a replay.

    Args:
        heard: How late the windows of each agent, and of tables, have arrived.
    """
    agents = [one for one in heard if one.agent != TABLES]
    return bool(agents) and all(one.least_lag_ns >= REPLAYED_NS for one in agents)
