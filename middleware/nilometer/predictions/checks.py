"""Bounds of logged predictions. The agent applies them before it stores a row, the collector again."""

import unicodedata
from collections.abc import Iterable, Mapping

from nilometer.predictions.batch import MAX_ROWS, PredictionBatch
from nilometer.predictions.record import PredictionRecord, Scalar

MAX_BATCH_ROWS = MAX_ROWS
MAX_ID_CHARACTERS = 256  # longest prediction id, and longest subject
MAX_COLUMNS = 256  # most output columns, and most input columns, of a row
MAX_COLUMN_CHARACTERS = 256  # longest name of a column
MAX_TEXT_CHARACTERS = 1024  # longest text in a column
MAX_ROW = (1 << 31) - 1  # largest index of a row
MAX_TIME_NS = 1 << 62  # year 2116
INTEGERS = range(-(1 << 63), 1 << 64)  # of MessagePack


def fault_in(record: PredictionRecord) -> str:
    """Return why *record* cannot be logged, without its values; empty if it can."""
    if not record.prediction_id and not record.subject:
        return "has no prediction id and no subject"
    for what, text in (("prediction id", record.prediction_id), ("subject", record.subject)):
        if len(text) > MAX_ID_CHARACTERS:
            return f"{what} is over {MAX_ID_CHARACTERS} characters"
        if not is_plain(text):
            return f"{what} has control characters"
    if not 0 <= record.row <= MAX_ROW:
        return f"row must be 0 to {MAX_ROW}"
    if not 0 <= record.time_ns <= MAX_TIME_NS:
        return "time must be 1970 to 2116"
    return (
        fault_in_names(record.outputs)
        or fault_in_names(record.inputs)
        or _fault_in_values(record.outputs.values())
        or _fault_in_values(record.inputs.values())
    )


def faults_in(batch: PredictionBatch) -> dict[int, str]:
    """Return why rows of *batch* cannot be logged, by position.

    Raises:
        ConfigError: If a label set is not allowed.
    """
    found = ((at, fault_in(record)) for at, record in enumerate(batch.records()))
    return {at: why for at, why in found if why}


def fault_in_names(columns: Mapping[str, object]) -> str:
    """Return why the names of *columns* are not allowed; empty if they are."""
    if len(columns) > MAX_COLUMNS:
        return f"has over {MAX_COLUMNS} columns"
    if any(len(name) > MAX_COLUMN_CHARACTERS or not is_plain(name) for name in columns):
        return (
            f"a column's name is over {MAX_COLUMN_CHARACTERS} characters or has control characters"
        )
    return ""


def is_plain(text: str) -> bool:
    """Return whether *text* has neither a control character nor a lone surrogate."""
    if text.isprintable():
        return True
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def _fault_in_values(values: Iterable[Scalar]) -> str:
    for value in values:
        if isinstance(value, str):
            if len(value) > MAX_TEXT_CHARACTERS:
                return f"a text is over {MAX_TEXT_CHARACTERS} characters"
            if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
                return "a text has a lone surrogate"
        elif isinstance(value, int) and value not in INTEGERS:
            return "an integer is over 64 bits"
    return ""
