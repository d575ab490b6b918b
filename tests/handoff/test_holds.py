"""The capture thread takes the interpreter for short stretches only."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nilometer.handoff import profile_outlet
from nilometer.handoff.guard import Guard
from nilometer.handoff.link import AgentLink
from nilometer.handoff.pack import Packer
from nilometer.handoff.plain import ITEM_BYTES
from nilometer.handoff.profile_outlet import ProfileOutlet
from nilometer.handoff.settings import CaptureSettings
from nilometer.handoff.sink import Sink
from nilometer.handoff.worker import MAX_BATCH, MAX_BATCH_BYTES, Worker
from nilometer.profile import FeatureRecorder
from nilometer.profile.feature import Cell
from nilometer.testing import MemoryOutlet
from nilometer.values.reasons import DropReason
from nilometer.values.steps import Steps

COLUMNS = 8


@pytest.fixture
def settings(tmp_path: Path) -> CaptureSettings:
    return CaptureSettings(entity="tested", profile_in="process", agent=f"unix:{tmp_path}/none")


def observations(settings: CaptureSettings, count: int) -> Iterator[bytes]:
    packer = Packer(settings)
    headers = [(b"content-type", b"application/json")]
    for number in range(count):
        body = json.dumps({f"f{at}": number + at / 2 for at in range(COLUMNS)}).encode()
        yield packer.pack(
            *(1_700_000_040_000_000_000, 0.01, 200, "ok", "POST", "/predict"),
            *(headers, headers, body, b"1.5", 1, None),
        )


def test_in_the_process_columns_are_profiled_with_a_pause_after_each(
    settings: CaptureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Profiling all of them at once would hold the interpreter for milliseconds."""
    profiled = 0
    seen = [0]
    observe = FeatureRecorder.observe_in_steps

    def counting(
        recorder: FeatureRecorder, cells: Sequence[Cell] | NDArray[np.generic]
    ) -> Steps[None]:
        nonlocal profiled
        profiled += 1
        yield from observe(recorder, cells)

    def pause(seconds: float) -> None:
        assert seconds == profile_outlet.PAUSE_SECONDS
        seen.append(profiled)

    monkeypatch.setattr(FeatureRecorder, "observe_in_steps", counting)
    monkeypatch.setattr(profile_outlet, "SLICE_SECONDS", 0.0)  # every step is a slice
    monkeypatch.setattr("nilometer.handoff.profile_outlet.time.sleep", pause)
    outlet = ProfileOutlet(settings, AgentLink(settings, b"w" * 16))
    packed = list(observations(settings, profile_outlet.MAX_WAITING))
    for start in range(0, len(packed), MAX_BATCH):
        outlet.send_batch(packed[start : start + MAX_BATCH], {})
    assert profiled == COLUMNS + 1  # and the output
    assert max(after - before for before, after in pairwise(seen)) == 1


def test_in_the_process_heavy_bodies_are_profiled_before_there_are_many(
    settings: CaptureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_outlet, "MAX_WAITING_BYTES", 10_000)
    outlet = ProfileOutlet(settings, AgentLink(settings, b"w" * 16))
    waiting = []
    for packed in observations(settings, 200):
        outlet.send_batch([packed], {})
        waiting.append(sum(one.waiting for one in outlet._profilings.values()))
    assert waiting.count(0) >= 2
    assert max(waiting) <= 10_000 // 150  # bytes of one, at least


class Handed(MemoryOutlet):
    """An outlet that keeps the batches it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Sequence[bytes]] = []

    def send_batch(self, batch: Sequence[bytes], dropped: Mapping[DropReason, int]) -> None:
        assert not dropped
        self.batches.append(batch)


def test_a_batch_has_at_most_128_kib(
    settings: CaptureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nilometer.handoff.worker.time.sleep", lambda _: None)
    one = Worker(settings, Guard())
    sizes = [3000, 100, 50_000, 200_000, 10, 130_000, 1] + [1000] * 600
    packed = [bytes((at % 256,)) * size for at, size in enumerate(sizes)]
    for observation in packed:
        one.sink.offer(observation)
    outlet = Handed()
    assert one._step(outlet) == len(packed)
    assert [observation for batch in outlet.batches for observation in batch] == packed
    for batch in outlet.batches:
        assert len(batch) == 1 or (len(batch) <= MAX_BATCH and sum(map(len, batch)) <= 128 << 10)
    assert MAX_BATCH_BYTES == 128 << 10


def test_what_is_taken_makes_room() -> None:
    sink = Sink(4 * (100 + ITEM_BYTES))
    for number in range(5):
        sink.offer(bytes((number,)) * 100)
    assert (len(sink), sink.refused) == (4, 1)
    assert sink.take(10, 250) == [bytes((number,)) * 100 for number in (0, 1)]
    assert sink.take(1, 10) == [bytes((2,)) * 100]  # one is taken however long it is
    sink.offer(b"x" * 200)
    assert (len(sink), sink.refused) == (2, 1)
    assert len(sink.take(10, 1000)) == 2
    assert sink.take(10, 1000) == []
