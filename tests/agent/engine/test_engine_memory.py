"""What the engine holds is bounded by its settings: it commits, closes and forgets early."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.engine_rig import Rig, batch

from nilometer.profile import SummarySample
from nilometer.profiling.observation import pack
from nilometer.wire.frames import MAX_PARTIALS, Batch
from nilometer.wire.samples import sample_from_bytes, sample_to_bytes
from nilometer_agent.engine import engine, merge, receive
from nilometer_agent.engine.engine import INBOX_BATCHES, Arrival, Inbox
from nilometer_agent.engine.parse_batch import problem_of
from nilometer_agent.engine.receive import MAX_OBSERVATIONS
from nilometer_agent.outbox.rows import Closing

MINUTE_NS = 60 * 10**9
MIB = 1 << 20


def keys(count: int, prefix: str = "k") -> bytes:
    return json.dumps({f"{prefix}{at}": at for at in range(count)}).encode()


def a_batch(
    sequence: int, bodies: list[bytes], *, minutes: bool = False, entity: str = "tested"
) -> Batch:
    made = [
        (
            1_700_000_040 * 10**9 + at * MINUTE_NS * minutes,
            *(0.01, 200, "ok", "POST", "/predict", len(body), 2),
            *("application/json", "", "application/json", ""),
            *(body, b"{}", ""),
        )
        for at, body in enumerate(bodies)
    ]
    made_of = batch(sequence, observations=pack(made))
    made_of.entity, made_of.count = entity, len(bodies)
    return made_of


def shipped(rig: Rig) -> list[SummarySample]:
    rig.engine._close_all()
    rows, _ = rig.buffer.oldest(100_000, 1 << 30)
    return [sample_from_bytes(row.payload) for row in rows if row.kind == "sample"]


def test_what_is_held_is_committed_early_at_half_of_its_cap(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_working_bytes=8 * MIB)
    rig.give(a_batch(1, [b"1"] * 20, minutes=True))
    assert rig.acknowledged == []
    rig.give(a_batch(2, [b"1"] * 700, minutes=True))
    assert rig.acknowledged == [1, 2]
    assert rig.engine._receiver._budget.held == 0


def test_many_label_sets_of_known_columns_are_committed_before_they_are_too_large(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, segments={"s": "input.s"})
    for at in range(4):
        row = json.loads(keys(12))
        bodies = [json.dumps(row | {"s": f"{at}.{one}"}).encode() for one in range(256)]
        rig.give(a_batch(at + 1, bodies))
    assert len(rig.acknowledged) >= 2
    rig.commit()
    counted = rig.counters.snapshot()
    assert (counted["profiled"], counted["undecodable"], counted["dropped"]) == (4 * 256, 0, 0)


def test_what_cannot_be_committed_holds_up_what_would_be_received(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_working_bytes=8 * MIB)
    rig.buffer.failures = 1
    with pytest.raises(sqlite3.OperationalError):
        rig.give(a_batch(1, [b"1"] * 700, minutes=True))
    assert rig.engine._is_full
    rig.commit()
    assert not rig.engine._is_full
    assert rig.acknowledged == [1]


def test_windows_over_the_cap_are_closed_early_and_nothing_is_lost(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_open_windows=16)
    for at in range(10):
        rig.give(a_batch(at + 1, [b'{"a": 1}'] * 20, minutes=True))
        rig.commit()
        rig.engine._closer.close_due(rig.engine._clock.monotonic())
        assert len(rig.engine._closer.open) <= 16
    assert rig.stored() == 200


def test_a_window_of_many_partial_profiles_is_merged_some_summaries_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, most in (("whole", merge.MERGED_BYTES), ("parts", 2000)):
        monkeypatch.setattr(merge, "MERGED_BYTES", most)
        (tmp_path / name).mkdir()
        rig = Rig(tmp_path / name)
        for at in range(5):
            rig.give(a_batch(at + 1, [keys(30), b'{"k1": %d}' % at]))
            rig.commit()
        found.append([sample_to_bytes(one) for one in shipped(rig)])
    assert found[0] == found[1]
    assert len(found[0]) == 31


def test_a_transaction_closes_so_many_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nilometer_agent.engine.close.SAMPLES_AT_ONCE", 10)
    rig = Rig(tmp_path)
    rig.give(a_batch(1, [keys(8)] * 6, minutes=True))
    rig.commit()
    closed: list[int] = []
    close = rig.buffer.close_windows

    def watched(closings: Sequence[Closing], generation: int) -> bool:
        closed.append(len(closings))
        return close(closings, generation)

    monkeypatch.setattr(rig.buffer, "close_windows", watched)
    assert rig.stored() == 6
    assert closed == [2, 2, 2]


def test_a_batch_of_more_observations_than_are_unpacked_is_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.give(a_batch(1, [b"1"] * (MAX_OBSERVATIONS + 1)))
    rig.commit()
    assert rig.acknowledged == [1]
    (sample,) = shipped(rig)
    assert sample.coverage.dropped == {"batch_too_large": MAX_OBSERVATIONS + 1}


def test_what_idle_entities_know_is_forgotten_where_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "MAX_KEPT_BYTES", 256 << 10)
    rig = Rig(tmp_path)
    for at in range(20):
        rig.give(a_batch(at + 1, [keys(500)], entity=f"e{at}"))
        rig.engine._receiver._names[f"e{at}"].over_limit += 1
        rig.commit()
    receiver = rig.engine._receiver
    known = receiver._profilings
    assert 1 <= len(known) <= 3
    assert next(reversed(known))[0] == "e19"
    assert receiver._names.keys() == {entity for entity, _ in known}
    assert receiver.columns_over_limit == 20


def test_entities_have_so_many_watermarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_WATERMARKS", 5)
    rig = Rig(tmp_path)
    for at in range(20):
        rig.give(a_batch(at + 1, [b"1"], entity=f"e{at}"))
    assert list(rig.engine._receiver.watermarks) == [f"e{at}" for at in range(15, 20)]


def test_the_inbox_is_full_by_bytes_as_well_as_by_batches() -> None:
    inbox = Inbox()
    large = Batch(worker=b"w", sequence=1, entity="e", observations=bytes(engine.INBOX_BYTES // 2))
    for _ in range(2):
        assert not inbox.full()
        inbox.put_nowait(Arrival(large, lambda _: None))
    assert inbox.full()
    assert inbox.batches == 2
    inbox.get_nowait()
    assert not inbox.full()
    inbox.get_nowait()
    for _ in range(INBOX_BATCHES):
        inbox.put_nowait(Arrival(None, lambda _: None))
    assert inbox.full()


def test_a_batch_of_too_many_partials_is_refused() -> None:
    many = Batch(worker=b"w", sequence=1, entity="e", partials=[b""] * (MAX_PARTIALS + 1))
    assert problem_of(many) == f"{MAX_PARTIALS + 1} partials: at most {MAX_PARTIALS}"
