"""Reads rows of ground truth as users send them. A row that cannot be used has an outcome."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import TypeAlias

import msgspec

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.truths import Outcome, Truth, value_text
from nilometer_collector.limits.bounds import LAST_NS, has_control

MAX_ID_CHARACTERS = 256  # longest prediction id, and longest subject
MAX_ROW = (1 << 31) - 1
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

Moment: TypeAlias = str | float | None  # Unix seconds, or an ISO 8601 time


class TruthRow(msgspec.Struct, frozen=True, gc=False):
    """The ground truth of one prediction, named by its id, or by its subject and a time."""

    value: str | float | bool | list[float] | None = (
        None  # true class, true number, or relevance of each shown item
    )
    id: str | int | None = None  # prediction id
    row: int = 0  # index of the row in its request
    subject: str | int | None = None  # value of the entity's subject field
    time: Moment = None  # time for which it holds; a time without a zone is in the entity's zone
    known: Moment = None  # time at which it became known


def read_rows(
    rows: Iterable[TruthRow], definition: PerformanceDefinition, zone: tzinfo, latest_ns: int
) -> tuple[list[Truth], Counter[Outcome]]:
    """Return the usable rows, and the number of the others by outcome.

    Args:
        rows: Rows as they were sent.
        definition: What is judged.
        zone: Time zone of times without a zone.
        latest_ns: Latest time at which a row may have become known, Unix nanoseconds.
    """
    truths: list[Truth] = []
    refused: Counter[Outcome] = Counter()
    for row in rows:
        found = _read(row, definition, zone)
        if isinstance(found, Truth) and found.known_ns > latest_ns:
            found = Outcome.FROM_FUTURE
        if isinstance(found, Outcome):
            refused[found] += 1
        else:
            truths.append(found)
    return truths, refused


def _read(row: TruthRow, definition: PerformanceDefinition, zone: tzinfo) -> Truth | Outcome:
    value = value_text(definition, row.value)
    if isinstance(value, Outcome):
        return value
    known_ns = 0
    if row.known is not None and row.known != "":
        known = moment_ns(row.known, zone)
        if known is None:
            return Outcome.MALFORMED
        known_ns = known
    if row.id is not None and row.id != "":
        name = row.id if isinstance(row.id, str) else str(row.id)
        if not _is_name(name) or not 0 <= row.row <= MAX_ROW:
            return Outcome.MALFORMED
        return Truth(name, row.row, "", 0, value, known_ns)
    subject = "" if row.subject is None else str(row.subject)
    time_ns = None if row.time is None else moment_ns(row.time, zone)
    if not subject or not _is_name(subject) or time_ns is None:
        return Outcome.MALFORMED
    return Truth("", 0, subject, time_ns, value, known_ns)


def moment_ns(moment: str | float, zone: tzinfo) -> int | None:
    """Return a moment as Unix nanoseconds; None if it is not one from 1970 to 2116.

    Args:
        moment: Unix seconds, or an ISO 8601 time.
        zone: Time zone of a time without a zone. Of a local time that occurs twice, the first is meant.
    """
    if isinstance(moment, str):
        text = moment.strip()
        if _NUMBER.fullmatch(text):
            seconds = float(text)
        else:
            try:
                at = datetime.fromisoformat(text)
                seconds = (at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp()
            except (ValueError, OverflowError):
                return None
    else:
        seconds = float(moment)
    if not 0 <= seconds <= LAST_NS / NANOSECONDS:
        return None
    return round(seconds * NANOSECONDS)


def _is_name(text: str) -> bool:
    return len(text) <= MAX_ID_CHARACTERS and not has_control(text)
