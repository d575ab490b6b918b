"""A short, seeded form of the table in `quality.language_models`."""

from quality.language_models import delays
from support.judged_windows import DAY

from nilometer.values.entity import PER_TOKEN, SERVICE


def test_slower_tokens_are_found_in_time_and_nothing_before() -> None:
    drift = "per token 20 to 40 ms"
    ((wait,), episodes, moved) = delays(drift, 60, [3], learn=DAY, before=24)
    assert wait <= 3
    assert episodes == 1
    assert moved == {SERVICE, PER_TOKEN}
