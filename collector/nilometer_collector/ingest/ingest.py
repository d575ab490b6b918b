"""The gRPC methods of the collector, which store agents' rows and send plans to agents.

Each row is checked separately. The reply lists each bad row as rejected, and the agent must not
retry it. All other rows are stored in one transaction, which is committed before the reply. A
reason for a rejection contains no values of a payload, except the first characters of a name.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from nilometer.serving.calls import CallRefused
from nilometer.values.clock import Clock, nanoseconds
from nilometer.values.errors import NilometerError
from nilometer.values.privacy import LAXEST, Disclosure
from nilometer.wire.alerts import MAX_PLAN_ENTITIES
from nilometer.wire.references import reference_from_wire, with_digest
from nilometer.wire.services import (
    GetPlanRequest,
    Plan,
    PutReferenceReply,
    ShipReply,
    ShipRequest,
)
from nilometer.wire.services import Reference as WireReference
from nilometer_collector.access.duplicate_agents import DuplicateAgents
from nilometer_collector.access.rights import Access
from nilometer_collector.access.workspaces import SLASH
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.audit import Auditor, Caller, entry_of
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.declared.applying import By
from nilometer_collector.declared.arriving import add_reference
from nilometer_collector.errors import Busy, StoreUnavailable
from nilometer_collector.ingest.method import Method
from nilometer_collector.ingest.newer_agents import NewerAgents
from nilometer_collector.ingest.own_clock import Evidence, OwnClock, utc
from nilometer_collector.ingest.plans import Plans
from nilometer_collector.ingest.rows import MAX_SEQUENCE, checked_rows, reason_of
from nilometer_collector.ingest.shipped_truth import join_shipped
from nilometer_collector.limits.bounds import FUTURE_SECONDS, MAX_NAME_BYTES, has_control
from nilometer_collector.limits.references import check_reference, upload_expiry
from nilometer_collector.store import (
    Origin,
    Predicted,
    Shipment,
    Store,
)
from nilometer_collector.watch.handing import Handing

MAX_ROWS = 16_384  # most rows in one call
EPOCH_BYTES = 16
SERVICE_NAME = "nilometer.v1.CollectorService"

LOG_FORBIDDEN = "rows rejected, the agent may not ship their entity: add it to the principal"
LOG_FROM_FUTURE = (
    "rows rejected, their time is in the future: set the clock of the agent's machine, or the "
    "collector's clock if that is wrong"
)
LOG_INVALID = "rows rejected, the agent puts them into quarantine: install one version in both"

log = logging.getLogger("nilometer.collector")


class Ingest:
    """The collector's gRPC methods. Thread-safe; each raises `CallRefused`.

    Args:
        store: Store for rows and references.
        clock: Clock for the wall time of arrivals.
        counters: Counters of stored, repeated and rejected rows.
        wake: Function that is called after a notification was queued.
        disclosure: Least strict privacy settings for agents; sent in every plan.
        prediction_sums: Whether to ask agents for sums of predictions by bin of each input.
        future_seconds: Longest time after *clock* at which a window may begin.
        watch_rules: Rules of the default alerter, whose baselines are handed to agents.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        counters: Counters,
        wake: Callable[[], None],
        disclosure: Disclosure = LAXEST,
        *,
        prediction_sums: bool = False,
        future_seconds: float = FUTURE_SECONDS,
        watch_rules: tuple[WatchRule, ...] = (),
    ) -> None:
        self._duplicates = DuplicateAgents(clock)
        self._duplicates_lock = threading.Lock()
        self._auditor = Auditor(store, clock, counters)
        self._store = store
        self._clock = clock
        self._counters = counters
        self._wake = wake
        self._future_ns = nanoseconds(future_seconds)
        handing = Handing(store, clock, watch_rules)
        self._plans = Plans(store, clock, disclosure, handing, prediction_sums=prediction_sums)
        self._newer_agents = NewerAgents(clock)
        self._own_clock = OwnClock(store, clock, self._future_ns)

    @property
    def methods(self) -> Mapping[str, Method[Any]]:
        """All methods, by full name."""
        return {
            f"/{SERVICE_NAME}/Ship": Method(
                kind=ShipRequest,
                answer=self.ship,
                agent=lambda request: request.agent,
                entities=None,
            ),
            f"/{SERVICE_NAME}/GetPlan": Method(
                kind=GetPlanRequest,
                answer=self.plan,
                agent=lambda request: request.agent,
                entities=None,
            ),
            f"/{SERVICE_NAME}/PutReference": Method(
                kind=WireReference,
                answer=self.put_reference,
                agent=None,
                entities=lambda request: (request.entity,),
            ),
        }

    def ship(self, request: ShipRequest, access: Access) -> ShipReply:
        """Store the new rows, and reply with the rejected rows.

        If the agent may not ship the entity of a row, only that row is rejected. If a row is from the
        future and the collector's clock may be behind, the other rows are stored, and the call is
        refused as unavailable, so that the agent ships all of them again.
        """
        _check_sender(request)
        if self._newer_agents.see(request):
            self._counters.add(Counter.SHIPMENTS_OF_NEWER)
        reply = ShipReply(duplicate=self._is_duplicate(access, request.agent, request.instance))
        now_ns = self._clock.now_ns()
        latest_ns = now_ns + self._future_ns
        checked = checked_rows(request, access, reply, latest_ns)
        early = [*checked.from_future.values(), *checked.parts_from_future.values()]
        try:
            evidence = Evidence(checked.newest_end_ns, request.now_unix_nano)
            doubt = self._own_clock.doubt(request.agent, early, evidence, now_ns)
            if doubt:
                checked.leave_out_partial()
            shipment = Shipment(
                agent=request.agent,
                epoch=request.epoch,
                oldest_held=request.oldest_held,
                arrivals=checked.arrivals,
            )
            shipped = self._store.ship(shipment, self._clock.now_ns())
            for place, rows in checked.truths:
                at_ns = self._clock.now_ns()
                join_shipped(self._store, self._counters, place, rows, reply, at_ns, latest_ns)
        except StoreUnavailable as error:
            self._counters.add(Counter.SHIPMENTS_FAILED)
            raise _refused(grpc.StatusCode.UNAVAILABLE, error) from error
        for sequence, conflict in shipped.refused.items():
            reply.rejected.add(sequence=sequence, reason=reason_of(conflict))
        self._counters.add(Counter.ROWS_STORED, shipped.stored)
        self._counters.add(Counter.ROWS_REPEATED, shipped.repeated)
        self._count_predictions(shipped.predicted)
        if shipped.notices:
            self._wake()
        if doubt:
            self._counters.add(Counter.SHIPMENTS_POSTPONED)
            raise CallRefused(grpc.StatusCode.UNAVAILABLE, doubt)
        refused = sum(one.rows for one in reply.refused_predictions)
        self._counters.add(Counter.PREDICTIONS_REFUSED, refused)
        self._counters.add(Counter.ROWS_REJECTED, len(reply.rejected))
        self._counters.add(Counter.ROWS_FROM_FUTURE, len(checked.from_future))
        self._auditor.add_rows(access, request.agent, checked.refused, self._clock.now_ns())
        if reply.rejected:
            _log_rejected(request.agent, reply, checked.from_future, now_ns)
        return reply

    def _count_predictions(self, predicted: Predicted) -> None:
        self._counters.add(Counter.PREDICTIONS_STORED, predicted.stored)
        self._counters.add(Counter.PREDICTIONS_REPEATED, predicted.repeated)
        self._counters.add(Counter.PREDICTIONS_AMBIGUOUS, predicted.conflicting)
        if predicted.ambiguous:
            entity, _ = predicted.ambiguous[0]
            log.warning(
                "prediction ids repeat with different predictions, ground truth joins none of them: "
                "give each request an id of its own",
                extra={"entity": entity, "ids": len(predicted.ambiguous)},
            )

    def _is_duplicate(self, access: Access, agent: str, instance: bytes) -> bool:
        """Whether two processes of a workspace ship under this name; the rows of both are stored."""
        name = agent if access.workspace is None else f"{access.workspace.name}{SLASH}{agent}"
        with self._duplicates_lock:
            duplicate, news = self._duplicates.see(name, instance[:EPOCH_BYTES])
        if news:
            self._counters.add(Counter.AGENTS_DUPLICATED)
            log.error(
                "two agents ship under one name, rows of both are stored: give each agent its own "
                "name and its own volume",
                extra={"agent": agent},
            )
        return duplicate

    def tell_refused(self, method: str, access: Access | None, address: str) -> None:
        """Add a refused call to the audit log; without a known principal, *access* is None."""
        name = method.rpartition("/")[2]
        self._auditor.add(entry_of(Caller.of(access, address), name, self._clock.now_ns()))

    def plan(self, request: GetPlanRequest, access: Access) -> Plan:
        """Return the references and alerters of the requested entities, or "unchanged".

        Entities that the agent may not ship are left out, and are listed.
        """
        self._is_duplicate(access, request.agent[:MAX_NAME_BYTES], request.instance)
        if len(request.entities) > MAX_PLAN_ENTITIES:
            raise CallRefused(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"a plan covers at most {MAX_PLAN_ENTITIES} entities",
            )
        entities = sorted(set(request.entities))
        allowed = [one for one in entities if not has_control(one) and access.may(one)]
        forbidden = [one for one in entities if not access.may(one)]
        try:
            plan = self._plans.made(
                allowed, baselines=request.wants_baselines, taken=_packed_bytes(forbidden)
            )
        except StoreUnavailable as error:
            raise _refused(grpc.StatusCode.UNAVAILABLE, error) from error
        if plan.version == request.version:
            plan = Plan(version=plan.version, unchanged=True)
        plan.now_unix_nano = self._clock.now_ns()
        plan.forbidden_entities.extend(forbidden)
        return plan

    def put_reference(self, request: WireReference, access: Access) -> PutReferenceReply:
        """Store a version of a reference and make it the current version of its name."""
        try:
            reference = with_digest(reference_from_wire(request))
            check_reference(reference)
            expires_ns = upload_expiry(request.expires_unix_nano)
        except (NilometerError, ValueError, ArithmeticError) as error:
            raise _refused(grpc.StatusCode.INVALID_ARGUMENT, error) from error
        except Exception as error:
            log.exception(
                "internal error while checking a reference, reference refused: report this error"
            )
            raise _refused(grpc.StatusCode.INVALID_ARGUMENT, error) from error
        now_ns, by = self._clock.now_ns(), By(access.caller, Origin.UPLOAD)
        try:
            with self._auditor.upload(access, reference.entity, reference.name, now_ns):
                expires_ns = add_reference(self._store, reference, by, now_ns, expires_ns)
        except (StoreUnavailable, Busy) as error:
            raise _refused(grpc.StatusCode.UNAVAILABLE, error) from error
        log.info(
            "reference stored",
            extra={
                "entity": reference.entity,
                "reference": reference.name,
                "digest": reference.digest,
            },
        )
        return PutReferenceReply(digest=reference.digest, expires_unix_nano=expires_ns or 0)


def _packed_bytes(texts: Sequence[str]) -> int:
    """Return the size of a repeated text field, in bytes: a tag, the length and the text of each."""
    return sum(len(text.encode()) + 4 for text in texts)


def _log_rejected(
    agent: str, reply: ShipReply, from_future: Mapping[int, int], now_ns: int
) -> None:
    """Log the rejected rows of a reply: one line for each kind of reason."""
    kinds: dict[str, list[ShipReply.Rejected]] = {}
    for one in reply.rejected:
        kind = LOG_FROM_FUTURE if one.sequence in from_future else LOG_INVALID
        kinds.setdefault(LOG_FORBIDDEN if one.forbidden else kind, []).append(one)
    for message, rejected in kinds.items():
        told = {"agent": agent, "rows": len(rejected), "reason": rejected[0].reason}
        if message is LOG_FROM_FUTURE:
            told |= {"time": utc(from_future[rejected[0].sequence]), "collector_time": utc(now_ns)}
        log.warning(message, extra=told)


def _check_sender(request: ShipRequest) -> None:
    why = ""
    if not 0 < len(request.agent.encode()) <= MAX_NAME_BYTES or has_control(request.agent):
        why = f"agent must be 1 to {MAX_NAME_BYTES} bytes without control characters"
    elif len(request.epoch) != EPOCH_BYTES:
        why = f"epoch must be {EPOCH_BYTES} bytes, not {len(request.epoch)}"
    elif request.oldest_held > MAX_SEQUENCE:
        why = f"oldest_held must be at most {MAX_SEQUENCE}"
    elif len(request.rows) > MAX_ROWS:
        why = f"the call has {len(request.rows)} rows: must be at most {MAX_ROWS}"
    if why:
        raise CallRefused(grpc.StatusCode.INVALID_ARGUMENT, why)


def _refused(code: grpc.StatusCode, error: Exception) -> CallRefused:
    return CallRefused(code, reason_of(error))
