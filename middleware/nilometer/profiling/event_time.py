"""Reads the event time of a request: the time at which its data was created."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Self

import numpy as np

from nilometer.decode import Side
from nilometer.profile.feature import Cell
from nilometer.profiling.observation import Observation
from nilometer.values.time_zone import zone_named

AUTO = "auto"
# Nanoseconds per unit.
UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# Numbers below the first bound are not read: they may be counts, hours, or times before 1973.
_SMALLEST = 10**8
# Numbers below each bound have this unit; they are times up to the year 5138.
_MAGNITUDES = ((10**11, UNITS["s"]), (10**14, UNITS["ms"]), (10**17, UNITS["us"]))
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,2})?")
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt_ ]([01][0-9]:[0-9]{2}|2[0-3]:[0-9]{2}):([0-9]{2})"
    r"(?:[.,]([0-9]+))? ?"
    r"([Zz]|UTC|GMT|[-+\u2212][0-9]{2}:?[0-9]{2})?"
)
# A time with the name of a zone, as Java writes it, and with facts that do not change the moment,
# such as its calendar (RFC 9557). An exclamation mark says that a reader must know the fact. None
# is known here, so such a time is not read.
_ANNOTATED = re.compile(
    r"([^\[]*[Zz0-9])(?:\[!?([A-Za-z_.][\w./+-]*)\])?(?:\[[a-z_][a-z0-9_-]*=[A-Za-z0-9-]+\])*"
)
# The end of a day (ISO 8601).
_MIDNIGHT = re.compile(r"(?<=[Tt_ ])24(?=(?::?00){1,2}(?!:?[0-9]|[.,]0*[1-9]))")
# Fractions of an hour and of a minute, which Python reads as fractions of a second.
_NO_SECONDS = re.compile(r".*[Tt_ ][0-9]{2}(?::?[0-9]{2})?[.,].*")
# A date of ISO 8601, alone or before a time. Python takes any character between them, so it would
# read the zone of a date of XML (2025-11-29+01:00) as a time.
_DATED = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-?W[0-9]{2}(?:-?[0-9])?)(?:[Tt_ ].*)?"
)
# What Python reads, but no standard allows: other characters, and a point without digits after it.
_MALFORMED = re.compile(r"[^0-9A-Za-z:.,+_ -]|[.,](?![0-9])")
_DAY = timedelta(days=1)
_ZERO_OFFSETS = frozenset({"Z", "z", "UTC", "GMT"})
_MAX_CHARACTERS = 64  # longer text is not a time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class EventTimes:
    """Where the event time of a request is, and its format.

    Attributes:
        field: Input column that holds the event time; empty for none.
        unit: Unit of times that are numbers: ``s``, ``ms``, ``us`` or ``ns`` since 1970, or
            ``auto``, which derives it from the magnitude of each number.
        zone: Time zone of times without an offset.
    """

    field: str = ""
    unit: str = AUTO
    zone: tzinfo = UTC

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, field: str, unit: str, zone: str) -> Self:
        """Return the event times for these settings; defaults replace an unknown unit or zone.

        Args:
            field: Input column that holds the event time; empty for none.
            unit: Unit of numbers; empty for ``auto``.
            zone: IANA name of the time zone; empty for UTC.
        """
        try:
            known = zone_named(zone)
        except ValueError:  # the worker may have other zone data than this machine
            known = UTC
        return cls(field, unit if unit in UNITS else AUTO, known)

    def take(self, header: str, inputs: Side) -> Cell:
        """Return the unparsed event time of a request, and remove its column.

        Args:
            header: Value of the event time header; empty if absent.
            inputs: Columns of the request; the column `field` is removed.

        Returns:
            First cell of the column `field`; *header* if there is no such column.
        """
        if self.field:
            for cells in inputs.take(self.field):
                for cell in cells.tolist() if isinstance(cells, np.ndarray) else cells:
                    if cell is not None:
                        return cell
        return header

    def when(self, observation: Observation, inputs: Side) -> tuple[int, bool]:
        """Return the event time in Unix nanoseconds, and whether the time could be read.

        Without a readable event time, the result is the arrival time.

        Args:
            observation: Request.
            inputs: Columns of the request; the column `field` is removed.
        """
        if not observation.event_time and not self.field:
            return observation.arrival_ns, True
        value = self.take(observation.event_time, inputs)
        if value is None or value == "":
            return observation.arrival_ns, True
        event_ns = self.unix_ns(value)
        return (observation.arrival_ns, False) if event_ns is None else (event_ns, True)

    def unix_ns(self, value: Cell) -> int | None:
        """Return Unix nanoseconds, from 1970 to 2116; None if *value* is not a time.

        Args:
            value: A number since 1970, or a number as text, or a time of RFC 3339 or ISO 8601, or
                a datetime, or a date, which is its midnight.
        """
        try:
            if isinstance(value, str):
                return _in_range(self._of_text(value.strip()))
            if isinstance(value, datetime):  # of Arrow, Parquet and MessagePack
                return _in_range(self._since_1970(value))
            if isinstance(value, date):
                return _in_range(self._since_1970(datetime.combine(value, time())))
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            return _in_range(self._of_number(Decimal(value)))
        except (ArithmeticError, ValueError):  # infinite, NaN, or an impossible date
            return None

    def _of_text(self, text: str) -> int:
        """Return the time in *text*.

        Raises:
            ValueError: If *text* is not a time.
        """
        if len(text) > _MAX_CHARACTERS:
            raise ValueError("too long for a time")
        if _NUMBER.fullmatch(text):
            return self._of_number(Decimal(text))
        zone = ""
        if annotated := _ANNOTATED.fullmatch(text):
            text, zone = annotated[1], annotated[2] or ""
        text, midnights = _MIDNIGHT.subn("00", text)
        days = midnights * _DAY  # added to the time on the clock, as a day may have 23 hours
        found = _RFC_3339.fullmatch(text)
        if found is None:
            if not _DATED.fullmatch(text) or _MALFORMED.search(text) or _NO_SECONDS.fullmatch(text):
                raise ValueError("not of ISO 8601, or a fraction of an hour or of a minute")
            return self._since_1970(datetime.fromisoformat(text) + days, zone)
        day, minute, second, fraction, offset = found.groups()
        # A leap second is the same moment as the next second.
        seconds = int(second)
        if seconds > 60:
            raise ValueError("no such second")
        text_offset = "+00:00" if offset in _ZERO_OFFSETS else (offset or "").replace("\u2212", "-")
        moment = datetime.fromisoformat(f"{day}T{minute}:00{text_offset}")
        nanoseconds = int((fraction or "0")[:9].ljust(9, "0"))
        return self._since_1970(moment + days, zone) + seconds * UNITS["s"] + nanoseconds

    def _since_1970(self, moment: datetime, zone: str = "") -> int:
        """Return Unix nanoseconds of *moment*; without an offset, it is a time in *zone*.

        Args:
            moment: A moment, or a time on the clock.
            zone: IANA name of a time zone; empty for `self.zone`.

        Raises:
            ValueError: If the zone is needed, but not known.
        """
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone_named(zone) if zone else self.zone)
        return (moment - _EPOCH) // _MICROSECOND * UNITS["us"]

    def _of_number(self, number: Decimal) -> int:
        if self.unit != AUTO:
            return int(number * UNITS[self.unit])
        if abs(number) < _SMALLEST:
            raise ValueError("too small for a time since 1970")
        for bound, nanoseconds in _MAGNITUDES:
            if abs(number) < bound:
                return int(number * nanoseconds)
        return int(number)


RFC_3339 = EventTimes()


def _in_range(event_ns: int) -> int | None:
    """Return *event_ns* if it and the end of its window fit into 63 bits; otherwise None."""
    return event_ns if 0 <= event_ns < 1 << 62 else None
