"""The caches for headers of WSGI answer alike from the first time on, and stay small."""

import pytest

from nilometer.capture.wsgi_headers import (
    MAX_CHARACTERS,
    MAX_TEXTS,
    ContentTypes,
    HeaderNames,
    Statuses,
)


def test_a_name_is_found_in_any_letter_case() -> None:
    names = HeaderNames({b"content-type"})
    for _ in range(2):
        assert names["Content-Type"] == names["CONTENT-TYPE"] == b"content-type"
        assert names["X-Other"] is None


def test_a_content_type_is_a_header() -> None:
    types = ContentTypes()
    for _ in range(2):
        assert types["text/plain"] == ((b"content-type", b"text/plain"),)
        assert types["\u20ac"] == ((b"content-type", b"?"),)


def test_a_status_line_has_a_number() -> None:
    statuses = Statuses()
    for _ in range(2):
        assert statuses["404 Not Found"] == 404
        with pytest.raises(ValueError, match="invalid literal"):
            statuses["two hundred"]


def test_a_cache_holds_few_and_short_texts() -> None:
    names, types, statuses = HeaderNames({b"age"}), ContentTypes(), Statuses()
    long = "x" * MAX_CHARACTERS
    assert (names[long], types[long][0][1], statuses[f"200 {long}"]) == (None, long.encode(), 200)
    assert not names
    assert not types
    assert not statuses
    for number in range(2 * MAX_TEXTS):
        assert names[f"x-{number}"] is None
        assert types[f"text/{number}"][0][1] == b"text/%d" % number
        assert statuses[f"200 {number}"] == 200
    assert len(names) == len(types) == len(statuses) == MAX_TEXTS
    assert names["Age"] == b"age"
