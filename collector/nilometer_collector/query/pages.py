"""Divides an answer into pages, so that a page reads only the points it returns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nilometer_collector.errors import TooMuch
from nilometer_collector.query.cells import Slice
from nilometer_collector.query.groups import Group, Key
from nilometer_collector.query.series_records import SeriesQuestion
from nilometer_collector.query.spans import up_to_multiple

MAX_POINTS = 100_000  # most points of all pages of an answer
LEAST_POINTS = 500  # fewest windows read at once, even for a shorter page


def check_points(groups: Sequence[Group], question: SeriesQuestion) -> None:
    """Refuse a question with too many points; the times with data tell how many it may have.

    Raises:
        TooMuch: If all pages together may have over `MAX_POINTS` points.
    """
    points = sum(_most_points(one, question) for one in groups)
    if points > MAX_POINTS:
        field = "step" if question.step_ns is not None else "by"
        raise TooMuch(
            f"{field}: the answer may have {points} points, the limit is {MAX_POINTS}: ask for a "
            "longer step, a shorter time, or fewer series",
            field,
        )


def slices_of(groups: Sequence[Group], question: SeriesQuestion) -> Iterator[Slice]:
    """Yield the slices of an answer in order, from the question's cursor on.

    A slice has about as many points as a page. The reader stops when its page is full.
    """
    start, end = bounds_of(question)
    after, most = question.after, max(question.limit, LEAST_POINTS)
    page = Slice((), start, end, question.step_ns, coarsest=question.coarsest)
    together: list[Group] = []
    points = 0
    for group in groups:
        if after is not None and group.key < Key(after.summary, after.labels):
            continue
        of_group = _most_points(group, question)
        resumed = after is not None and group.key == Key(after.summary, after.labels)
        if together and points + of_group > most:
            yield replace(page, groups=together)
            together, points = [], 0
        if question.step_ns is not None and (resumed or of_group > most):
            at = max(after.start_ns, start) if resumed and after is not None else start
            yield from _slices_of_one(replace(page, groups=[group]), question.step_ns, at, most)
        elif of_group:
            together.append(group)
            points += of_group
    if together:
        yield replace(page, groups=together)


def _slices_of_one(whole: Slice, step_ns: int, at_ns: int, most: int) -> Iterator[Slice]:
    """Divide *whole*, which has one group, into slices of about *most* windows from *at_ns* on."""
    (group,) = whole.groups
    is_first = at_ns == whole.start_ns
    if is_first:
        at_ns = max(at_ns, group.first_ns - group.first_ns % step_ns)
    last = min(whole.end_ns, up_to_multiple(group.last_ns, step_ns))
    while at_ns < last:
        until = min(at_ns - at_ns % step_ns + most * step_ns, last)
        yield replace(whole, start_ns=at_ns, end_ns=until, is_first=is_first)
        at_ns, is_first = until, False


def bounds_of(question: SeriesQuestion) -> tuple[int, int]:
    """Return the time of a question, rounded outward to whole steps."""
    selection, step = question.selection, question.step_ns
    if step is None:
        return selection.start_ns, selection.end_ns
    start = selection.start_ns - selection.start_ns % step
    return start, max(up_to_multiple(selection.end_ns, step), start)


def _most_points(group: Group, question: SeriesQuestion) -> int:
    """Return the largest number of points that *group* may have."""
    start, end = bounds_of(question)
    first, last = max(start, group.first_ns), min(end, group.last_ns)
    if first >= last:
        return 0
    step = question.step_ns
    return 1 if step is None else (up_to_multiple(last, step) - (first - first % step)) // step
