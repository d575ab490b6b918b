"""Takes ground truth, and shows what became of it."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nilometer.values.clock import nanoseconds
from nilometer.values.entity import NAME
from nilometer_collector.api.body import read_json
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Context, Operation
from nilometer_collector.api.parameters import ENTITY, Parameter, Schema
from nilometer_collector.ground_truth.definition import Task
from nilometer_collector.ground_truth.reading import TruthRow
from nilometer_collector.ground_truth.truths import Outcome
from nilometer_collector.query.definitions import performance_of
from nilometer_collector.received_truth import receive
from nilometer_collector.store import MOST_ROWS

MAX_BODY_BYTES = 8 << 20
LAST = (1 << 53) - 1
SOURCE_HEX = "^[0-9a-f]{32}$"
_SOURCE = re.compile("[0-9a-f]{32}")

Counts = dict[str, int]


class SourceName(Parameter[bytes | None]):
    """The name of a source, read as 16 bytes, or None."""

    schema: ClassVar[Schema] = {"type": "string", "pattern": SOURCE_HEX}

    def read(self, texts: Sequence[str]) -> bytes | None:
        """Return the bytes of the name."""
        if texts and not _SOURCE.fullmatch(texts[0]):
            raise self.refused("must be 32 hexadecimal digits")
        return bytes.fromhex(texts[0]) if texts else None


SOURCE = SourceName("source", "Name of a source whose progress is shown.")


class TruthBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chunk of ground truth. A chunk of one source and number is joined once."""

    entity: Annotated[str, Meta(pattern=f"^{NAME.pattern}$")]
    rows: Annotated[list[TruthRow], Meta(max_length=MOST_ROWS)]
    source: Annotated[str, Meta(pattern=SOURCE_HEX)] | UnsetType = (
        UNSET  # name of the file or sender; a source must not have two labels for a prediction
    )
    chunk: Annotated[int, Meta(ge=1, le=LAST)] = 1  # number of the chunk in its source
    position: Annotated[int, Meta(ge=0, le=LAST)] = 0  # place in the source after the chunk


class TruthAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a chunk."""

    rows: int
    repeated: bool  # whether the chunk had been joined before, so that nothing changed now
    counts: Counts  # number of rows by outcome


class TruthSourceView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a source has been joined."""

    chunks: int  # number of its newest chunk; 0 without one
    position: int  # place in the source after that chunk
    counts: Counts  # number of its rows by outcome, when they arrived


class TruthStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all ground truth of an entity."""

    task: Task
    step: int  # length of the windows of performance, in seconds
    counts: Counts  # number of rows by outcome, without those that wait
    waiting: int  # number of rows that wait for their predictions
    oldest_waiting: float | None  # arrival of the oldest waiting row, Unix seconds
    source: TruthSourceView | None  # progress of the source in the question


async def post_ground_truth(call: Call) -> TruthAnswer:
    """Join a chunk of ground truth with logged predictions.

    Raises:
        Conflict: If nobody has declared how the predictions are judged.
    """
    body = await read_json(call.request, TruthBody, MAX_BODY_BYTES)
    call.access.require((body.entity,))
    now_ns = call.context.clock.now_ns()
    return await call.context.ask(lambda: _join(call.context, body, now_ns))


async def read_ground_truth(call: Call) -> TruthStatus:
    """Return what became of all ground truth of an entity."""
    entity, source = call.parameters.value(ENTITY), call.parameters.value(SOURCE)
    store = call.context.store

    def read() -> TruthStatus:
        definition = performance_of(store, entity)
        totals = store.truths.totals(entity)
        progress = None if source is None else store.truths.progress(entity, source)
        return TruthStatus(
            task=definition.task,
            step=definition.step_seconds,
            counts=_counts(totals.counts),
            waiting=totals.waiting,
            oldest_waiting=None if totals.oldest_ns is None else seconds(totals.oldest_ns),
            source=None
            if progress is None
            else TruthSourceView(
                chunks=progress.chunks,
                position=progress.position,
                counts=_counts(progress.counts),
            ),
        )

    return await call.context.ask(read)


def _join(context: Context, body: TruthBody, now_ns: int) -> TruthAnswer:
    answer = receive(
        context.store,
        context.counters,
        body.entity,
        body.rows,
        now_ns,
        now_ns + nanoseconds(context.future_seconds),
        source=None if body.source is UNSET else bytes.fromhex(body.source),
        number=body.chunk,
        position=body.position,
    )
    return TruthAnswer(
        rows=sum(answer.counts.values()),
        repeated=answer.is_repeated,
        counts=_counts(answer.counts),
    )


def _counts(counts: Mapping[Outcome, int]) -> Counts:
    """Return counts by the name of the outcome, in the order of the outcomes."""
    return {one.value: counts[one] for one in Outcome if counts.get(one)}


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/ground-truth",
        name="putGroundTruth",
        about="Join a chunk of ground truth with logged predictions.",
        handler=post_ground_truth,
        answer=TruthAnswer,
        body=TruthBody,
        errors=(400, 403, 409, 413, 415, 422),
    ),
    Operation(
        method="GET",
        path="/api/v1/ground-truth",
        name="readGroundTruth",
        about="Read what became of the ground truth of an entity.",
        handler=read_ground_truth,
        answer=TruthStatus,
        parameters=(ENTITY, SOURCE),
        errors=(409, 422),
    ),
)
