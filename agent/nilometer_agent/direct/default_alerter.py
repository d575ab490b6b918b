"""The default alerter of an agent that is cut off from its collector.

It judges the windows of this agent by the baselines that the collector handed over before. Its
evidence begins without any when the agent is cut off, and is thrown away when the collector answers
again, because the collector judges the stored windows of all agents then.
"""

import logging
from collections.abc import Callable, Sequence
from heapq import nsmallest

from nilometer.alert import Evaluation
from nilometer.alert.calibrated.handed import MOST_ENTITIES, HandedOver
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.profile import SummarySample
from nilometer.values.clock import NANOSECONDS, Clock
from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer_agent.direct.cut_off import CutOffEntity, Told
from nilometer_agent.uplink.plan import PlanKeeper

log = logging.getLogger("nilometer.agent")

Tell = Callable[[int, Evaluation, float], None]


class DefaultAlerter:
    """Judges closed windows while the agent is cut off. Only the engine's thread may call.

    An error is logged, and ends the judging of the entity until the next time that the agent is cut
    off. It never reaches the caller.

    Args:
        plans: Keeper of the handed-over baselines.
        tell: Function that tells the opening of an episode. It gets the number that the next episode
            of the entity has, the leading part, and the length of the agent's windows in seconds.
        clock: Wall time, which no window may pass by more than a base window; monotonic time for the
            rate of log lines.
    """

    def __init__(self, plans: PlanKeeper, tell: Tell, clock: Clock) -> None:
        self._plans = plans
        self._tell = tell
        self._clock = clock
        self._once = OnceEvery(MINUTE_SECONDS)
        self._outage = 0  # number of the outage that is judged
        self._judged: dict[str, CutOffEntity | None] = {}  # None if judging it has failed

    def closed(self, samples: Sequence[SummarySample]) -> None:
        """Count the samples of a closed window, and judge the base windows that are over."""
        if not samples:
            return
        window = samples[0].window
        window_seconds = (window.end_ns - window.start_ns) / NANOSECONDS
        is_cut_off = self._plans.is_cut_off(window_seconds)
        if not is_cut_off or self._outage != self._plans.outages:
            self._judged.clear()
            self._outage = self._plans.outages
        # A window of a wrong clock would move the judge into the future, and the right ones would be
        # late from then on.
        is_of_future = window.start_ns > self._clock.now_ns() + BASE_NS
        if not is_cut_off or is_of_future:
            return
        name = samples[0].entity
        try:
            judged = self._of(name, window.start_ns)
            if judged is None:
                return
            # The collector has learned from what agents ship, so the same is counted here.
            fewest = self._plans.active.disclosure.fewest_of_a_pseudonym
            for told in judged.take([sample.suppressed(fewest) for sample in samples]):
                self._open(name, told, window_seconds)
        except Exception:
            self._judged[name] = None
            if self._once.due(self._clock.monotonic(), name):
                log.exception(
                    "internal error in the default alerter of an agent that is cut off, the entity "
                    "is left to the collector: report this error",
                    extra={"entity": name},
                )

    def newest_opened(self, entity: str) -> int | None:
        """Return the number of the newest episode in the plan; None if it is unknown. Thread-safe."""
        content = self._plans.active.baselines.get(entity, b"")
        try:
            return HandedOver.from_bytes(content).opened if content else None
        except ValueError:  # logged when the entity is judged
            return None

    def _of(self, name: str, start_ns: int) -> CutOffEntity | None:
        """Return the judge of the entity *name*, which begins with a window at *start_ns*.

        Return None for an entity without baselines, and for one whose judging has failed.
        """
        if name not in self._judged:
            # Only entities with baselines count: an agent may see many that are not judged.
            baselines = self._plans.active.baselines
            if name not in nsmallest(MOST_ENTITIES, baselines):
                return None
            self._judged[name] = CutOffEntity(name, baselines[name], start_ns)
        return self._judged[name]

    def _open(self, name: str, told: Told, window_seconds: float) -> None:
        log.warning(
            "drift found in the windows of this agent, the collector does not answer: it is told "
            "directly",
            extra={"entity": name, "summary": told.evaluation.summary},
        )
        self._tell(told.number, told.evaluation, window_seconds)
