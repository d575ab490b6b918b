import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.values.errors import ConfigError
from nilometer.values.window import Window

times = st.integers(0, 2**63 - 1)
lengths = st.integers(1, 2**50)


@given(times, lengths)
def test_a_moment_is_in_exactly_one_window_of_a_length(event_ns: int, length_ns: int) -> None:
    window = Window.containing(event_ns, length_ns)
    assert window.start_ns <= event_ns < window.end_ns
    assert window.start_ns % length_ns == 0
    assert window.end_ns - window.start_ns == length_ns


@given(times, lengths)
def test_windows_are_half_open(event_ns: int, length_ns: int) -> None:
    window = Window.containing(event_ns, length_ns)
    after = Window.containing(window.end_ns, length_ns)
    assert Window.containing(window.start_ns, length_ns) == window
    assert Window.containing(window.end_ns - 1, length_ns) == window
    assert (after.start_ns, after > window) == (window.end_ns, True)


@given(times, st.integers(0, 100))
def test_an_empty_window_is_refused(start: int, less: int) -> None:
    with pytest.raises(ConfigError, match="must not be empty"):
        Window(start, start - less)


def test_a_window_knows_its_length() -> None:
    assert Window(0, 90_000_000_000).seconds == 90.0
