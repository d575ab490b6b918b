"""Sources start in order and stop in reverse, whatever one of them does."""

import logging
import threading
import time
from collections.abc import Callable

import pytest

from nilometer.values.errors import ConfigError
from nilometer_agent.sources import source
from nilometer_agent.sources.source import Sources, seconds_until


class FakeSource:
    """Writes down what is asked of it in *told*, then does what the test wants."""

    stop_seconds = 5.0

    def __init__(
        self,
        name: str,
        told: list[str],
        starting: Callable[[], object] = lambda: None,
        stopping: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self.seconds_left = -1.0
        self._told = told
        self._starting = starting
        self._stopping = stopping

    def start(self) -> None:
        self._told.append(f"start {self.name}")
        self._starting()

    def stop(self, deadline: float) -> None:
        self._told.append(f"stop {self.name}")
        self.seconds_left = seconds_until(deadline)
        self._stopping()


def raises(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def sources_of(*fakes: FakeSource) -> Sources:
    sources = Sources()
    for fake in fakes:
        assert sources.add(fake) is fake
    return sources


def test_sources_stop_in_the_reverse_of_the_order_in_which_they_start() -> None:
    told: list[str] = []
    sources = sources_of(*(FakeSource(name, told) for name in "abc"))
    sources.start()
    sources.stop()
    assert told == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


def test_stopping_again_asks_nothing_of_the_sources() -> None:
    told: list[str] = []
    sources = sources_of(FakeSource("a", told))
    sources.stop()
    sources.stop()
    assert told == ["stop a"]


def test_when_one_cannot_start_all_are_stopped_and_its_error_is_raised() -> None:
    told: list[str] = []
    wrong = ConfigError("events_address = 'x': cannot be bound")
    sources = sources_of(
        FakeSource("a", told), FakeSource("b", told, raises(wrong)), FakeSource("c", told)
    )
    with pytest.raises(ConfigError) as raised:
        sources.start()
    assert raised.value is wrong
    # The last one never started, but may have bound its address when it was made.
    assert told == ["start a", "start b", "stop c", "stop b", "stop a"]


def test_one_that_raises_in_stop_is_logged_and_the_others_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []
    sources = sources_of(
        FakeSource("a", told), FakeSource("b", told, stopping=raises(OSError("broken")))
    )
    sources.start()
    sources.stop()
    assert told[2:] == ["stop b", "stop a"]
    (record,) = caplog.records
    expected = "source failed to stop: report this error"
    assert (record.message, record.__dict__["source"]) == (expected, "b")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "broken"


def test_one_that_hangs_in_stop_is_left_behind_and_the_others_have_their_whole_share(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "LATE_SECONDS", 0.05)
    told: list[str] = []
    go_on = threading.Event()
    first, hangs = FakeSource("a", told), FakeSource("b", told, stopping=go_on.wait)
    hangs.stop_seconds = 0.05
    sources = sources_of(first, hangs)
    sources.start()
    started = time.monotonic()
    sources.stop()
    assert time.monotonic() - started >= 0.1
    go_on.set()
    assert told[2:] == ["stop b", "stop a"]
    assert 4.0 < first.seconds_left <= 5.0
    (record,) = caplog.records
    assert (record.levelno, record.__dict__["source"]) == (logging.ERROR, "b")
    assert record.message == "source did not stop in time, its last observations may be lost"
