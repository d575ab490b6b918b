"""Logs samples of summaries that users measure themselves."""

from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nilometer.values.clock import nanoseconds
from nilometer.values.errors import ConfigError
from nilometer.values.senders import TABLES
from nilometer.wire.samples import sample_to_bytes
from nilometer_collector.access.rights import Forbidden
from nilometer_collector.api.body import decoded, read_json, refuse_controls
from nilometer_collector.api.logged import LoggedSample, sample_of
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.problems import ApiError, RowProblem, RowsRefused
from nilometer_collector.counters import Counter
from nilometer_collector.errors import Refused
from nilometer_collector.limits.rows import MAX_ROW_BYTES, FromFuture, check_made, check_sample
from nilometer_collector.store import Arrival, SampleRow, Shipment, Shipped

MAX_ROWS = 1000
MAX_FIRST = (1 << 53) - MAX_ROWS

Source = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
First = Annotated[int, Meta(ge=1, le=MAX_FIRST)]


class _Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields that name the rows of a body, so that retries are stored once."""

    source: Source | UnsetType = (
        UNSET  # random name of the sender; a row that it sends twice is stored once
    )
    first: First = 1  # number of the first row; a source numbers all its rows in order


class SampleLog(_Named, frozen=True, kw_only=True):
    """Samples to log. Valid rows are stored even if other rows are refused."""

    samples: Annotated[list[LoggedSample], Meta(min_length=1, max_length=MAX_ROWS)]


class _Rows(_Named, frozen=True, kw_only=True):
    """Samples to log. Each row is decoded separately."""

    samples: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_ROWS)]


class LogView(msgspec.Struct, frozen=True, kw_only=True):
    """The result if every row is stored."""

    stored: int
    repeated: int  # number of rows that were stored before


async def log_samples(call: Call) -> LogView:
    """Store the samples.

    Raises:
        RowsRefused: If a row is refused; the others are stored.
    """
    rows = await read_json(call.request, _Rows)
    shipped, refused = await call.context.ask(lambda: _logged(call, rows))
    if refused:
        raise RowsRefused(shipped.stored + shipped.repeated, refused)
    return LogView(stored=shipped.stored, repeated=shipped.repeated)


def _logged(call: Call, rows: _Rows) -> tuple[Shipped, list[RowProblem]]:
    """Store the valid rows, and return the reason why each other row is refused."""
    context, now_ns = call.context, call.context.clock.now_ns()
    accepted: dict[int, SampleRow] = {}
    refused: list[RowProblem] = []
    for at, content in enumerate(rows.samples):
        try:
            row = decoded(bytes(content), LoggedSample)
            accepted[at] = _accepted(call, row, now_ns)
        except ApiError as error:
            if isinstance(error.__cause__, FromFuture):
                context.counters.add(Counter.ROWS_FROM_FUTURE)
            refused.append(_problem(at, error.status, error.field, error.detail))
        except Forbidden as error:
            refused.append(_problem(at, error.status, "entity", str(error)))
    if not accepted:
        return Shipped(stored=0, repeated=0, notices=0), refused

    def ship(epoch: bytes, first: int) -> Shipped:
        arrivals = [Arrival(sequence=first + at, content=row) for at, row in accepted.items()]
        shipment = Shipment(agent=TABLES, epoch=epoch, oldest_held=first, arrivals=arrivals)
        shipped = context.store.ship(shipment, now_ns)
        for sequence, error in shipped.refused.items():
            refused.append(_problem(sequence - first, 409, error.field, str(error)))
        late = [at for at in accepted if first + at <= shipped.settled]
        why = f"rows below {shipped.settled + 1} of this source are settled: give them new numbers"
        refused.extend(_problem(at, 409, "", why) for at in late)
        return replace(shipped, repeated=shipped.repeated - len(late))

    if rows.source is UNSET:
        shipped = context.source.name(len(rows.samples), ship)
    else:
        shipped = ship(bytes.fromhex(rows.source), rows.first)
    refused.sort(key=lambda problem: problem.row)
    context.counters.add(Counter.ROWS_STORED, shipped.stored)
    context.counters.add(Counter.ROWS_REPEATED, shipped.repeated)
    context.counters.add(Counter.ROWS_REJECTED, len(refused))
    return shipped, refused


def _accepted(call: Call, row: LoggedSample, now_ns: int) -> SampleRow:
    """Return the sample that *row* describes.

    Raises:
        ApiError: 422 if a value is not allowed.
        Forbidden: If the caller may not log for the entity.
    """
    refuse_controls(row, of_data=row.__struct_encode_fields__)
    call.access.require((row.entity,))
    try:
        sample = sample_of(row, now_ns)
        check_sample(sample)
        check_made(sample, now_ns + nanoseconds(call.context.future_seconds))
    except (ValueError, ArithmeticError, Refused, ConfigError) as error:
        raise ApiError(422, str(error), _place(row, str(error))) from error
    payload = sample_to_bytes(sample)
    if len(payload) > MAX_ROW_BYTES:
        raise ApiError(422, f"content: is over {MAX_ROW_BYTES} bytes", "content")
    return SampleRow.of(sample, payload)


def _place(row: LoggedSample, message: str) -> str:
    """Return the place in *row* at the start of *message*; empty without a place."""
    place = message.partition(":")[0]
    name = place.partition("[")[0]
    if name in row.content.__struct_fields__:
        return f"content.{place}"
    return place if name in row.__struct_fields__ else ""


def _problem(at: int, status: int, field: str, detail: str) -> RowProblem:
    return RowProblem(row=at, status=status, field=field, detail=detail[:500])


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/samples",
        name="logSamples",
        about="Log samples of summaries that users measure. Windows may be in the past.",
        handler=log_samples,
        answer=LogView,
        body=SampleLog,
        errors=(400, 403, 409, 413, 415, 422),
    ),
)
