"""Logged predictions of an entity: their number, pages of them, and their erasure."""

from typing import TypeAlias

import msgspec

from nilometer.predictions import PredictionRecord
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import (
    ENTITY,
    AnyId,
    Count,
    RequiredText,
    RequiredTexts,
    Time,
)
from nilometer_collector.counters import Counter
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.store import MOST_READ, PredictionTotals

START = Time("start", "Unix time in seconds at which the events start; by default the oldest.", 0)
END = Time(
    "end", "Unix time in seconds before which the events end; by default the newest.", LAST_NS
)
AFTER = AnyId("after", "Field `next` of the page before; without it, the first page.")
LIMIT = Count("limit", "Largest number of predictions in the page.", 1000, MOST_READ)
IDS = RequiredTexts("id", "Prediction id to erase; may be repeated.")
SUBJECT = RequiredText("subject", "Subject whose predictions are erased.")

ValueView: TypeAlias = int | float | str | bool | None


class PredictionView(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a logged prediction."""

    prediction_id: str
    row: int
    time: float
    labels: dict[str, str]
    outputs: dict[str, ValueView]
    inputs: dict[str, ValueView]
    subject: str


class PredictionsView(msgspec.Struct, frozen=True, kw_only=True):
    """Logged predictions in the order of their arrival."""

    entity: str
    rows: int  # number of stored rows of the entity
    bytes: int  # their size, without indexes
    ambiguous: int  # rows whose id was used for different predictions; nothing joins them
    predictions: list[PredictionView]
    next: int | None  # `after` of the next page; null at the end


class ErasedView(msgspec.Struct, frozen=True, kw_only=True):
    """Result of an erasure."""

    erased: int  # number of erased rows


def _view(record: PredictionRecord) -> PredictionView:
    return PredictionView(
        prediction_id=record.prediction_id,
        row=record.row,
        time=seconds(record.time_ns),
        labels=record.labels.as_dict(),
        outputs=dict(record.outputs),
        inputs=dict(record.inputs),
        subject=record.subject,
    )


async def list_predictions(call: Call) -> PredictionsView:
    """List a page of the logged predictions of one entity."""
    entity, of = call.parameters.value(ENTITY), call.parameters.value
    stored = call.context.store.predictions
    page = await call.context.ask(
        lambda: stored.read(entity, of(START), of(END), of(AFTER) or 0, of(LIMIT))
    )
    totals = (await call.context.ask(stored.totals)).get(entity, PredictionTotals(0, 0, 0))
    return PredictionsView(
        entity=entity,
        rows=totals.rows,
        bytes=totals.bytes,
        ambiguous=totals.ambiguous,
        predictions=[_view(record) for record in page.records],
        next=page.last,
    )


async def erase_predictions(call: Call) -> ErasedView:
    """Erase the predictions with some ids."""
    entity, ids = call.parameters.value(ENTITY), call.parameters.value(IDS)
    stored = call.context.store.predictions
    return _erased(call, await call.context.ask(lambda: stored.erase(entity, ids)))


async def erase_subject(call: Call) -> ErasedView:
    """Erase all predictions about one subject."""
    entity, subject = call.parameters.value(ENTITY), call.parameters.value(SUBJECT)
    stored = call.context.store.predictions
    return _erased(call, await call.context.ask(lambda: stored.erase_subject(entity, subject)))


def _erased(call: Call, rows: int) -> ErasedView:
    call.context.counters.add(Counter.PREDICTIONS_ERASED, rows)
    return ErasedView(erased=rows)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/predictions",
        name="listPredictions",
        about="List logged predictions of an entity, in the order of their arrival.",
        handler=list_predictions,
        answer=PredictionsView,
        parameters=(ENTITY, START, END, AFTER, LIMIT),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/predictions",
        name="erasePredictions",
        about="Erase logged predictions by id.",
        handler=erase_predictions,
        answer=ErasedView,
        parameters=(ENTITY, IDS),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/predictions/subject",
        name="eraseSubject",
        about="Erase all logged predictions about one subject.",
        handler=erase_subject,
        answer=ErasedView,
        parameters=(ENTITY, SUBJECT),
    ),
)
