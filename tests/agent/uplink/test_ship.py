"""The agent keeps, deletes or quarantines rows, depending on the collector's reply."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.measures import calm_seconds

from nilometer.testing import SteppedClock, eventually
from nilometer.values.errors import BatchRejected, CollectorUnavailable
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.services import Row, ShipReply, ShipRequest
from nilometer_agent.measure.counters import Counters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.ledger import Ledger
from nilometer_agent.outbox.rows import Closing, NewRow, WindowKey
from nilometer_agent.uplink.backoff import MOST_ASKED_SECONDS, Backoff
from nilometer_agent.uplink.dial import Reach
from nilometer_agent.uplink.ship import SUSPECT_FAILURES, CollectorState, Shipper

KEY = WindowKey("tested", Labels.of(), Window(0, 60))
Code = grpc.StatusCode


class Said(grpc.RpcError):
    """A failed call."""

    def __init__(
        self, code: grpc.StatusCode, details: str = "", trailing: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__()
        self._code, self._details, self._trailing = code, details, trailing

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._trailing


class Scripted:
    """A collector that answers as told."""

    def __init__(self) -> None:
        self.says: Callable[[ShipRequest], ShipReply] = lambda _: ShipReply()
        self.calls: list[list[int]] = []
        self.taken: list[int] = []
        self.reach = (Reach.DOWN, "nobody listens")

    def Ship(self, request: ShipRequest, timeout: float) -> ShipReply:
        assert 0 < timeout <= 10
        numbers = [int(row.sample.entity) for row in request.rows]
        self.calls.append(numbers)
        reply = self.says(request)
        self.taken += numbers
        return reply

    def GetPlan(self, request: Any, timeout: float) -> Any:
        raise AssertionError

    def probe(self) -> tuple[Reach, str]:
        return self.reach


class Rig:
    def __init__(self, directory: Path) -> None:
        self.counters, self.clock = Counters(), SteppedClock()
        self.buffer = Buffer(directory / "agent.db", self.clock, self.counters)
        self.collector = Scripted()
        self.shipper = Shipper(
            "pod-1", b"i" * 16, self.buffer, self.collector, self.counters, self.clock
        )

    def queue(self, *numbers: int) -> None:
        rows = []
        for number in numbers:
            row = Row()
            row.sample.entity = str(number)
            rows.append(NewRow("sample", row.sample.SerializeToString(), 10))
        assert self.buffer.close_windows([Closing(KEY, [], rows)], self.buffer.generation)
        self.buffer.settle()

    def ship_all(self) -> None:
        while self.shipper.ship_once():
            pass

    def count(self, name: str) -> int:
        return self.counters.snapshot()[name]

    def quarantine(self) -> list[str]:
        ledger: Ledger = self.buffer._ledger
        return [
            reason
            for (reason,) in ledger.database.connection.execute("SELECT reason FROM quarantine")
        ]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def raises(code: grpc.StatusCode, *more: Any) -> Callable[[ShipRequest], ShipReply]:
    def say(request: ShipRequest) -> ShipReply:
        raise Said(code, *more)

    return say


def test_a_row_that_is_dropped_on_its_way_is_in_the_accounts_once(rig: Rig) -> None:
    rig.queue(1, 2, 3)

    def say(request: ShipRequest) -> ShipReply:
        assert rig.buffer._failover.drop()  # the cap is reached meanwhile
        return ShipReply(rejected=[{"sequence": request.rows[1].sequence, "reason": "no"}])

    rig.collector.says = say
    rig.ship_all()
    assert rig.buffer.queued() == 0
    assert rig.count("observations_dropped_for_space") == 30
    for how in ("acknowledged", "rejected"):
        assert rig.count(f"rows_{how}") == rig.count(f"observations_{how}") == 0


def test_a_shipment_has_the_time_of_the_agent(rig: Rig) -> None:
    """The collector compares the clocks with it."""
    told = []

    def say(request: ShipRequest) -> ShipReply:
        told.append(request.now_unix_nano)
        return ShipReply()

    rig.collector.says = say
    rig.queue(1)
    rig.ship_all()
    assert told == [rig.clock.now_ns()]


def test_rows_of_a_forbidden_entity_leave_the_outbox_and_are_logged_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    def forbid_odd(request: ShipRequest) -> ShipReply:
        return ShipReply(
            rejected=[
                {"sequence": row.sequence, "reason": "may not ship entity 'x'", "forbidden": True}
                for row in request.rows
                if int(row.sample.entity) % 2
            ]
        )

    rig.collector.says = forbid_odd
    for numbers in ((1, 2, 3, 4), (5, 6, 7, 8)):
        rig.queue(*numbers)
        rig.ship_all()
    assert rig.buffer.queued() == 0
    assert (rig.count("rows_acknowledged"), rig.count("rows_rejected")) == (4, 4)
    told = [one for one in caplog.records if "quarantine" in one.message]
    assert [one.__dict__["reason"] for one in told] == ["may not ship entity 'x'"]


def test_a_rejected_row_goes_to_quarantine_and_the_others_are_forgotten(rig: Rig) -> None:
    rig.queue(1, 2, 3)

    def say(request: ShipRequest) -> ShipReply:
        return ShipReply(rejected=[{"sequence": request.rows[1].sequence, "reason": "no"}])

    rig.collector.says = say
    rig.ship_all()
    assert rig.buffer.queued() == 0
    assert rig.quarantine() == ["no"]
    assert (rig.count("rows_acknowledged"), rig.count("rows_rejected")) == (2, 1)
    assert rig.count("observations_acknowledged") == 20
    assert rig.count("observations_rejected") == 10


def test_a_batch_that_is_too_large_is_halved_until_it_passes(rig: Rig) -> None:
    rig.queue(*range(100))

    def say(request: ShipRequest) -> ShipReply:
        if len(request.rows) > 10:
            raise Said(Code.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)")
        return ShipReply()

    rig.collector.says = say
    rig.ship_all()
    assert rig.collector.taken == list(range(100))
    assert rig.quarantine() == []


def test_a_row_that_is_too_large_by_itself_goes_to_quarantine(rig: Rig) -> None:
    rig.queue(*range(20))

    def say(request: ShipRequest) -> ShipReply:
        if any(row.sample.entity == "7" for row in request.rows):
            raise Said(Code.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)")
        return ShipReply()

    rig.collector.says = say
    rig.ship_all()
    assert rig.collector.taken == [number for number in range(20) if number != 7]
    assert len(rig.quarantine()) == 1


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.INVALID_ARGUMENT, Code.UNKNOWN])
def test_a_row_that_no_call_survives_is_found_and_the_rest_goes_on(
    rig: Rig, code: grpc.StatusCode
) -> None:
    rig.queue(*range(40))

    def say(request: ShipRequest) -> ShipReply:
        if any(row.sample.entity == "13" for row in request.rows):
            raise Said(code, "Exception deserializing request!")
        return ShipReply()

    rig.collector.says = say
    for _ in range(SUSPECT_FAILURES - 1):
        with pytest.raises((BatchRejected, CollectorUnavailable)):
            rig.shipper.ship_once()
    rig.ship_all()
    assert sorted(set(rig.collector.taken)) == [number for number in range(40) if number != 13]
    assert len(rig.quarantine()) == 1
    assert rig.buffer.queued() == 0


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.INVALID_ARGUMENT])
def test_a_collector_that_survives_no_row_gets_nobody_into_quarantine(
    rig: Rig, code: grpc.StatusCode
) -> None:
    rig.queue(*range(10))
    rig.collector.says = raises(code, "broken")
    for _ in range(20):
        with pytest.raises((BatchRejected, CollectorUnavailable)):
            rig.shipper.ship_once()
    assert rig.quarantine() == []
    rig.collector.says = lambda _: ShipReply()
    rig.ship_all()
    assert rig.collector.taken == list(range(10))


@pytest.mark.parametrize(
    ("code", "reach", "state"),
    [
        (Code.UNAVAILABLE, Reach.DOWN, CollectorState.UNAVAILABLE),
        (Code.UNAVAILABLE, Reach.ANSWERS, CollectorState.UNAVAILABLE),
        (Code.UNAVAILABLE, Reach.TLS, CollectorState.TLS_ERROR),
        (Code.DEADLINE_EXCEEDED, Reach.ANSWERS, CollectorState.UNAVAILABLE),
        (Code.UNAUTHENTICATED, Reach.ANSWERS, CollectorState.AUTH_ERROR),
        (Code.PERMISSION_DENIED, Reach.ANSWERS, CollectorState.AUTH_ERROR),
        (Code.UNIMPLEMENTED, Reach.ANSWERS, CollectorState.VERSION_ERROR),
        (Code.RESOURCE_EXHAUSTED, Reach.ANSWERS, CollectorState.OVERLOADED),
        (Code.FAILED_PRECONDITION, Reach.ANSWERS, CollectorState.REFUSED),
    ],
)
def test_each_way_to_fail_has_its_state_and_keeps_the_rows(
    rig: Rig, code: grpc.StatusCode, reach: Reach, state: CollectorState
) -> None:
    rig.queue(1)
    rig.collector.says = raises(code, "why")
    rig.collector.reach = (reach, "as found")
    rig.shipper.start()
    eventually(lambda: rig.shipper.state is state)
    assert rig.shipper.reason
    assert rig.buffer.queued() == 1
    assert rig.quarantine() == []
    rig.shipper.stop(0.5)


def test_a_payload_that_cannot_be_read_goes_to_quarantine(rig: Rig) -> None:
    rows = [NewRow("sample", b"\xff\xff\xff")]
    assert rig.buffer.close_windows([Closing(KEY, [], rows)], rig.buffer.generation)
    rig.buffer.settle()
    rig.queue(5)
    rig.ship_all()
    assert rig.collector.taken == [5]
    assert len(rig.quarantine()) == 1


def test_a_wait_is_jittered_and_grows_and_what_is_asked_for_is_honoured() -> None:
    import random

    backoff = Backoff(random.Random(1))
    waits = [backoff.fail() for _ in range(500)]
    assert all(wait <= 2.0**round_ for round_, wait in enumerate(waits[:6]))
    assert 59.0 < max(waits) <= 60.0
    # Full jitter, for ever: late waits fill the whole minute evenly.
    tenths = Counter(int(wait / 6.0) for wait in waits[-480:])
    assert all(24 <= tenths[tenth] <= 72 for tenth in range(10)), tenths
    assert 30.0 <= backoff.fail(30.0) <= 90.0
    assert backoff.fail(1e9) <= MOST_ASKED_SECONDS + 60.0
    backoff.succeed()
    assert backoff.fail() <= 1.0


@pytest.mark.parametrize(
    "trailing", [(("retry-after", "7"),), (("grpc-retry-pushback-ms", "7000"),)]
)
def test_a_collector_may_ask_for_a_wait(rig: Rig, trailing: tuple[tuple[str, str], ...]) -> None:
    rig.queue(1)
    rig.collector.says = raises(Code.RESOURCE_EXHAUSTED, "later", trailing)
    with pytest.raises(CollectorUnavailable) as caught:
        rig.shipper.ship_once()
    assert 7.0 <= rig.shipper._after_failure(caught.value) <= 8.0


def test_stopping_takes_no_longer_than_it_may(rig: Rig) -> None:
    rig.queue(*range(3))
    rig.collector.says = raises(Code.UNAVAILABLE)
    rig.shipper.start()
    eventually(lambda: rig.collector.calls)
    started = calm_seconds()
    rig.shipper.stop(1.0)
    rig.shipper.stop(1.0)
    assert calm_seconds() - started < 2.5


def test_the_thread_ships_on_after_an_outbox_that_failed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [sqlite3.ProgrammingError("Cannot operate on a closed database.")]

    def make_room() -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(rig.buffer, "make_room", make_room)
    monkeypatch.setattr(rig.shipper._backoff, "fail", lambda *_: 0.0)
    rig.queue(1)
    rig.shipper.start()
    try:
        eventually(lambda: rig.buffer.queued() == 0)
    finally:
        rig.shipper.stop(5.0)
