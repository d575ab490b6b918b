"""References and alerters: asked of the collector, kept for when it is away."""

import logging
import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase

import grpc

from nilometer.alert import Alerter
from nilometer.profile import FeatureSpec, Reference
from nilometer.profile.schema import Schema
from nilometer.sketch.binned import edges_id
from nilometer.values.errors import NilometerError
from nilometer.wire.alerts import plan_from_wire
from nilometer.wire.contents.codec import EdgesOf
from nilometer.wire.services import GetPlanRequest, Plan
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.uplink.ship import Collector

DEADLINE_SECONDS = 5.0
MAX_ENTITIES = 2000  # whose rules are asked for

log = logging.getLogger("nilometer.agent")


class Rules:
    """What is known of the entities now. Replaced as a whole, so that readers need no lock.

    Args:
        references: Of all entities.
        alerters: Of all entities.
    """

    def __init__(
        self,
        references: list[Reference],
        alerters: list[Alerter],
        names_key: bytes = b"",
        declared: Mapping[str, Schema] | None = None,
    ) -> None:
        self._names_key = names_key
        self._references: dict[str, dict[str, Reference]] = {}
        for reference in references:
            self._references.setdefault(reference.entity, {})[reference.name] = reference
        self._alerters: dict[str, list[Alerter]] = {}
        for alerter in alerters:
            self._alerters.setdefault(alerter.entity, []).append(alerter)
        self._declared = declared or {}
        self._specs: dict[tuple[str, str], FeatureSpec] = {}

    def references(self, entity: str) -> Mapping[str, Reference]:
        """References of *entity* by name."""
        return self._references.get(entity, {})

    def schema(self, entity: str) -> Schema | None:
        """The fields that *entity* should have: declared, or those of its newest reference."""
        declared = self._declared.get(entity)
        if declared is not None:
            return declared
        newest = max(self.references(entity).values(), key=lambda r: r.created_ns, default=None)
        return None if newest is None else Schema.of_reference(newest)

    def edges_of(self, entity: str) -> EdgesOf:
        """Edges of the references of *entity*, by their name."""
        return {
            edges_id(column.edges): column.edges
            for reference in self.references(entity).values()
            for column in reference.columns.values()
            if column.edges
        }.get

    def alerters(self, entity: str, summary: str) -> list[Alerter]:
        """Alerters of *entity* that watch *summary*."""
        return [alerter for alerter in self._alerters.get(entity, ()) if alerter.watches(summary)]

    def spec(self, entity: str, summary: str, readable: tuple[str, ...]) -> FeatureSpec:
        """What a feature is counted on, from the newest reference that has it."""
        key = (entity, summary)
        spec = self._specs.get(key)
        if spec is None:
            spec = self._specs[key] = self._make_spec(entity, summary, readable)
        return spec

    def _make_spec(self, entity: str, summary: str, readable: tuple[str, ...]) -> FeatureSpec:
        shown = any(fnmatchcase(summary, pattern) for pattern in readable)
        newest = sorted(self.references(entity).values(), key=lambda r: r.created_ns, reverse=True)
        for reference in newest:
            spec = reference.spec(summary, readable=shown, key=self._names_key)
            if spec is not None:
                return spec
        return FeatureSpec(readable=shown, key=self._names_key)


class PlanKeeper:
    """Keeps `rules` fresh. Thread rule: `refresh` from one thread, `rules` from any.

    Args:
        buffer: Where the last plan stands for when the collector is away.
        stub: Of the collector; None without one.
        names_key: Of pseudonyms; empty takes the collector's.
        declared: Schemas by entity that stand before a reference's.
        agent: Stable name of this agent, and *instance*, 16 random bytes of this process: the
            collector notices two processes of one name even when they have nothing to ship.
    """

    def __init__(
        self,
        buffer: Buffer,
        stub: Collector | None,
        names_key: bytes = b"",
        declared: Mapping[str, Schema] | None = None,
        *,
        agent: str = "",
        instance: bytes = b"",
    ) -> None:
        self._agent, self._instance = agent, instance
        self._declared = declared or {}
        self._buffer = buffer
        self._stub = stub
        self._version = ""
        self.entities: set[str] = set()
        self._names_key = names_key
        self.rules = Rules([], [], names_key, self._declared)
        self.wanted = threading.Event()  # set when an entity was seen for the first time
        stored = buffer.plan()
        if stored is not None:
            self._take(Plan.FromString(stored))

    def see(self, entity: str) -> None:
        """Ask for *entity*, too, from now on."""
        if entity not in self.entities and len(self.entities) < MAX_ENTITIES:
            self.entities = self.entities | {entity}
            self.wanted.set()

    def refresh(self) -> bool:
        """Ask the collector once; whether it answered."""
        self.wanted.clear()  # whatever follows: who waits for it must not find it set for ever
        if self._stub is None or not self.entities:
            return False
        request = GetPlanRequest(
            entities=sorted(self.entities),
            version=self._version,
            agent=self._agent,
            instance=self._instance,
        )
        try:
            plan = self._stub.GetPlan(request, timeout=DEADLINE_SECONDS)
        except (grpc.RpcError, OSError) as error:
            log.debug("plan not refreshed", extra={"reason": str(error)[:200]})
            return False
        if not plan.unchanged and self._take(plan):
            self._buffer.keep_plan(plan.SerializeToString())
            log.info("plan", extra={"version": plan.version, "alerters": len(plan.alerters)})
        return True

    def _take(self, plan: Plan) -> bool:
        try:
            content = plan_from_wire(plan)
        except (ValueError, NilometerError) as error:
            log.error("plan refused", extra={"reason": str(error)})  # noqa: TRY400
            return False
        for (entity, name), reason in content.unread.items():
            told = {"entity": entity, "alerter": name, "reason": reason}
            log.warning("an alerter is left out: this agent cannot read it", extra=told)
        key = self._names_key or plan.names_key
        self.rules = Rules(content.references, content.alerters, key, self._declared)
        self._version = plan.version
        self.entities = self.entities | {reference.entity for reference in content.references}
        return True
