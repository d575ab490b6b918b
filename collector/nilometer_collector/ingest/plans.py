"""Plans for agents: the references, alerters and baselines of the entities that they see."""

import logging
from collections.abc import Mapping, Sequence

from nilometer.alert import Alerter
from nilometer.alert.conditions import Reported
from nilometer.profile import Reference
from nilometer.profile.reference import LEARNED
from nilometer.values.clock import Clock
from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer.values.privacy import Disclosure
from nilometer.wire.alerts import NO_BASELINES, plan_to_wire
from nilometer.wire.references import reference_to_wire
from nilometer.wire.services import Plan
from nilometer.wire.services import Reference as WireReference
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import Store
from nilometer_collector.watch.handing import Handing

MOST_BYTES = 3 << 20  # size of a plan; an agent receives at most 4 MiB

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

    def made(self, entities: Sequence[str], *, baselines: bool) -> Plan:
        """Return the plan of *entities*, of at most `MOST_BYTES` without its alerters.

        References that do not fit are left out: at first those that neither an alerter names nor the
        default alerter has learned. Baselines get the room that is left.

        Args:
            entities: Names of the entities, sorted, each once.
            baselines: Whether to include the baselines of the default alerter.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        references: list[Reference] = []
        alerters: list[Alerter] = []
        for entity in entities:
            records = self._store.references.records(entity)
            found = map(self._store.references.read, records)
            references += [reference for reference in found if reference is not None]
            now_ns = self._clock.now_ns()
            expired = {one.name for one in records if one.has_expired(now_ns)}
            alerters += [
                one
                for one in self._store.alerts.alerters(entity)
                if not isinstance(one.condition, Reported)
                and one.condition.reference not in expired
            ]
        messages = self._fitting(references, alerters)
        room = MOST_BYTES - sum(one.ByteSize() for one in messages)
        return plan_to_wire(
            messages,
            alerters,
            self._store.names_key,
            self._disclosure,
            prediction_sums=self._prediction_sums,
            baselines=self._baselines(entities, room) if baselines else NO_BASELINES,
        )

    def _fitting(
        self, references: Sequence[Reference], alerters: Sequence[Alerter]
    ) -> list[WireReference]:
        """Return the messages of the references that fit into a plan, in the order of *references*."""
        messages = [reference_to_wire(reference) for reference in references]
        sizes = [message.ByteSize() for message in messages]
        if sum(sizes) <= MOST_BYTES:
            return messages
        used = {(one.entity, one.condition.reference) for one in alerters}

        def is_spare(at: int) -> bool:
            reference = references[at]
            return reference.name != LEARNED and (reference.entity, reference.name) not in used

        room = MOST_BYTES
        fitting = set()
        for at in sorted(range(len(messages)), key=is_spare):
            if sizes[at] <= room:
                room -= sizes[at]
                fitting.add(at)
            elif self._once.due(self._clock.monotonic(), references[at].entity):
                log.warning(
                    "a reference is not handed to an agent, which counts without its bin edges: the "
                    "plan would be too large; let each agent see fewer entities, or make the "
                    "reference of fewer columns",
                    extra={"entity": references[at].entity, "reference": references[at].name},
                )
        return [message for at, message in enumerate(messages) if at in fitting]

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
