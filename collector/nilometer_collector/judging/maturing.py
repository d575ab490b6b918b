"""Lets alerters that users set wait until the labels of joined performance have arrived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nilometer.alert import Alerter
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.entity import PERFORMANCE
from nilometer_collector.errors import Conflict
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.maturity import MOST_EARLIER, Arrived, maturity_of
from nilometer_collector.query.arrived_truth import arrived_windows
from nilometer_collector.query.definitions import performance_of
from nilometer_collector.query.query import Query
from nilometer_collector.store import Store

PAUSE_NS = 60 * NANOSECONDS  # time between two looks for labels
LONGEST_WAIT_NS = 7 * 86_400 * NANOSECONDS  # longest time for which a window waits for labels
LATER_NS = 3600 * NANOSECONDS  # a window is passed over once one that ended as much later is mature


@dataclass(frozen=True, slots=True)
class Immature:
    """The windows of an entity that are not mature.

    Attributes:
        why: Reason, by the start of the window in Unix nanoseconds.
        waiting: Ends of the windows that wait for labels, ascending. The others are passed over.
    """

    why: Mapping[int, str]
    waiting: Sequence[int]


NONE = Immature({}, ())


class Maturing:
    """Tells which windows of joined performance are not mature. Not thread-safe.

    Args:
        store: Store of ground truth.
        clock: Clock for wall time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._query = Query(store, clock)
        self._looked: dict[str, tuple[int, Immature]] = {}  # wall time and result, by entity

    def forget(self, entity: str) -> None:
        """Look again at the next call."""
        self._looked.pop(entity, None)

    def of(self, entity: str) -> Immature:
        """Return the windows of *entity* that are not mature, at most `PAUSE_NS` old."""
        now_ns = self._clock.now_ns()
        looked_ns, found = self._looked.get(entity, (0, NONE))
        if not 0 <= now_ns - looked_ns < PAUSE_NS:
            found = self._look(entity, now_ns)
            self._looked[entity] = now_ns, found
        return found

    def limited(
        self,
        alerters: Sequence[Alerter],
        judged: Mapping[str, int],
        until: Mapping[str, int],
    ) -> dict[str, int]:
        """Return *until*, but an alerter on performance alone stops before a window that waits.

        An alerter on a pattern does not wait, because its other summaries must not.

        Args:
            alerters: Alerters of one entity.
            judged: End of the newest judged window of each alerter, by name.
            until: Time up to which each would judge.
        """
        found = dict(until)
        for alerter in alerters:
            name = alerter.name
            if alerter.summary == PERFORMANCE and judged.get(name, -1) < until[name]:
                waits = self.of(alerter.entity).waiting
                first_ns = next((one for one in waits if one > judged.get(name, -1)), None)
                if first_ns is not None:
                    found[name] = min(until[name], first_ns - 1)
        return found

    def _look(self, entity: str, now_ns: int) -> Immature:
        try:
            definition = performance_of(self._store, entity)
        except Conflict:  # nobody has declared it, so nothing is joined
            return NONE
        start_ns = now_ns - LONGEST_WAIT_NS - MOST_EARLIER * definition.step_ns
        windows = arrived_windows(self._store, self._query, definition, start_ns, now_ns)
        return immature([one.arrived for one in windows], definition, now_ns)


def immature(
    windows: Sequence[Arrived], definition: PerformanceDefinition, now_ns: int
) -> Immature:
    """Return the windows that are not mature. A window whose predictions are not counted is judged.

    Args:
        windows: Windows of one step, oldest first.
        definition: What is judged.
        now_ns: Wall time.
    """
    why: dict[int, str] = {}
    waiting = []
    newest_ns = 0  # end of the newest mature window
    found = maturity_of(windows, definition, now_ns)
    for one, maturity in zip(reversed(windows), reversed(found), strict=True):
        if one.predictions is None:
            continue
        if maturity.is_mature:
            newest_ns = max(newest_ns, one.end_ns)
            continue
        why[one.start_ns] = f"too few labels have arrived: {maturity.why}"
        if newest_ns < one.end_ns + LATER_NS and now_ns - one.end_ns < LONGEST_WAIT_NS:
            waiting.append(one.end_ns)
    return Immature(why, sorted(waiting))
