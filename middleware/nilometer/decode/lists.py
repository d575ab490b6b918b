"""Turns lists in the cells of rows into columns.

A short list of numbers whose length never changes is a fixed vector: ``{"features": [5.1, 3.5]}``
has the columns ``features.0`` and ``features.1``. So is a list of numbers and texts, which is a row
without names, and any list of plain values under ``data``, as Gradio writes it. A list of objects becomes one list for each
field, such as ``boxes.score``. If the objects have too few fields in common, it stays one list,
because absent fields would need more memory than the body. Labels with scores are reduced to the
best label.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from nilometer.bodies.column_names import MAX_COLUMNS, value_like_keys
from nilometer.bodies.scored import best_of
from nilometer.decode.columns import Row
from nilometer.profile.feature import Cell

MAX_SHORT = 32  # most cells of a fixed vector; a longer list is one vector column
SETTLED = 256  # bodies of one length after which a changed vector is fixed again
ODD_SHARE = 4  # a vector stops being fixed if one of this many bodies has another length
MAX_LISTS = 256  # lists whose lengths are kept, the most recent ones
MAX_ABSENT = 4  # most absent cells per present cell when a list of objects becomes columns

_NUMBERS = frozenset({int, float, type(None)})
_PLAIN = _NUMBERS | {str, bool}
_ROW = "data"  # key of Gradio's inputs and outputs, one per component


def keeps_none(name: str) -> bool:
    """Return False, so that every fixed vector becomes columns."""
    del name
    return False


class Lists:
    """Tracks which lists on one side of an entity have a fixed length. Not thread-safe.

    Args:
        keeps: Function that returns whether a list must stay one column, because a reference or a
            setting names it.
    """

    __slots__ = ("_keeps", "_lengths")

    def __init__(self, keeps: Callable[[str], bool] = keeps_none) -> None:
        self._keeps = keeps
        self._lengths: dict[str, _Length] = {}  # by name, most recent last

    def spread(self, rows: Sequence[Row]) -> list[Row]:
        """Return the *rows* of one body with columns instead of lists."""
        changed = [
            _by_field(best_of(row) or row) if list in map(type, row.values()) else row
            for row in rows
        ]
        lengths: dict[str, set[int]] = {}
        for row in changed:
            for name, cell in row.items():
                if isinstance(cell, list) and _is_vector(name, cell):
                    lengths.setdefault(name, set()).add(len(cell))
        fixed = {name for name, found in lengths.items() if self._is_fixed(name, found)}
        return [_spread(row, fixed) for row in changed] if fixed else changed

    def _is_fixed(self, name: str, lengths: set[int]) -> bool:
        """Count a body with lists of these *lengths*; return whether the list is a fixed vector."""
        held = self._lengths.pop(name, None) or _Length(max(lengths))
        self._lengths[name] = held
        if len(self._lengths) > MAX_LISTS:
            del self._lengths[next(iter(self._lengths))]
        fits = held.meet(lengths)
        return fits and 0 < held.length <= MAX_SHORT and not self._keeps(name)


def _is_vector(name: str, cells: Sequence[Cell]) -> bool:
    """Return whether a list has one value for each of several features, by its kinds of cells."""
    kinds = set(map(type, cells))
    if kinds <= _NUMBERS:
        return True
    return kinds <= _PLAIN and (name == _ROW or len(kinds - {type(None)}) > 1)


class _Length:
    """The length of one list, and how many bodies agree on it.

    Attributes:
        length: Length that most bodies had.
    """

    __slots__ = ("_left", "_odd", "_same", "length")

    def __init__(self, length: int) -> None:
        self.length = length
        self._same = self._odd = 0
        self._left = 0  # bodies left until the list is a fixed vector again

    def meet(self, lengths: AbstractSet[int]) -> bool:
        """Count a body with lists of these *lengths*; return whether they fit the fixed vector."""
        if lengths == {self.length}:
            self._same += 1
            self._left = max(self._left - 1, 0)
            return not self._left
        self._odd += 1
        if self._odd * ODD_SHARE > self._same:
            self.length, self._same, self._odd, self._left = max(lengths), 0, 0, SETTLED
        return False


def _by_field(row: Row) -> Row:
    """Return *row* with each list of objects replaced by lists of their fields."""
    changed: dict[str, Cell] = {}
    for name, cell in row.items():
        fields = None
        if isinstance(cell, list) and cell and set(map(type, cell)) == {dict}:
            fields = _fields_of(cell)
        if fields is None:
            changed[name] = cell
            continue
        columns = {f"{name}.{key}": one for key, one in fields.items()}
        if value_like_keys(fields) or columns.keys() & (row.keys() | changed.keys()):
            changed[name] = cell
        else:
            changed |= columns
    return changed if len(changed) <= MAX_COLUMNS else row


def _fields_of(items: Sequence[Cell]) -> Row | None:
    """Return the fields of a list of objects: the best label, or one list per field.

    Returns:
        The fields; None if there are too many, or if the objects have too few in common.
    """
    best = best_of(items)
    if best is not None:
        return best
    objects = [item for item in items if isinstance(item, dict)]
    keys = dict.fromkeys(key for item in objects for key in item)
    if len(keys) > MAX_COLUMNS or len(keys) * len(objects) > MAX_ABSENT * sum(map(len, objects)):
        return None
    return {key: [item.get(key) for item in objects] for key in keys}


def _spread(row: Row, fixed: set[str]) -> Row:
    """Return *row* with each of the *fixed* vectors replaced by columns named by position."""
    changed: dict[str, Cell] = {}
    width = 0
    for name, cell in row.items():
        if name not in fixed or not isinstance(cell, list):
            changed[name] = cell
            width += 1
            continue
        width += len(cell)
        if len(cell) == 1:
            changed[name] = cell[0]
        else:
            changed |= {f"{name}.{at}": number for at, number in enumerate(cell)}
    return changed if len(changed) == width <= MAX_COLUMNS else row
