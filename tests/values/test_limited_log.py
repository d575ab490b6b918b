import logging

import pytest

from nilometer.values.limited_log import LimitedLog
from nilometer.values.once import MAX_KINDS


def test_a_line_of_one_kind_is_written_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr("nilometer.values.limited_log.time.monotonic", lambda: now[0])
    lines = LimitedLog()
    for now[0] in (0.0, 1.0, 59.9, 60.0, 61.0):
        lines.warning("the queue is full: raise max_queue_bytes")
        lines.warning(f"{now[0]:g} s", kind="clock")
    assert [record.getMessage() for record in caplog.records] == [
        "nilometer: the queue is full: raise max_queue_bytes",
        "nilometer: 0 s",
        "nilometer: the queue is full: raise max_queue_bytes",
        "nilometer: 60 s",
    ]


def test_a_fault_has_its_reason_in_the_line_and_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    LimitedLog().fault("a step failed", OSError("disk"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.message == (
        "nilometer: a step failed: OSError('disk'): please report it with this traceback"
    )
    assert record.exc_info is not None


def test_a_reason_that_cannot_be_shown_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Hidden(Exception):
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    LimitedLog().fault("a step failed", Hidden())
    assert not caplog.records


def test_kinds_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    lines = LimitedLog()
    for number in range(3 * MAX_KINDS):
        lines.warning(f"line {number}")
    assert len(lines._once._said) <= MAX_KINDS
    assert len(caplog.records) == 3 * MAX_KINDS
