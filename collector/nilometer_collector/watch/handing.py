"""What the default alerter hands to agents, so that they can judge while they cannot reach it."""

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from weakref import WeakValueDictionary

from nilometer.alert.calibrated.handed import MOST_ENTITIES, HandedOver, HandedSubject
from nilometer.alert.calibrated.packing import unpacked
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.values.clock import Clock
from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer.values.senders import TABLES
from nilometer_collector.alerting.watch_rules import WatchRule, rule_of
from nilometer_collector.store import UNDECLARED, HeardRecord, Store
from nilometer_collector.watch.judges import subjects_of
from nilometer_collector.watch.memory import DAY_NS, Book, Memory
from nilometer_collector.watch.rules import current_rules

KEPT_SECONDS = 60.0  # time for which a packed form is used again
MOST_KEPT = 4096  # entities whose packed form is kept
MOST_KEPT_BYTES = 64 << 20  # size of these forms
NEVER = (-math.inf, b"")
SENDING_NS = 3 * BASE_NS  # wall time without a window until an agent no longer counts as sending

log = logging.getLogger("nilometer.collector")


class Handing:
    """Makes the packed `HandedOver` of entities. Thread-safe.

    Args:
        store: Store of the state of the default alerter.
        clock: Wall and monotonic time.
        given: Rules of the settings, by patterns of entities.
    """

    def __init__(self, store: Store, clock: Clock, given: Sequence[WatchRule]) -> None:
        self._store = store
        self._clock = clock
        self._given = given
        self._lock = threading.Lock()  # of what is kept, and of the locks below
        self._making: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._once = OnceEvery(MINUTE_SECONDS)
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._kept_bytes = 0

    def all_of(self, entities: Iterable[str], room: int) -> dict[str, bytes]:
        """Return the packed form of the first `MOST_ENTITIES` of *entities* that are judged.

        Args:
            entities: Names of entities.
            room: Largest sum of the sizes, in bytes. The first entity that does not fit is left
                out, and so are those after it.
        """
        found: dict[str, bytes] = {}
        rules = _Rules(self._store, self._given)
        for entity in entities:
            content = self._of(entity, rules)
            if len(content) > room or (content and len(found) == MOST_ENTITIES):
                self._warn(entity)
                break
            if content:
                found[entity] = content
                room -= len(content)
        return found

    def _of(self, entity: str, rules: "_Rules") -> bytes:
        """Return the packed form, which is at most `KEPT_SECONDS` old; empty if nothing is judged.

        A form takes long to make, so only calls for the same entity wait for it.
        """
        content = self._found(entity)
        if content is not None:
            return content
        with self._lock:
            making = self._making.setdefault(entity, threading.Lock())
        with making:
            content = self._found(entity)  # another call may have made it
            if content is None:
                at = self._clock.monotonic()
                content = self._made(entity, rules)
                self._keep(entity, at, content)
            return content

    def _found(self, entity: str) -> bytes | None:
        """Return the kept form; None if there is none, or it is too old."""
        with self._lock:
            at, content = self._kept.get(entity, NEVER)
            if self._clock.monotonic() - at >= KEPT_SECONDS:
                return None
            self._kept.move_to_end(entity)
            return content

    def _keep(self, entity: str, at: float, content: bytes) -> None:
        """Keep a form that was made at *at*, and forget those that were not used for longest."""
        with self._lock:
            _, before = self._kept.pop(entity, NEVER)
            self._kept[entity] = (at, content)
            self._kept_bytes += len(content) - len(before)
            while self._kept_bytes > MOST_KEPT_BYTES or len(self._kept) > MOST_KEPT:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._kept_bytes -= len(oldest)

    def _made(self, entity: str, rules: "_Rules") -> bytes:
        record = self._store.watching.load(entity)
        if record is None or not record.baselines:
            return b""
        rule = rules.of(entity)
        book = unpacked(record.baselines, Book)
        if not rule.watch or book.in_other_zone(rule.time_zone):
            return b""
        memory = unpacked(record.state, Memory)
        subjects = _subjects(book, memory, rule)
        if not subjects:
            return b""
        handed = HandedOver(
            subjects=subjects,
            time_zone=rule.time_zone,
            holidays=rule.holidays,
            budget_days=rule.budget_days,
            agents=sharing(self._store.watching.heard(entity)),
            episode=memory.next_episode,
            opened=memory.newest_episode,
        )
        content = handed.to_bytes()
        if not content:
            self._warn(entity)
        return content

    def _warn(self, entity: str) -> None:
        if self._once.due(self._clock.monotonic(), entity):
            log.warning(
                "baselines not handed to an agent, which will not judge the entity while it is cut "
                "off: the plan would be too large; let each agent see fewer entities or summaries",
                extra={"entity": entity},
            )


class _Rules:
    """The rules of all entities, read from *store* at most once, when one is first asked for."""

    def __init__(self, store: Store, given: Sequence[WatchRule]) -> None:
        self._store = store
        self._given = given

    def of(self, entity: str) -> WatchRule:
        """Return the rule of *entity*, with its declared time zone."""
        return rule_of(self._rules, entity).declared(self._zones.get(entity, UNDECLARED.time_zone))

    @cached_property
    def _rules(self) -> tuple[WatchRule, ...]:
        return current_rules(self._store, self._given)

    @cached_property
    def _zones(self) -> dict[str, str]:
        return {one.name: one.declaration.time_zone for one in self._store.entities.all()}


def _subjects(book: Book, memory: Memory, rule: WatchRule) -> tuple[HandedSubject, ...]:
    """Return the subjects that agents may judge: those of summaries without an open episode."""
    is_known = {part.record.summary for part in memory.open_parts}
    counted = {one.key: one.counted for one in book.watched}
    return tuple(
        HandedSubject(
            key=one.key,
            counted=counted[one.key],
            baseline=one.judged.baseline,
            tolerance=one.judged.tolerance,
            factor=one.judged.factor,
            length=one.length,
            share=one.share,
        )
        for one in subjects_of(book, rule)
        if one.key.summary not in is_known
    )


def sharing(heard: Sequence[HeardRecord]) -> int:
    """Return the number of agents that share the budget, rounded up to a power of two; at least 1.

    Agents count that have sent in the time `SENDING_NS` before the newest window. After an outage, the
    first agent that is back does not count alone: the agents that fell silent together before count
    instead if they are more, for a day. The number is rounded so that a changed number of pods rarely
    changes the plan of all agents.
    """
    times = sorted((one.received_ns for one in heard if one.agent != TABLES), reverse=True)
    sending = _together(times)
    silent = [at_ns for at_ns in times[sending:] if at_ns > times[0] - DAY_NS]
    return 1 << max(sending - 1, _together(silent) - 1, 0).bit_length()


def _together(times: Sequence[int]) -> int:
    """Return how many of *times*, the newest first, are at most `SENDING_NS` before the first."""
    return sum(at_ns > times[0] - SENDING_NS for at_ns in times)
