from hypothesis import given
from hypothesis import strategies as st

from nilometer.values.steps import (
    CHARACTERS_AT_ONCE,
    TEXTS_AT_ONCE,
    Steps,
    finished,
    parts_of,
)

lengths = st.lists(
    st.one_of(st.just(0), st.integers(0, 40), st.integers(0, 2 * CHARACTERS_AT_ONCE)), max_size=40
)


def test_what_is_finished_returns_its_result_however_many_steps_it_takes() -> None:
    def counted(steps: int) -> Steps[int]:
        for _ in range(steps):
            yield
        return steps

    assert [finished(counted(steps)) for steps in (0, 1, 7)] == [0, 1, 7]


@given(lengths, st.integers(0, 3))
def test_parts_hold_every_text_once_in_order_and_no_more_than_a_step_can_take(
    lengths: list[int], times: int
) -> None:
    texts = ["x" * length for length in lengths] + [str(at) for at in range(times * TEXTS_AT_ONCE)]
    parts = list(parts_of(texts))
    assert [text for part in parts for text in part] == texts
    for part in parts:
        assert 0 < len(part) <= TEXTS_AT_ONCE
        assert len(part) == 1 or sum(map(len, part)) <= CHARACTERS_AT_ONCE
