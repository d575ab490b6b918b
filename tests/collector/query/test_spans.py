"""Time is read at the coarsest level whose windows it is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.query.spans import level_for, spans_of
from nilometer_collector.store import Level

MINUTE = 60 * NANOSECONDS
times = st.integers(0, 40 * 24 * 60).map(lambda minutes: minutes * MINUTE)


@pytest.mark.parametrize(
    ("seconds", "level"),
    [
        (1, Level.SHIPPED),
        (60, Level.SHIPPED),
        (300, Level.FIVE_MINUTES),
        (3300, Level.FIVE_MINUTES),
        (3600, Level.HOUR),
        (7200, Level.HOUR),
        (86_400, Level.DAY),
        (30 * 86_400, Level.DAY),
        (86_401, Level.SHIPPED),
    ],
)
def test_a_step_is_read_at_the_coarsest_level_that_divides_it(seconds: int, level: Level) -> None:
    assert level_for(seconds * NANOSECONDS) is level


@given(times, times)
def test_spans_are_the_whole_time_without_gap_or_overlap(start: int, end: int) -> None:
    spans = spans_of(start, end)
    if start >= end:
        assert spans == []
        return
    assert (spans[0].start_ns, spans[-1].end_ns) == (start, end)
    assert [one.end_ns for one in spans[:-1]] == [one.start_ns for one in spans[1:]]
    for span in spans:
        length = span.level.length_ns or 1
        assert span.start_ns % length == span.end_ns % length == 0


@given(times, times)
def test_a_span_of_days_is_read_in_few_windows(start: int, end: int) -> None:
    windows = sum(
        (span.end_ns - span.start_ns) // (span.level.length_ns or MINUTE)
        for span in spans_of(start, end)
    )
    days = max(end - start, 0) // Level.DAY.length_ns
    assert windows <= days + 2 * (24 + 12 + 5)
