"""Event times: every way in which clients write them, and what is done with the others."""

import json
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from nilometer.decode import Side
from nilometer.decode.columns import Block
from nilometer.profile import Profile
from nilometer.profiling.event_time import EventTimes
from nilometer.profiling.observation import Observation, pack
from nilometer.profiling.profiling import Profiling
from nilometer.values.labels import Labels

SECOND = 1_000_000_000
AT = 1_764_426_600  # 2025-11-29T14:30:00Z
ARRIVAL_NS = (AT + 3600) * SECOND
MINUTE = 60 * SECOND

READ: list[tuple[Any, int]] = [
    # Numbers: the unit is told by the magnitude.
    (AT, AT * SECOND),
    (AT + 0.5, AT * SECOND + SECOND // 2),
    (AT * 1000 + 123, AT * SECOND + 123_000_000),
    (AT * 10**6 + 123_456, AT * SECOND + 123_456_000),
    (AT * SECOND + 123_456_789, AT * SECOND + 123_456_789),
    (float(AT * 1000), AT * SECOND),
    (100_000_000, 100_000_000 * SECOND),  # 1973
    (4_102_444_800, 4_102_444_800 * SECOND),  # 2100
    # The same as text, exact to the nanosecond.
    (f"{AT}", AT * SECOND),
    (f" {AT}\n", AT * SECOND),
    (f"{AT}.123456789", AT * SECOND + 123_456_789),
    (f"{AT}000", AT * SECOND),
    ("1.7644266e9", AT * SECOND),
    # RFC 3339.
    ("2025-11-29T14:30:00Z", AT * SECOND),
    ("2025-11-29t14:30:00z", AT * SECOND),
    ("2025-11-29 14:30:00Z", AT * SECOND),
    ("2025-11-29_14:30:00Z", AT * SECOND),
    ("20251129 143000Z", AT * SECOND),
    ("2025-11-29T14:30:00.5Z", AT * SECOND + SECOND // 2),
    ("2025-11-29T14:30:00.123456789Z", AT * SECOND + 123_456_789),
    ("2025-11-29T14:30:00.1234567899999Z", AT * SECOND + 123_456_789),
    ("2025-11-29T20:00:00+05:30", AT * SECOND),
    ("2025-11-29T09:00:00-05:30", AT * SECOND),
    ("2025-11-29T14:30:00-00:00", AT * SECOND),
    ("2016-12-31T23:59:60Z", 1_483_228_800 * SECOND),  # a leap second
    # ISO 8601 and what logs and databases write.
    ("2025-11-29T14:30Z", AT * SECOND),
    ("20251129T143000Z", AT * SECOND),
    ("2025-11-29T20:00:00+0530", AT * SECOND),
    ("2025-11-29 14:30:00 +00:00", AT * SECOND),
    ("2025-11-29 14:30:00 UTC", AT * SECOND),
    ("2025-11-29T14:30:00,5Z", AT * SECOND + SECOND // 2),
    ("2025-11-29 14:30:00.123456", AT * SECOND + 123_456_000),
    ("2025-11-29", (AT - 52_200) * SECOND),
    # The end of a day, and the name of a zone after the offset, as Java writes it.
    ("2025-11-28T24:00:00Z", (AT - 52_200) * SECOND),
    ("2025-11-28T24:00Z", (AT - 52_200) * SECOND),
    ("20251128T240000Z", (AT - 52_200) * SECOND),
    ("2025-11-29T15:30:00+01:00[Europe/Paris]", AT * SECOND),
    ("2025-11-29T14:30:00Z[UTC]", AT * SECOND),
    # Without an offset, the name of the zone tells the moment (RFC 9557).
    ("2025-11-29T15:30:00[Europe/Paris]", AT * SECOND),
    ("2025-11-29T15:30[Europe/Paris]", AT * SECOND),
    ("2025-11-29T09:30:00[America/New_York]", AT * SECOND),
    ("2025-11-29T14:30:00Z[!Europe/Paris]", AT * SECOND),
    ("2025-11-29T14:30:00Z[Mars/Base]", AT * SECOND),
    ("2025-11-29T15:30:00+01:00[Europe/Paris][u-ca=hebrew]", AT * SECOND),
    ("2025-11-29T14:30:00Z[u-ca=hebrew]", AT * SECOND),
    ("2025-11-28T24:00:00.000Z", (AT - 52_200) * SECOND),
    # Weeks: the first and the last of a year begin or end in another one.
    ("2025-W48-6", (AT - 52_200) * SECOND),
    ("2025W486T143000Z", AT * SECOND),
    ("2025-W48-6 14:30", AT * SECOND),
    ("2020-W53-5T00:00:00Z", 1_609_459_200 * SECOND),
    # What Arrow, Parquet and MessagePack have.
    (date(2025, 11, 29), (AT - 52_200) * SECOND),
    (datetime(2025, 11, 29, 14, 30, tzinfo=UTC), AT * SECOND),
    (datetime(2025, 11, 29, 14, 30, 0, 5), AT * SECOND + 5000),  # noqa: DTZ001  in the zone
]
UNREAD: list[Any] = [
    *("yesterday", "2025-02-30T00:00:00Z", "2025-11-29T25:00:00Z", "2025-11-29T14:30:61Z"),
    *("2025-11-29T14:30:00+99:99", "14:30", "-5", "1e99", "NaN", "1" * 10_000, "\ud800", "٣"),
    *(-AT, 0, 17, 14.5, 99_999_999, 20_251_129, 10**30, float("nan"), float("inf"), -0.0),
    *(True, False, [AT], {"t": AT}),
    *("2025-11-28T24:00:01Z", "2025-11-28T24:30Z", "9999-12-31T24:00:00Z", "0000-01-01T00:00:00Z"),
    *("2025-11-29T14:30,5Z", "2025-11-29T14.5Z", "2025-11-29T14:30:00[Europe/Paris"),
    *("2025-11-29T14:30:00[Mars/Base]", "2025-11-29T14:30:00[../etc]", "[Europe/Paris]"),
    *("2025-11-29T14:30:00Z[!u-ca=hebrew]", "2025-11-29T14:30:00Z[Europe/Paris][UTC]"),
    *("2025-11-29T14:30:00.Z", "2025-11-29T14:30:00Z\0", "2025-11-29T14:30:00+2"),
    *("2025-11-28T24:00:00.5Z", "2025-11-28T24:00:00,01", "2025-11-28T24:00:60Z"),
    # Another separator than RFC 3339 shows, and a date of XML with its zone.
    *("2025-11-29X14:30:00Z", "20251129X143000Z", "2025-W48-6X14:30", "2025-11-29\t14:30:00Z"),
    *("2025-11-29\u00a014:30:00Z", "2025-11-29014:30:00", "2025-11-29:14:30:00Z"),
    *("2025-11-29+01:00", "2025-11-29-05:00", "2025-11-29+14:00"),
    *(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
]


@pytest.mark.parametrize(("written", "expected"), READ)
def test_a_time_is_read(written: Any, expected: int) -> None:
    assert EventTimes().unix_ns(written) == expected


@pytest.mark.parametrize("written", UNREAD, ids=lambda written: repr(written)[:20])
def test_what_is_no_time_is_not_read(written: Any) -> None:
    assert EventTimes().unix_ns(written) is None


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [
        ("s", 17, 17 * SECOND),
        ("s", "4000000000", 4_000_000_000 * SECOND),
        ("ms", 5_000_000, 5000 * SECOND),
        ("us", 5_000_000, 5 * SECOND),
        ("ns", 5_000_000, 5_000_000),
        ("ms", 1.5, 1_500_000),
    ],
)
def test_a_setting_says_the_unit(unit: str, number: Any, expected: int) -> None:
    assert EventTimes.of("", unit, "").unix_ns(number) == expected
    assert EventTimes.of("", unit, "").unix_ns("2025-11-29T14:30:00Z") == AT * SECOND


def test_a_time_without_an_offset_is_in_the_zone_of_the_setting() -> None:
    berlin = EventTimes.of("", "", "Europe/Berlin")
    assert berlin.unix_ns("2025-11-29T15:30:00") == AT * SECOND
    assert berlin.unix_ns("2025-07-01T12:00:00") == 1_751_364_000 * SECOND  # summer
    assert berlin.unix_ns("2025-10-26T02:30:00") == 1_761_438_600 * SECOND  # twice: the first
    assert berlin.unix_ns("2025-11-29T14:30:00Z") == AT * SECOND
    assert berlin.unix_ns(AT) == AT * SECOND
    assert berlin.unix_ns(datetime(2025, 11, 29, 15, 30)) == AT * SECOND  # noqa: DTZ001  naive
    summer_begins = berlin.unix_ns("2025-03-31T00:00:00")  # after a day of 23 hours
    assert berlin.unix_ns("2025-03-30T24:00:00") == summer_begins == 1_743_372_000 * SECOND


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (10**11, 10**17),
        (10**14, 10**17),
        (10**17, 10**17),
        ("1e11", 10**17),
        (4_611_686_018, 4_611_686_018 * SECOND),
        (4_611_686_019, None),
        ((1 << 62) - 1, (1 << 62) - 1),
        (1 << 62, None),
        (10**11 - 1, None),
    ],
)
def test_the_unit_changes_at_its_borders(number: Any, expected: int | None) -> None:
    assert EventTimes().unix_ns(number) == expected


def test_a_clock_that_is_set_forward_has_an_hour_that_never_was() -> None:
    berlin = EventTimes.of("", "", "Europe/Berlin")
    assert berlin.unix_ns("2024-03-31T02:30:00") == 1_711_848_600 * SECOND
    assert berlin.unix_ns("2024-03-31T03:30:00") == 1_711_848_600 * SECOND
    later = datetime(2024, 10, 27, 2, 30, fold=1)  # noqa: DTZ001  naive
    assert berlin.unix_ns(later) == 1_729_992_600 * SECOND
    assert berlin.unix_ns("1970-01-01T00:30:00") is None


def test_an_unknown_unit_or_zone_of_a_worker_counts_as_the_default() -> None:
    assert EventTimes.of("when", "fortnights", "Atlantis/Center") == EventTimes("when")


def test_the_first_present_cell_counts_and_the_column_is_removed() -> None:
    side = Side()
    side.add_rows([{"a": 1, "when": None}, {"a": 2, "when": "2025"}])
    assert EventTimes("when").take("header", side) == "2025"
    assert side.columns(set()) == {"a": [1, 2]}
    assert side.rows == 2
    assert EventTimes("when").take("header", side) == "header"
    tensors = Side()
    tensors.add_block(Block(2, {"when": np.array([AT, AT + 1]), "a": np.array([1.0, 2.0])}))
    taken = EventTimes("when").take("", tensors)
    assert taken == AT
    assert EventTimes().unix_ns(taken) == AT * SECOND


def observed(body: object, *, media: str = "application/json", header: str = "") -> Observation:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = b'{"score": 0.5, "when": 3}'
    return Observation(
        arrival_ns=ARRIVAL_NS,
        latency=0.01,
        status=200,
        outcome="ok",
        method="POST",
        path="/predict",
        request_size=len(content),
        response_size=len(answer),
        request_type=media,
        request_encoding="",
        response_type="application/json",
        response_encoding="",
        request_body=content,
        response_body=answer,
        event_time=header,
    )


def profiled(*observations: Observation, times: EventTimes) -> list[Profile]:
    profiling = Profiling("tested", Labels(), MINUTE, event_times=times)
    profiling.observe_packed(pack(list(observations)))
    return profiling.take()


WHEN = EventTimes("when")


@pytest.mark.parametrize(
    ("body", "media"),
    [
        ({"when": AT, "a": 1}, "application/json"),
        ([{"when": AT, "a": 1}, {"when": AT + 600, "a": 1}], "application/json"),
        ({"instances": [{"when": AT, "a": 1}]}, "application/json"),
        ({"dataframe_split": {"columns": ["when", "a"], "data": [[AT, 1]]}}, "application/json"),
        (f"when,a\n{AT},1\n".encode(), "text/csv"),
        (f"a=1&when={AT}".encode(), "application/x-www-form-urlencoded"),
        (f'{{"when": {AT}, "a": 1}}\n'.encode(), "application/x-ndjson"),
        (
            msgspec.msgpack.encode({"when": datetime.fromtimestamp(AT, UTC), "a": 1}),
            "application/msgpack",
        ),
    ],
)
def test_the_event_time_is_read_from_every_kind_of_body(body: object, media: str) -> None:
    (profile,) = profiled(observed(body, media=media), times=WHEN)
    assert profile.window.start_ns == AT * SECOND
    assert profile.coverage.unread_times == 0
    assert {"input.a", "output.score"} <= profile.features.keys()
    assert "input.when" not in profile.features


def test_an_output_of_that_name_stays_a_feature() -> None:
    (profile,) = profiled(observed({"when": AT, "a": 1}), times=WHEN)
    assert "output.when" in profile.features


def test_the_header_counts_if_the_column_is_absent() -> None:
    (profile,) = profiled(observed({"a": 1}, header="2025-11-29T14:30:00Z"), times=WHEN)
    assert profile.window.start_ns == AT * SECOND


def test_unreadable_times_are_counted_and_the_arrival_is_used() -> None:
    (profile,) = profiled(
        *[observed({"when": "soon", "a": at}) for at in range(3)],
        observed({"a": 1}),
        observed({"when": None, "a": 1}),
        times=WHEN,
    )
    assert profile.window.start_ns == ARRIVAL_NS
    assert profile.coverage.unread_times == 3
    assert profile.coverage.seen == profile.coverage.profiled == 5
