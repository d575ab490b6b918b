import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nilometer.testing import eventually
from nilometer_collector.background import OUTDATED, Background, Pause
from nilometer_collector.errors import Outdated, StoreUnavailable

LONG = Pause(60.0)


@contextmanager
def running(
    step: Callable[[], Pause | None],
) -> Iterator[Background]:
    thread = Background(
        "x", step, after_error=Pause(0.0), unavailable="no store: wait", failed="error: report"
    )
    thread.start()
    try:
        yield thread
    finally:
        thread.stop(20)
    assert not thread.is_running


def test_an_error_ends_a_step_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    outcomes: list[Exception | None] = [StoreUnavailable("full"), ValueError("x"), None]
    done = threading.Event()

    def step() -> Pause:
        if error := outcomes.pop(0):
            raise error
        done.set()
        return LONG

    with running(step) as thread:
        assert done.wait(20)
        assert thread.errors == 1  # an unavailable store is no error of this thread
    assert [one.getMessage() for one in caplog.records] == ["no store: wait", "error: report"]


def test_a_thread_that_waits_for_an_update_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """A disk has nothing to do with it."""
    outcomes: list[Exception | None] = [Outdated("newer"), Outdated("newer"), StoreUnavailable("x")]
    outcomes += [None, Outdated("newer"), None]
    done = threading.Event()

    def step() -> Pause:
        error = outcomes.pop(0)
        if not outcomes:
            done.set()
        if error is not None:
            raise error
        return Pause(0.0) if outcomes else LONG

    with running(step):
        assert done.wait(20)
    told = [one.getMessage() for one in caplog.records]
    assert told == [OUTDATED, "no store: wait", OUTDATED]


def test_a_wake_ends_a_pause_and_a_stop_ends_a_firm_one() -> None:
    steps = threading.Semaphore(0)
    pauses = [LONG, Pause(60.0, is_firm=True)]

    def step() -> Pause:
        steps.release()
        return pauses.pop(0)

    with running(step) as thread:
        assert steps.acquire(timeout=20)
        thread.wake()
        assert steps.acquire(timeout=20)
        thread.wake()
        assert not steps.acquire(timeout=0.05)
        assert thread.age_seconds < 60


def test_the_pause_doubles_with_each_error_in_a_row() -> None:
    outcomes = [ValueError(), ValueError(), None, *[ValueError()] * 7]

    def step() -> Pause:
        if error := outcomes.pop(0):
            raise error
        return Pause(0.5)

    thread = Background("x", step, after_error=Pause(2.0), unavailable="", failed="")
    pauses = [thread._stepped() for _ in list(outcomes)]
    seconds = [2.0, 4.0, 0.5, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert pauses == [Pause(one) for one in seconds]


def test_a_step_can_end_its_thread() -> None:
    with running(lambda: None) as thread:
        assert eventually(lambda: not thread.is_running)


def test_a_thread_can_be_stopped_before_it_starts_and_twice() -> None:
    thread = Background("x", lambda: LONG, after_error=LONG, unavailable="", failed="")
    thread.stop(1)
    thread.stop(1)
    assert thread.is_stopping
