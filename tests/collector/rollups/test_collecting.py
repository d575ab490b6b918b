"""Additions are collected on a thread of their own, also after a failure of the store."""

import logging

import pytest

from nilometer.testing import eventually
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.rollups import collecting
from nilometer_collector.rollups.collecting import Collecting
from nilometer_collector.store import Store


@pytest.fixture(autouse=True)
def _without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "COLLECT_SECONDS", 0.01)


def test_a_failure_is_logged_once_until_a_collection_succeeds(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[Exception | None] = [
        *(StoreUnavailable("database: away"), StoreUnavailable("database: away")),
        None,
        ValueError("a bug"),
    ]

    def failing(rollups: object) -> int:
        failure = failures.pop(0) if failures else None
        if failure is not None:
            raise failure
        return 0

    monkeypatch.setattr(type(store.rollups), "collect", failing)
    caplog.set_level(logging.WARNING)
    started = Collecting(store)
    started.thread.start()
    eventually(lambda: not failures)
    started.thread.stop(60.0)
    started.thread.stop(60.0)
    told = [one for one in caplog.records if "are not collected" in one.message]
    assert [one.__dict__["reason"] for one in told] == ["database: away", "a bug"]
    assert [bool(one.exc_info) for one in told] == [False, True]
