"""Checks of contents that users log before they are stored."""

from collections.abc import Iterable

from nilometer.profile.logged.amounts import MAX_WEIGHT, K, Stamp
from nilometer.profile.logged.confusion_matrix import ConfusionMatrix
from nilometer.profile.logged.logged import Logged
from nilometer.profile.logged.table import Table
from nilometer.profile.logged.text import MAX_CHARACTERS, Text
from nilometer.values.window import Window
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import (
    LAST_NS,
    MAX_NAME_CHARACTERS,
    check_characters,
    check_counts,
)

MAX_UNIT_CHARACTERS = 64
MOST_AMOUNT = 1e289  # a sum of 20,000 such amounts is finite


def check_amounts(content: Logged[K]) -> None:
    """Refuse amounts that cannot be merged or shown."""
    amounts = content.amounts
    check_characters("unit", amounts.unit, MAX_UNIT_CHARACTERS)
    _check_samples(content.kind, amounts.count)
    _check_stamp(amounts.stamp)
    for amount in amounts.cells.values():
        if abs(amount.nearest) > MOST_AMOUNT or amount.weight > MAX_WEIGHT:
            raise Refused(f"{content.kind}: a number or a weight is too large")


def check_table(table: Table) -> None:
    """Refuse a table with names or texts that cannot be shown."""
    check_amounts(table)
    texts = {text for (row, _), _ in table.amounts.cells.items() for text in row}
    _check_names("columns", table.columns)
    _check_names("rows", texts)


def check_confusion_matrix(matrix: ConfusionMatrix) -> None:
    """Refuse a confusion matrix with names that cannot be shown, or counts below 0."""
    check_amounts(matrix)
    _check_names("labels", matrix.labels)
    if any(amount.nearest < 0 for amount in matrix.amounts.cells.values()):
        raise Refused("counts: must be at least 0")


def check_text_content(text: Text) -> None:
    """Refuse a text that cannot be shown."""
    check_characters("value", text.value, MAX_CHARACTERS)
    _check_samples(text.kind, text.count)
    _check_stamp(text.stamp)


def check_end(content: Logged[K] | Text, window: Window) -> None:
    """Refuse a content that would replace the samples of later windows."""
    stamp = content.stamp if isinstance(content, Text) else content.amounts.stamp
    if stamp.end_ns > window.end_ns:
        raise Refused("end_unix_nano: must not be after the window")


def _check_names(key: str, names: Iterable[str]) -> None:
    for name in names:
        check_characters(key, name, MAX_NAME_CHARACTERS + 1)


def _check_samples(kind: str, count: int) -> None:
    """Refuse a content without samples, because it would settle a type that it does not have."""
    if not count:
        raise Refused(f"{kind}: has no samples")
    check_counts(kind, (count,))


def _check_stamp(stamp: Stamp) -> None:
    if max(stamp) > LAST_NS:
        raise Refused("created: must be before 2116")
