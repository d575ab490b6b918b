"""Reads CSV and its dialects: finds the delimiter, the rows, and whether there is a header.

Columns are separated by commas, tabs, semicolons or bars. MLflow and pandas write a header.
SageMaker and XGBoost do not.

Sources: RFC 4180, with the parameter ``header``; pandas, "IO tools", for the texts of missing
cells.
"""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from nilometer.bodies import carriers
from nilometer.bodies.lines import text_lines
from nilometer.bodies.media import media_type
from nilometer.values.value_like import is_place, looks_like_value

COMMA = ","
LOOKED_AT = 32  # rows examined to detect a delimiter and a header

_DELIMITERS = ("\t", ";", "|")  # tried before the comma
_TOLD = re.compile(r'"?sep=([,;|\t])"?\s*')  # Excel's first line
_HEADER = re.compile(r";\s*header\s*=\s*\"?(present|absent)\b", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
MISSING = frozenset(
    {"", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None", "#N/A"}
)  # texts of missing cells, the same as in pandas
_CELLS = frozenset({"inf", "-inf", "true", "false", *(text.casefold() for text in MISSING if text)})


class Table(NamedTuple):
    """The rows of a table; their lengths may differ.

    Attributes:
        delimiter: Character between two cells.
        rows: Cells as text, with the header if there is one; never empty rows.
    """

    delimiter: str
    rows: list[list[str]]


def table_of(text: str, content_type: str) -> Table:
    """Return the table in *text*.

    Raises:
        ValueError: If the quotes in it are wrong.
    """
    lines = text_lines(text)
    delimiter = _delimiter(lines, content_type)
    try:
        return Table(delimiter, _read(lines[1:] if _told(lines) else lines, delimiter))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def with_delimiter(text: str, content_type: str, delimiter: str) -> str:
    """Return the table in *text*, with a first line for *delimiter* if another would be found."""
    if _delimiter(text_lines(text), content_type) == delimiter:
        return text
    return f"sep={delimiter}\n{text}"


def is_decimal(cell: str) -> bool:
    """Return whether *cell* is a number with a decimal comma."""
    return _DECIMAL_COMMA.fullmatch(cell) is not None


def begins_with_header(
    rows: Sequence[Sequence[str]], content_type: str, is_name: Callable[[str], bool]
) -> bool:
    """Return whether the first of *rows* is a header: as *content_type* declares, or by a guess."""
    told = told_header(content_type)
    return has_header(rows[:LOOKED_AT], is_name) if told is None else told


def told_header(content_type: str) -> bool | None:
    """Return whether *content_type* declares a header; None if it does not say."""
    told = _HEADER.search(content_type)
    return None if told is None else told.group(1).lower() == "present"


def has_header(table: Sequence[Sequence[str]], is_name: Callable[[str], bool]) -> bool:
    """Guess whether the first row of *table* is a header with column names.

    A single row does not count as a header, because nothing distinguishes its values from names. A
    first row is a header if its cells are consecutive integers, or if some column has a word at the
    top and only values below. In a table of words, the first row is a header if it contains a known
    name.

    Args:
        table: Rows of text, at least one; the first few rows of a long table are enough.
        is_name: Function that returns whether a text is the known name of a column.
    """
    first, below = table[0], table[1:]
    if not below:
        return False
    values = [_is_value(cell) for cell in first]
    if not any(values) and any(map(is_name, first)):
        return True
    counted = [cell for cell in first if cell]
    if len(counted) >= len(first) - 1 and all(map(is_place, counted)) and _is_count(counted):
        return True
    return any(
        bool(cell) and not is_value and _has_only_values([row[at] for row in below])
        for at, (cell, is_value) in enumerate(zip(first, values, strict=True))
    )


def _has_only_values(cells: Sequence[str]) -> bool:
    """Return whether all *cells* are values or empty, with at least one value."""
    present = [cell for cell in cells if cell]
    return bool(present) and all(map(_is_value, present))


def _is_value(cell: str) -> bool:
    return looks_like_value(cell) or cell.casefold() in _CELLS


def _is_count(cells: Sequence[str]) -> bool:
    """Return whether *cells* are consecutive integers that start at 0 or 1."""
    numbers = [int(cell) for cell in cells]
    return numbers[0] <= 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _read(lines: Iterable[str], delimiter: str) -> list[list[str]]:
    # Many people write a space after the comma; RFC 4180 would make it a part of the cell.
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    return [row for row in reader if row]


def _told(lines: Sequence[str]) -> str:
    """Return the delimiter that the first of *lines* declares; empty if it declares none."""
    told = _TOLD.fullmatch(lines[0]) if lines else None
    return told.group(1) if told else ""


def _delimiter(lines: Sequence[str], content_type: str) -> str:
    if told := _told(lines):
        return told
    return "\t" if media_type(content_type) in carriers.TABS else _fitting_delimiter(lines)


def _fitting_delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that splits each of the first *lines* into equally many cells.

    If the comma fits as well, another delimiter is used only if the commas are decimal marks.
    """
    first = lines[:LOOKED_AT]
    text = "".join(first)
    candidates = [one for one in _DELIMITERS if one in text]
    if not candidates:
        return COMMA
    commas = _even_rows(first, COMMA)
    for one in candidates:
        rows = _even_rows(first, one)
        with_comma = [cell for cell in chain.from_iterable(rows) if COMMA in cell]
        if rows and (not commas or all(map(is_decimal, with_comma))):
            return one
    return COMMA


def _even_rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Return the rows of *lines*; empty if their lengths differ or they have one cell each."""
    try:
        rows = _read(lines, delimiter)
    except csv.Error:
        return []
    widths = {len(row) for row in rows}
    return rows if len(widths) == 1 and widths != {1} else []
