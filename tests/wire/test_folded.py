"""Samples of logged contents are merged a few at a time: the bits are the same, and memory is bounded."""

import pytest
from support.memory import peak

from nilometer.profile import Coverage, SummarySample
from nilometer.profile.logged.amounts import Aggregation, Head
from nilometer.profile.logged.matrix import Matrix
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire import samples
from nilometer.wire.samples import merged_sample_from_bytes, sample_from_bytes, sample_to_bytes

SIDE = 16
WINDOW = Window(0, 60 * 10**9)


def packed(number: int) -> bytes:
    rows = [[number / 3 + row * column for column in range(SIDE)] for row in range(SIDE)]
    sample = SummarySample(
        entity="e",
        summary="logged.x",
        labels=Labels(),
        window=WINDOW,
        coverage=Coverage(profiled=1),
        content=Matrix.of(rows, Head(Aggregation.MEAN)),
    )
    return sample_to_bytes(sample)


def test_many_samples_are_merged_in_the_memory_of_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    payloads = [packed(number) for number in range(64)]
    whole = merged_sample_from_bytes(payloads, WINDOW, Labels())
    monkeypatch.setattr(samples, "AT_ONCE_BYTES", 1)
    assert merged_sample_from_bytes(payloads, WINDOW, Labels()) == whole
    one = peak(lambda: sample_from_bytes(payloads[0]))
    every = peak(lambda: [sample_from_bytes(payload) for payload in payloads])
    together = peak(lambda: merged_sample_from_bytes(payloads, WINDOW, Labels()))
    assert every > 30 * one
    assert together < 8 * one
