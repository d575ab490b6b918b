import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.commands.top.text import (
    age,
    clean,
    cut,
    number,
    padded,
    seconds,
    share,
    size,
    to_ascii,
    trend,
    width,
)

NAMES = st.text(st.characters(), max_size=40)


@given(NAMES)
def test_what_is_clean_moves_no_cursor(name: str) -> None:
    shown = clean(name)
    assert not [one for one in shown if unicodedata.category(one)[0] == "C"]
    assert not [one for one in shown if one in "\u2028\u2029"]
    shown.encode()  # no half of a pair
    assert clean(shown) == shown


def test_an_escape_sequence_is_shown_and_not_sent() -> None:
    assert clean("a\x1b[2Jb\r\n\x9b\u202ec") == "a·[2Jb····c"


@given(name=NAMES, columns=st.integers(0, 30), right=st.booleans())
def test_padded_text_has_its_width(name: str, columns: int, *, right: bool) -> None:
    assert width(padded(clean(name), columns, right=right)) == columns
    assert width(to_ascii(padded(clean(name), columns))) == columns


def test_a_wide_character_is_not_cut_in_half() -> None:
    assert cut("世界世界", 4) == "世…"
    assert padded("世界世界", 4) == "世… "
    assert cut("世界", 4) == "世界"


@given(st.floats(0, 1e15))
def test_numbers_keep_their_columns(value: float) -> None:
    assert len(number(value)) <= 6
    assert len(number(int(value))) <= 6
    assert len(seconds(min(value, 1e8))) <= 5
    assert len(age(min(value, 1e8))) <= 5
    assert len(size(value)) <= 5
    assert len(share(min(value, 1.0))) <= 5


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (math.nan, "-"), (0.0, "0"), (7, "7"), (0.424, "0.42"), (12_400.0, "12.4k")],
)
def test_numbers_read_as_people_write_them(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_a_share_is_all_or_nothing_only_if_it_is() -> None:
    assert [share(one) for one in (0.0, 1e-9, 0.99999, 1.0)] == ["0%", "<.1%", "99.9%", "100%"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(84e-6, "84us"), (0.0021, "2.1ms"), (0.34, "340ms"), (1.24, "1.24s"), (720.0, "12m")],
)
def test_times_have_their_unit(value: float, shown: str) -> None:
    assert seconds(value) == shown


def test_a_trend_ends_with_the_newest() -> None:
    assert trend([0.0, 5.0, None, 10.0], 6) == "  ▁▅ █"
    assert trend([1.0, 2.0, 3.0], 2) == "▆█"
    assert trend([], 3) == "   "
    assert trend([0.0], 1) == "▁"
