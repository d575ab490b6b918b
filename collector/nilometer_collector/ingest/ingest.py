"""The gRPC methods of the collector, which store agents' rows and send plans to agents.

Each row is checked separately. The reply lists each bad row as rejected, and the agent must not
retry it. All other rows are stored in one transaction, which is committed before the reply. A
reason for a rejection contains no values of a payload, except the first characters of a name.
"""

import logging
import threading
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grpc

from nilometer.alert import Evaluation
from nilometer.alert.conditions import Reported
from nilometer.profile import Reference
from nilometer.serving.calls import CallRefused
from nilometer.values.clock import Clock
from nilometer.values.errors import NilometerError
from nilometer.values.privacy import LAXEST, Disclosure
from nilometer.wire.alerts import evaluation_from_wire, plan_to_wire
from nilometer.wire.references import reference_from_wire, with_digest
from nilometer.wire.samples import have_sound_digests, sample_from_wire
from nilometer.wire.services import (
    GetPlanRequest,
    Plan,
    PutReferenceReply,
    Row,
    ShipReply,
    ShipRequest,
)
from nilometer.wire.services import Reference as WireReference
from nilometer_collector.access.duplicate_agents import DuplicateAgents
from nilometer_collector.access.rights import Access, Forbidden
from nilometer_collector.access.workspaces import SLASH
from nilometer_collector.audit import Auditor, call_entry
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.declared.applying import By
from nilometer_collector.declared.arriving import add_reference
from nilometer_collector.errors import Busy, Refused, StoreUnavailable
from nilometer_collector.ingest.method import Method
from nilometer_collector.limits.bounds import MAX_NAME_BYTES, has_control
from nilometer_collector.limits.predictions import checked_predictions
from nilometer_collector.limits.references import check_reference
from nilometer_collector.limits.rows import (
    MAX_EVIDENCE_CHARACTERS,
    MAX_ROW_BYTES,
    check_evaluation,
    check_sample,
)
from nilometer_collector.store import (
    Arrival,
    Origin,
    Predicted,
    PredictionRows,
    RowContent,
    SampleRow,
    Shipment,
    Store,
)

MAX_ROWS = 16_384  # most rows in one call
CHECKED_TOGETHER = 128  # rows whose t-digests are checked in one pass
MAX_ENTITIES = 1000  # most entities in one plan
MAX_SEQUENCE = (1 << 63) - 1  # largest integer of SQLite
MAX_REASON_CHARACTERS = 300
EPOCH_BYTES = 16
SERVICE_NAME = "nilometer.v1.CollectorService"

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
    ) -> None:
        self._duplicates = DuplicateAgents(clock)
        self._duplicates_lock = threading.Lock()
        self._auditor = Auditor(store, clock, counters)
        self._store = store
        self._clock = clock
        self._counters = counters
        self._wake = wake
        self._disclosure = disclosure
        self._prediction_sums = prediction_sums

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

        If the agent may not ship the entity of a row, only that row is rejected.
        """
        _check_sender(request)
        reply = ShipReply(duplicate=self._is_duplicate(access, request.agent, request.instance))
        arrivals = []
        refused = Counts[str]()  # rows by entity
        for row, is_sound in _with_soundness(request.rows):
            try:
                access.require(_entities_of(row))
                content = _content(row, reply, digest=not is_sound)
                arrivals.append(Arrival(sequence=_sequence(row), content=content))
            except Forbidden as error:
                refused.update(_entities_of(row))
                reply.rejected.add(sequence=row.sequence, reason=str(error), forbidden=True)
            except (NilometerError, ValueError, ArithmeticError) as error:
                reply.rejected.add(sequence=row.sequence, reason=_reason(error))
            except Exception as error:
                log.exception(
                    "internal error while checking a row, row rejected: report this error",
                    extra={"agent": request.agent},
                )
                reply.rejected.add(sequence=row.sequence, reason=type(error).__name__)
        shipment = Shipment(
            agent=request.agent,
            epoch=request.epoch,
            oldest_held=request.oldest_held,
            arrivals=[one for one in arrivals if _is_used(one.content)],
        )
        try:
            shipped = self._store.ship(shipment, self._clock.now_ns())
        except StoreUnavailable as error:
            self._counters.add(Counter.SHIPMENTS_FAILED)
            raise _refused(grpc.StatusCode.UNAVAILABLE, error) from error
        for sequence, conflict in shipped.refused.items():
            reply.rejected.add(sequence=sequence, reason=_reason(conflict))
        self._counters.add(Counter.ROWS_STORED, shipped.stored)
        self._counters.add(Counter.ROWS_REPEATED, shipped.repeated)
        self._counters.add(Counter.ROWS_REJECTED, len(reply.rejected))
        self._count_predictions(shipped.predicted, reply)
        self._auditor.add_rows(access, request.agent, refused, self._clock.now_ns())
        if reply.rejected:
            _log_rejected(request.agent, reply)
        if shipped.notices:
            self._wake()
        return reply

    def _count_predictions(self, predicted: Predicted, reply: ShipReply) -> None:
        refused = sum(one.rows for one in reply.refused_predictions)
        self._counters.add(Counter.PREDICTIONS_STORED, predicted.stored)
        self._counters.add(Counter.PREDICTIONS_REPEATED, predicted.repeated)
        self._counters.add(Counter.PREDICTIONS_AMBIGUOUS, predicted.conflicting)
        self._counters.add(Counter.PREDICTIONS_REFUSED, refused)
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
        self._auditor.add(call_entry(access, name, self._clock.now_ns(), address=address))

    def plan(self, request: GetPlanRequest, access: Access) -> Plan:
        """Return the references and alerters of the requested entities, or "unchanged".

        Entities that the agent may not ship are left out, and are listed.
        """
        self._is_duplicate(access, request.agent[:MAX_NAME_BYTES], request.instance)
        if len(request.entities) > MAX_ENTITIES:
            raise CallRefused(
                grpc.StatusCode.INVALID_ARGUMENT, f"a plan covers at most {MAX_ENTITIES} entities"
            )
        try:
            references: list[Reference] = []
            alerters = []
            for entity in sorted(set(request.entities)):
                if has_control(entity) or not access.may(entity):
                    continue
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
            names_key = self._store.names_key
        except StoreUnavailable as error:
            raise _refused(grpc.StatusCode.UNAVAILABLE, error) from error
        plan = plan_to_wire(
            references,
            alerters,
            names_key,
            self._disclosure,
            prediction_sums=self._prediction_sums,
        )
        if plan.version == request.version:
            plan = Plan(version=plan.version, unchanged=True)
        plan.now_unix_nano = self._clock.now_ns()
        plan.forbidden_entities.extend(
            entity for entity in sorted(set(request.entities)) if not access.may(entity)
        )
        return plan

    def put_reference(self, request: WireReference, access: Access) -> PutReferenceReply:
        """Store a version of a reference and make it the current version of its name."""
        try:
            reference = with_digest(reference_from_wire(request))
            check_reference(reference)
        except (NilometerError, ValueError, ArithmeticError) as error:
            raise _refused(grpc.StatusCode.INVALID_ARGUMENT, error) from error
        except Exception as error:
            log.exception(
                "internal error while checking a reference, reference refused: report this error"
            )
            raise _refused(grpc.StatusCode.INVALID_ARGUMENT, error) from error
        try:
            add_reference(
                self._store, reference, By(access.caller, Origin.UPLOAD), self._clock.now_ns()
            )
        except (StoreUnavailable, Busy) as error:
            raise _refused(grpc.StatusCode.UNAVAILABLE, error) from error
        self._auditor.add_upload(access, reference.entity, reference.name, self._clock.now_ns())
        log.info(
            "reference stored",
            extra={
                "entity": reference.entity,
                "reference": reference.name,
                "digest": reference.digest,
            },
        )
        return PutReferenceReply(digest=reference.digest)


def _with_soundness(rows: Sequence[Row]) -> Iterator[tuple[Row, bool]]:
    """Yield each row, and whether its t-digest was checked; many are checked together.

    A damaged one spoils the check of its neighbours, whose t-digests are then read one by one.
    """
    for start in range(0, len(rows), CHECKED_TOGETHER):
        some = rows[start : start + CHECKED_TOGETHER]
        is_sound = have_sound_digests([row.sample for row in some if row.HasField("sample")])
        for row in some:
            yield row, is_sound


def _is_used(content: RowContent) -> bool:
    """Return whether a row has an effect.

    The collector judges merged windows itself. Of the evaluations of agents, it uses those that an
    agent made while it was cut off. Agents of older versions send all of them.
    """
    return not isinstance(content, Evaluation) or content.edge


def _entities_of(row: Row) -> tuple[str, ...]:
    """Return the entity of a row; nothing if its content is unknown."""
    match row.WhichOneof("content"):
        case "sample":
            return (row.sample.entity,)
        case "evaluation":
            return (row.evaluation.alerter.entity,)
        case "predictions":
            return (row.predictions.monitored_entity,)
        case _:
            return ()


def _log_rejected(agent: str, reply: ShipReply) -> None:
    """Log the rejected rows of a reply: one line for each of the two kinds of reasons."""
    for forbidden, message in (
        (True, "rows rejected, the agent may not ship their entity: add it to the principal"),
        (False, "rows rejected, the agent puts them into quarantine: install one version in both"),
    ):
        rejected = [one for one in reply.rejected if one.forbidden == forbidden]
        if rejected:
            told = {"agent": agent, "rows": len(rejected), "reason": rejected[0].reason}
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


def _sequence(row: Row) -> int:
    if not 1 <= row.sequence <= MAX_SEQUENCE:
        raise Refused(f"sequence must be 1 to {MAX_SEQUENCE}")
    return row.sequence


def _content(row: Row, reply: ShipReply, *, digest: bool) -> RowContent:
    """Return the checked content of a row, and list refused predictions in *reply*.

    Args:
        row: Row to check.
        reply: Reply to the sender.
        digest: Whether to read the t-digest of a sample.
    """
    if row.ByteSize() > MAX_ROW_BYTES:
        raise Refused(f"the row has {row.ByteSize()} bytes: must be at most {MAX_ROW_BYTES}")
    match row.WhichOneof("content"):
        case "sample":
            sample = sample_from_wire(row.sample, digest=digest)
            check_sample(sample, digest=digest)
            return SampleRow.of(sample, row.sample.SerializeToString(deterministic=True))
        case "evaluation":
            evaluation = evaluation_from_wire(row.evaluation)
            check_evaluation(evaluation)
            if len(evaluation.evidence) > MAX_EVIDENCE_CHARACTERS:
                raise Refused(f"evidence is over {MAX_EVIDENCE_CHARACTERS} characters")
            return evaluation
        case "predictions":
            batch = row.predictions
            records, refused = checked_predictions(batch.monitored_entity, batch.content)
            for reason, rows in refused.items():
                reply.refused_predictions.add(sequence=row.sequence, rows=rows, reason=reason)
            return PredictionRows(records)
        case _:
            raise Refused("the row has no content of a type that this collector knows")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_REASON_CHARACTERS]


def _refused(code: grpc.StatusCode, error: Exception) -> CallRefused:
    return CallRefused(code, _reason(error))
