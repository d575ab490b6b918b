"""The plan: references and alerters, fetched from the collector and kept on disk."""

import dataclasses
import logging
import threading
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import grpc

from nilometer.alert import Alerter
from nilometer.profile import FeatureSpec, Reference
from nilometer.profile.bin_sums import Summed
from nilometer.profile.reference import LEARNED
from nilometer.profile.schema import Schema
from nilometer.profile.summed_outputs import SummedOutputs
from nilometer.sketch.binned import edges_id
from nilometer.values.clock import Clock, SystemClock
from nilometer.values.errors import NilometerError
from nilometer.values.privacy import BY_DEFAULT, Disclosure
from nilometer.wire.alerts import MAX_PLAN_ENTITIES, NO_BASELINES, plan_from_wire
from nilometer.wire.contents.codec import EdgesOf
from nilometer.wire.services import GetPlanRequest, Plan
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.uplink.ship import Collector

DEADLINE_SECONDS = 5.0
CUT_OFF_WINDOWS = 3  # windows without an answer until an agent sends its own evaluations

log = logging.getLogger("nilometer.agent")


class Contact(NamedTuple):
    """The last time in which the collector answered, in monotonic seconds.

    Attributes:
        since: First answer after an outage; the start of the agent before the first outage.
        until: First attempt after it that failed; None if the collector answered the last request.
    """

    since: float
    until: float | None = None


class ActivePlan:
    """The references and alerters that the agent applies now.

    It never changes: the keeper replaces it as a whole, so that readers need no lock.

    Args:
        references: References of all entities.
        alerters: Alerters of all entities.
        names_key: Key of pseudonyms; empty keeps no names of categories.
        declared: Schemas by entity that take precedence over those of references.
        disclosure: Rules for the disclosure of single values.
        collector_judges: Whether the collector judges merged windows, so that it needs evaluations
            only of the time in which the agent was cut off.
        summed: Outputs that are summed by bin of each input; None sums none.
        baselines: Packed baselines of the default alerter by entity.
    """

    def __init__(
        self,
        references: list[Reference],
        alerters: list[Alerter],
        names_key: bytes = b"",
        declared: Mapping[str, Schema] | None = None,
        disclosure: Disclosure = BY_DEFAULT,
        *,
        collector_judges: bool = False,
        summed: SummedOutputs | None = None,
        baselines: Mapping[str, bytes] = NO_BASELINES,
    ) -> None:
        self.baselines = baselines
        self.names_key = names_key
        self.disclosure = disclosure
        self.collector_judges = collector_judges
        self._references: dict[str, dict[str, Reference]] = {}
        for reference in references:
            self._references.setdefault(reference.entity, {})[reference.name] = reference
        self._alerters: dict[str, list[Alerter]] = {}
        for alerter in alerters:
            self._alerters.setdefault(alerter.entity, []).append(alerter)
        self._declared = declared or {}
        self._summed = summed
        self._outputs: dict[str, frozenset[str]] = {}  # outputs that are summed, by entity
        self._summaries: dict[str, frozenset[str]] = {}
        self._specs: dict[tuple[str, str], FeatureSpec] = {}

    def references(self, entity: str) -> Mapping[str, Reference]:
        """Return the references of *entity* by name."""
        return self._references.get(entity, {})

    def schema(self, entity: str) -> Schema | None:
        """Return the declared schema of *entity*, else the schema of its newest reference.

        The learned reference has no schema, because it only stores numbers.
        """
        declared = self._declared.get(entity)
        if declared is not None:
            return declared
        known = (one for name, one in self.references(entity).items() if name != LEARNED)
        newest = max(known, key=lambda r: r.created_ns, default=None)
        return None if newest is None else Schema.of_reference(newest)

    def declared(self, entity: str) -> frozenset[str]:
        """Return the summaries in the declared schema or in a reference of *entity*."""
        found = self._summaries.get(entity)
        if found is None:
            schema = self._declared.get(entity)
            columns = (reference.columns for reference in self.references(entity).values())
            found = frozenset(schema.fields if schema else ()).union(*columns)
            self._summaries[entity] = found
        return found

    def published(self, entity: str, summary: str) -> tuple[str, ...]:
        """Return the category names of *summary* that its newest reference publishes."""
        dictionary = self.spec(entity, summary, ()).dictionary
        return () if dictionary is None else dictionary.names

    def edges_of(self, entity: str) -> EdgesOf:
        """Return a function from the name of bin edges to the edges, for *entity*."""
        return {
            edges_id(column.edges): column.edges
            for reference in self.references(entity).values()
            for column in reference.columns.values()
            if column.edges
        }.get

    def alerters(self, entity: str, summary: str) -> list[Alerter]:
        """Return the alerters of *entity* that watch *summary*."""
        return [alerter for alerter in self._alerters.get(entity, ()) if alerter.watches(summary)]

    def spec(self, entity: str, summary: str, readable: tuple[str, ...]) -> FeatureSpec:
        """Return how a feature is counted, from the newest reference that contains it."""
        key = (entity, summary)
        spec = self._specs.get(key)
        if spec is None:
            spec = self._with_sums(entity, summary, self._make_spec(entity, summary, readable))
            self._specs[key] = spec
        return spec

    def _with_sums(self, entity: str, summary: str, spec: FeatureSpec) -> FeatureSpec:
        """Return *spec* with how the output is summed by bin of each input, if it is."""
        summed = self._summed
        if summed is None:
            return spec
        outputs = self._outputs.get(entity)
        if outputs is None:
            columns = (reference.columns for reference in self._newest(entity))
            outputs = self._outputs[entity] = summed.of(columns)
        if summary not in outputs:
            return spec
        bits = summed.bits_of(summary, spec)
        return dataclasses.replace(spec, summed=Summed(bits, self.disclosure.coarsens))

    def _newest(self, entity: str) -> list[Reference]:
        """Return the references of *entity*, the newest first."""
        found = self.references(entity).values()
        return sorted(found, key=lambda reference: reference.created_ns, reverse=True)

    def _make_spec(self, entity: str, summary: str, readable: tuple[str, ...]) -> FeatureSpec:
        patterns = self.disclosure.patterns(readable)
        shown = any(fnmatchcase(summary, pattern) for pattern in patterns)
        for reference in self._newest(entity):
            spec = reference.spec(summary, readable=shown, key=self.names_key)
            if spec is not None:
                return spec
        return FeatureSpec(readable=shown, key=self.names_key)


class PlanKeeper:
    """Keeps `active` up to date. One thread calls `refresh`; any thread may read `active`.

    Args:
        buffer: Outbox that keeps the last plan for when the collector cannot be reached.
        stub: Client of the collector; None without a collector.
        names_key: Key of pseudonyms; empty uses the collector's key.
        declared: Schemas by entity that take precedence over those of references.
        disclosure: Disclosure rules of the agent's settings; a plan may tighten them.
        summed: Outputs that are summed by bin of each input, by the agent's settings.
        agent: Stable name of this agent. *instance*: 16 random bytes that name this process. With
            both, the collector detects two processes with one name, even if they ship nothing.
        wants_baselines: Whether to ask for the baselines of the default alerter.
        clock: Clock for monotonic time.

    Attributes:
        wants_baselines: Whether to ask for the baselines of the default alerter.
        outages: Times that the collector did not answer after it had answered before. It counts the
            current outage, so what is kept for one outage is not used in the next one.
        contact: When the collector last answered.
    """

    def __init__(
        self,
        buffer: Buffer,
        stub: Collector | None,
        names_key: bytes = b"",
        declared: Mapping[str, Schema] | None = None,
        *,
        disclosure: Disclosure = BY_DEFAULT,
        summed: SummedOutputs = SummedOutputs(),  # noqa: B008  immutable
        agent: str = "",
        instance: bytes = b"",
        wants_baselines: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._agent, self._instance = agent, instance
        self.wants_baselines = wants_baselines
        self._clock = clock or SystemClock()
        self.outages = 0
        self.contact = Contact(self._clock.monotonic())
        self._declared = declared or {}
        self._buffer = buffer
        self._stub = stub
        self._version = ""
        self._forbidden: frozenset[str] = frozenset()  # entities that this agent may not ship
        self.entities: set[str] = set()
        self._names_key = names_key
        self._disclosure = disclosure
        self._summed = summed
        self.active = ActivePlan(
            [],
            [],
            names_key,
            self._declared,
            disclosure,
            summed=summed if summed.is_on(asked=False) else None,
        )
        self.wanted = threading.Event()  # set when an entity was seen for the first time
        stored = buffer.plan()
        if stored is not None:
            self._take(Plan.FromString(stored))

    def see(self, entity: str) -> None:
        """Include *entity* in every later request for the plan."""
        if entity not in self.entities and len(self.entities) < MAX_PLAN_ENTITIES:
            self.entities = self.entities | {entity}
            self.wanted.set()

    def is_cut_off(self, window_seconds: float) -> bool:
        """Return whether the collector has not answered for `CUT_OFF_WINDOWS` of *window_seconds*."""
        until = self.contact.until
        if until is None:
            return False
        return self._clock.monotonic() - until >= CUT_OFF_WINDOWS * window_seconds

    def refresh(self) -> bool:
        """Ask the collector once; return whether it answered."""
        self.wanted.clear()  # cleared first, so that a failed attempt is not repeated without a pause
        if self._stub is None or not self.entities:
            return False
        request = GetPlanRequest(
            entities=sorted(self.entities),
            version=self._version,
            agent=self._agent,
            instance=self._instance,
            wants_baselines=self.wants_baselines,
        )
        try:
            plan = self._stub.GetPlan(request, timeout=DEADLINE_SECONDS)
        except (grpc.RpcError, OSError) as error:
            told = {"reason": str(error)[:200]}
            log.debug("plan not refreshed, keeping the old one: will retry", extra=told)
            if self.contact.until is None:
                self.outages += 1
                self.contact = self.contact._replace(until=self._clock.monotonic())
            return False
        if self.contact.until is not None:
            self.contact = Contact(self._clock.monotonic())
        self._tell_forbidden(plan.forbidden_entities)
        if not plan.unchanged and self._take(plan):
            self._buffer.keep_plan(plan.SerializeToString())
            log.info(
                "plan updated", extra={"version": plan.version, "alerters": len(plan.alerters)}
            )
        return True

    def _tell_forbidden(self, entities: Iterable[str]) -> None:
        """Log each entity that this agent may not ship, once."""
        forbidden = frozenset(entities)
        for entity in sorted(forbidden - self._forbidden):
            log.error(
                "the collector will reject this entity, because this agent may not ship it: add it "
                "to the agent's principal, or set another entity",
                extra={"entity": entity},
            )
        self._forbidden = forbidden

    def _take(self, plan: Plan) -> bool:
        try:
            content = plan_from_wire(plan)
        except (ValueError, NilometerError) as error:
            log.error(  # noqa: TRY400
                "plan refused, keeping the old one: install one version in agent and collector",
                extra={"reason": str(error)},
            )
            return False
        for (entity, name), reason in content.unread.items():
            told = {"entity": entity, "alerter": name, "reason": reason}
            log.warning(
                "alerter ignored, this agent cannot read it: install the package of its kind",
                extra=told,
            )
        key = self._names_key or plan.names_key
        disclosure = self._disclosure.tightened(content.disclosure)
        references, alerters = content.references, content.alerters
        self.active = ActivePlan(
            references,
            alerters,
            key,
            self._declared,
            disclosure,
            collector_judges=content.collector_judges,
            summed=self._summed if self._summed.is_on(asked=content.prediction_sums) else None,
            baselines=content.baselines if self.wants_baselines else NO_BASELINES,
        )
        self._version = plan.version
        self.entities = self.entities | {reference.entity for reference in content.references}
        return True
