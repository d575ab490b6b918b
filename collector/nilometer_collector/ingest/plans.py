"""Plans for agents: the references, alerters and baselines of the entities that they see."""

import logging
from collections.abc import Collection, Mapping, Sequence

from nilometer.alert import Alerter
from nilometer.alert.conditions import Reported
from nilometer.profile.reference import LEARNED
from nilometer.values.clock import Clock
from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer.values.privacy import Disclosure
from nilometer.wire.alerts import NO_BASELINES, add_baselines, name_by_content, plan_to_wire
from nilometer.wire.references import reference_message
from nilometer.wire.services import Plan
from nilometer.wire.services import Reference as WireReference
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import ReferenceRecord, Store
from nilometer_collector.watch.handing import Handing

MOST_BYTES = 3 << 20  # size of a plan; an agent receives at most 4 MiB
FRAME_BYTES = 8  # most that a plan adds to the bytes of a reference

log = logging.getLogger("nilometer.collector")


class Plans:
    """Makes plans from what is stored. Thread-safe.

    Args:
        store: Store of references, alerters and baselines.
        clock: Wall and monotonic time.
        disclosure: Least strict privacy settings for agents; sent in every plan.
        prediction_sums: Whether to ask agents for sums of predictions by bin of each input.
        handing: What packs the baselines of the default alerter.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        disclosure: Disclosure,
        handing: Handing,
        *,
        prediction_sums: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._disclosure = disclosure
        self._handing = handing
        self._prediction_sums = prediction_sums
        self._once = OnceEvery(MINUTE_SECONDS)

    def made(self, entities: Sequence[str], *, baselines: bool, taken: int = 0) -> Plan:
        """Return the plan of *entities*, of at most `MOST_BYTES`.

        What does not fit is left out: at first baselines, then references that neither an alerter names
        nor the default alerter has learned, then other references, then alerters.

        Args:
            entities: Names of the entities, sorted, each once.
            baselines: Whether to include the baselines of the default alerter.
            taken: Size of what the caller adds, in bytes.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        records: list[ReferenceRecord] = []
        alerters: list[Alerter] = []
        for entity in entities:
            found = self._store.references.records(entity)
            records += found
            now_ns = self._clock.now_ns()
            expired = {one.name for one in found if one.has_expired(now_ns)}
            alerters += [
                one
                for one in self._store.alerts.alerters(entity)
                if not isinstance(one.condition, Reported)
                and one.condition.reference not in expired
            ]
        plan = plan_to_wire(
            (),
            alerters,
            self._store.names_key,
            self._disclosure,
            prediction_sums=self._prediction_sums,
        )
        room = self._left(plan, taken)
        used = {(one.entity, one.condition.reference) for one in alerters}
        plan.references.extend(self._fitting(records, used, room))
        if baselines:
            add_baselines(plan, self._baselines(entities, MOST_BYTES - taken - plan.ByteSize()))
        name_by_content(plan)
        return plan

    def _left(self, plan: Plan, taken: int) -> int:
        """Return the room for references, in bytes; leave out alerters that are too many."""
        size = plan.ByteSize() + taken
        if size > MOST_BYTES:
            fitting = len(plan.alerters) * max(MOST_BYTES - taken, 0) // size
            self._warn(alerters=len(plan.alerters) - fitting)
            del plan.alerters[fitting:]
        return max(MOST_BYTES - taken - plan.ByteSize(), 0)

    def _fitting(
        self, records: Sequence[ReferenceRecord], used: Collection[tuple[str, str]], room: int
    ) -> list[WireReference]:
        """Return the messages of the references that fit, in the order of *records*.

        Args:
            records: References.
            used: Entity and name of those that alerters name.
            room: Largest sum of their sizes, in bytes.
        """

        def is_spare(at: int) -> bool:
            return (
                records[at].name != LEARNED and (records[at].entity, records[at].name) not in used
            )

        found: dict[int, bytes] = {}
        left_out = 0
        for at in sorted(range(len(records)), key=is_spare):
            packed = self._store.references.packed(records[at])
            if packed is None:
                continue
            if len(packed) + FRAME_BYTES <= room:
                room -= len(packed) + FRAME_BYTES
                found[at] = packed
            else:
                left_out += 1
        if left_out:
            self._warn(references=left_out)
        return [reference_message(found[at]) for at in sorted(found)]

    def _warn(self, **left_out: int) -> None:
        if self._once.due(self._clock.monotonic()):
            log.warning(
                "a plan is too large, and an agent gets it without some alerters or references, so that "
                "it counts without their bin edges: let each agent see fewer entities, or make "
                "references of fewer columns",
                extra=left_out,
            )

    def _baselines(self, entities: Sequence[str], room: int) -> Mapping[str, bytes]:
        """Return the packed baselines of *entities*, at most *room* bytes.

        An error is logged; the agent then gets its plan without baselines.
        """
        try:
            return self._handing.all_of(entities, room)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception(
                "internal error, baselines not handed to an agent: report this error",
                extra={"entities": len(entities)},
            )
            return NO_BASELINES
