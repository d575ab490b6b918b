"""The newest windows of many summaries, for tables and overviews."""

import msgspec

from nilometer.values.labels import LabelFilter
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY, Count, Text
from nilometer_collector.api.resources.samples import LABEL, REFERENCE, SamplesView, samples_view
from nilometer_collector.api.resources.series import SUMMARIES
from nilometer_collector.query.records import MAX_NEWEST, NewestQuestion

MAX_WINDOWS = 200  # most windows of each summary
WINDOWS = Count("windows", "Number of windows of each summary.", 60, MAX_WINDOWS)
LIMIT = Count("limit", "Largest number of summaries in the answer.", MAX_NEWEST, MAX_NEWEST)
AFTER = Text("after", "Value of `next` from the page before.")


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest windows of each summary, by name."""

    series: list[SamplesView]
    next: str | None  # value of `after` for the next page; null on the last page


async def read_newest(call: Call) -> Newest:
    """Read the newest windows of many summaries."""
    value, query = call.parameters.value, call.context.query
    question = NewestQuestion(
        entity=value(ENTITY),
        summaries=value(SUMMARIES),
        windows=value(WINDOWS),
        labels=LabelFilter.of(value(LABEL)),
        reference=value(REFERENCE),
        limit=value(LIMIT),
        after=value(AFTER) or "",
    )

    def read() -> Newest:
        answer = query.newest(question)
        return Newest(series=[samples_view(*one) for one in answer.series], next=answer.last)

    return await call.context.ask(read)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/newest",
        name="readNewest",
        about="Read the newest windows of many summaries, with their reference.",
        handler=read_newest,
        answer=Newest,
        parameters=(ENTITY, SUMMARIES, WINDOWS, LABEL, REFERENCE, LIMIT, AFTER),
        errors=(404, 422),
    ),
)
