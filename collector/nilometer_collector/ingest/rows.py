"""Checks the rows of one call, each separately: what may be stored, and why other rows may not."""

import logging
from collections import Counter as Counts
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nilometer.alert import Evaluation
from nilometer.values.errors import NilometerError
from nilometer.wire.alerts import evaluation_from_wire
from nilometer.wire.samples import have_sound_digests, sample_from_wire
from nilometer.wire.services import Row, ShipReply, ShipRequest
from nilometer_collector.access.rights import Access, Forbidden
from nilometer_collector.errors import Refused
from nilometer_collector.ground_truth.reading import TruthRow
from nilometer_collector.ingest.shipped_truth import Place, known_ns_of, rows_of
from nilometer_collector.limits.predictions import checked_predictions
from nilometer_collector.limits.rows import (
    MAX_EVIDENCE_CHARACTERS,
    MAX_ROW_BYTES,
    FromFuture,
    check_begun,
    check_evaluation,
    check_made,
    check_sample,
)
from nilometer_collector.store import Arrival, PredictionRows, RowContent, SampleRow

CHECKED_TOGETHER = 128  # rows whose t-digests are checked in one pass
MAX_SEQUENCE = (1 << 63) - 1  # largest integer of SQLite
MAX_REASON_CHARACTERS = 300

log = logging.getLogger("nilometer.collector")


@dataclass(slots=True)
class Checked:
    """The rows of a call that may be stored.

    Attributes:
        arrivals: Rows for the store.
        truths: Ground truth to join, and where it comes from.
        refused: Number of rows that the agent may not ship, by entity.
        from_future: Times of the rows that are too far in the future, Unix nanoseconds, by sequence.
        parts_from_future: The same for rows that only have parts from the future.
        newest_end_ns: Newest end of a sample's window in *arrivals*; 0 without one.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    truths: list[tuple[Place, list[TruthRow]]] = field(default_factory=list)
    refused: Counts[str] = field(default_factory=Counts)
    from_future: dict[int, int] = field(default_factory=dict)
    parts_from_future: dict[int, int] = field(default_factory=dict)
    newest_end_ns: int = 0

    def leave_out_partial(self) -> None:
        """Leave out rows with parts from the future, because a stored row is never stored again."""
        partial = self.parts_from_future
        self.arrivals = [one for one in self.arrivals if one.sequence not in partial]
        self.truths = [one for one in self.truths if one[0].sequence not in partial]


def checked_rows(request: ShipRequest, access: Access, reply: ShipReply, latest_ns: int) -> Checked:
    """Return the rows of *request* that may be stored, and list the others in *reply*.

    Args:
        request: Rows of an agent.
        access: Rights of the agent.
        reply: Reply to the agent.
        latest_ns: Latest time at which a window may begin, Unix nanoseconds.
    """
    checked = Checked()
    for row, is_sound in _with_soundness(request.rows):
        try:
            access.require(_entities_of(row))
            sequence = _sequence(row)
            if row.predictions.ground_truth:
                place = Place(request.epoch, sequence, row.predictions.monitored_entity)
                truths = rows_of(row)
                known = [ns for ns in map(known_ns_of, truths) if ns > latest_ns]
                if known:
                    checked.parts_from_future[sequence] = min(known)
                checked.truths.append((place, truths))
                continue
            content = _content(row, reply, checked, latest_ns, digest=not is_sound)
            if _is_used(content):
                checked.arrivals.append(Arrival(sequence=sequence, content=content))
            if isinstance(content, SampleRow) and content.logged is None:
                checked.newest_end_ns = max(checked.newest_end_ns, content.window.end_ns)
        except Forbidden as error:
            checked.refused.update(_entities_of(row))
            reply.rejected.add(sequence=row.sequence, reason=str(error), forbidden=True)
        except (NilometerError, ValueError, ArithmeticError) as error:
            if isinstance(error, FromFuture):
                checked.from_future[row.sequence] = error.at_ns
            reply.rejected.add(sequence=row.sequence, reason=reason_of(error))
        except Exception as error:
            log.exception(
                "internal error while checking a row, row rejected: report this error",
                extra={"agent": request.agent},
            )
            reply.rejected.add(sequence=row.sequence, reason=type(error).__name__)
    return checked


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


def _with_soundness(rows: Sequence[Row]) -> Iterator[tuple[Row, bool]]:
    """Yield each row, and whether its t-digest was checked; many are checked together.

    A damaged one spoils the check of its neighbours, whose t-digests are then read one by one.
    """
    for start in range(0, len(rows), CHECKED_TOGETHER):
        some = rows[start : start + CHECKED_TOGETHER]
        is_sound = have_sound_digests([row.sample for row in some if row.HasField("sample")])
        for row in some:
            yield row, is_sound


def _sequence(row: Row) -> int:
    """Return the sequence of a row of allowed size."""
    if not 1 <= row.sequence <= MAX_SEQUENCE:
        raise Refused(f"sequence must be 1 to {MAX_SEQUENCE}")
    if row.ByteSize() > MAX_ROW_BYTES:
        raise Refused(f"the row has {row.ByteSize()} bytes: must be at most {MAX_ROW_BYTES}")
    return row.sequence


def _content(
    row: Row, reply: ShipReply, checked: Checked, latest_ns: int, *, digest: bool
) -> RowContent:
    """Return the checked content of a row, and list refused predictions in *reply*.

    Args:
        row: Row to check.
        reply: Reply to the sender.
        checked: Rows of the call, for the times of predictions from the future.
        latest_ns: Latest time at which a window may begin, Unix nanoseconds.
        digest: Whether to read the t-digest of a sample.
    """
    match row.WhichOneof("content"):
        case "sample":
            sample = sample_from_wire(row.sample, digest=digest)
            check_sample(sample, digest=digest)
            check_made(sample, latest_ns)
            return SampleRow.of(sample, row.sample.SerializeToString(deterministic=True))
        case "evaluation":
            evaluation = evaluation_from_wire(row.evaluation)
            check_evaluation(evaluation)
            check_begun(evaluation.window, latest_ns)
            if len(evaluation.evidence) > MAX_EVIDENCE_CHARACTERS:
                raise Refused(f"evidence is over {MAX_EVIDENCE_CHARACTERS} characters")
            return evaluation
        case "predictions":
            batch = row.predictions
            found = checked_predictions(batch.monitored_entity, batch.content, latest_ns)
            if found.from_future_ns is not None:
                checked.parts_from_future[row.sequence] = found.from_future_ns
            for reason, rows in found.refused.items():
                reply.refused_predictions.add(sequence=row.sequence, rows=rows, reason=reason)
            return PredictionRows(found.allowed)
        case _:
            raise Refused("the row has no content of a type that this collector knows")


def _is_used(content: RowContent) -> bool:
    """Return whether a row has an effect.

    The collector judges merged windows itself. Of the evaluations of agents, it uses those that an
    agent made while it was cut off. Agents of older versions send all of them.
    """
    return not isinstance(content, Evaluation) or content.edge


def reason_of(error: Exception) -> str:
    """Return the kind and the text of *error*, cut to `MAX_REASON_CHARACTERS`."""
    return f"{type(error).__name__}: {error}"[:MAX_REASON_CHARACTERS]
