"""The difference of one summary from another time, segment or entity."""

from dataclasses import replace
from typing import get_args

import msgspec

from nilometer.compare.difference import difference
from nilometer.profile import Content
from nilometer.values.labels import LabelFilter
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY
from nilometer_collector.api.resources.samples import END, LABEL, START, SUMMARY
from nilometer_collector.api.resources.series import OTHER_EARLIER, OTHER_ENTITY, OTHER_LABEL
from nilometer_collector.contents.logged import LoggedContent, LoggedView, logged_view
from nilometer_collector.query.records import SamplesQuestion


class DifferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between two sides of a summary."""

    distance: float | None  # 0 for equal sides, 1 for sides with nothing in common
    why: str  # reason why the distance is null; else empty
    current: LoggedView | None  # null without data, or if `samples` shows the type in another form
    other: LoggedView | None
    change: LoggedView | None  # current minus other


async def read_difference(call: Call) -> DifferenceView:
    """Compare the windows of one summary with those of the other side.

    Raises:
        Forbidden: If the caller may not read the entity to compare with.
    """
    value, query = call.parameters.value, call.context.query
    other_entity, other_labels = value(OTHER_ENTITY), value(OTHER_LABEL)
    if other_entity is not None:
        call.access.require((other_entity,))
    current = SamplesQuestion(
        entity=value(ENTITY),
        summary=value(SUMMARY),
        labels=LabelFilter.of(value(LABEL)),
        start_ns=value(START),
        end_ns=value(END),
    )
    earlier_ns = value(OTHER_EARLIER) or 0
    other = replace(
        current,
        entity=current.entity if other_entity is None else other_entity,
        labels=LabelFilter.of(other_labels) if other_labels else current.labels,
        start_ns=max(current.start_ns - earlier_ns, 0),
        end_ns=max(current.end_ns - earlier_ns, 0),
    )
    return await call.context.ask(lambda: _view(query.content(other), query.content(current)))


def _view(other: Content | None, current: Content | None) -> DifferenceView:
    shown = {"current": _logged(current), "other": _logged(other)}
    if other is None or current is None:
        return DifferenceView(distance=None, why="a side has no samples", change=None, **shown)
    found = difference(other, current)
    return DifferenceView(
        distance=found.distance, why=found.why, change=_logged(found.change), **shown
    )


def _logged(content: Content | None) -> LoggedView | None:
    return logged_view(content) if isinstance(content, get_args(LoggedContent)) else None


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/difference",
        name="readDifference",
        about="Compare the whole time of one summary with another time, segment or entity.",
        handler=read_difference,
        answer=DifferenceView,
        parameters=(ENTITY, SUMMARY, START, END, LABEL, OTHER_ENTITY, OTHER_LABEL, OTHER_EARLIER),
        errors=(403, 404, 422),
    ),
)
