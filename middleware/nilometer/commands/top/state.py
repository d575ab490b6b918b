"""The state of the view: filter, order, selection. Keys change it. Pure functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from nilometer.commands.top.entities import EntityRow

SPANS = (5.0, 10.0, 30.0, 60.0)  # time spans of rates, in seconds
LONGEST_FILTER = 128  # characters, as in a name


class Sort(Enum):
    """A column by which rows can be sorted."""

    NAME = "name"
    REQUESTS = "requests"
    ERRORS = "errors"
    P50 = "p50"
    P99 = "p99"
    COVERAGE = "coverage"
    DROPS = "drops"
    ALERT = "alert"
    DRIFT = "drift"


# Sort keys, worst row first: most requests, highest latency, lowest coverage.
_GRAVITY = {"ALERTING": 5, "BREACH": 4, "NO_DATA": 3, "LEARNING": 2, "PAUSED": 1, "OK": 0}
_KEYS: dict[Sort, Callable[[EntityRow], float | None]] = {
    Sort.REQUESTS: lambda row: row.requests,
    Sort.ERRORS: lambda row: row.error_ratio,
    Sort.P50: lambda row: row.p50,
    Sort.P99: lambda row: row.p99,
    Sort.COVERAGE: lambda row: None if row.coverage is None else -row.coverage,
    Sort.DROPS: lambda row: row.dropped,
    Sort.ALERT: lambda row: _GRAVITY.get(row.status),
    Sort.DRIFT: lambda row: row.drift,
}


def ordered(rows: Sequence[EntityRow], sort: Sort, *, reverse: bool) -> list[EntityRow]:
    """Return *rows* ordered by *sort*, worst first; ties by name, unknown values last."""
    named = sorted(rows, key=lambda row: row.name, reverse=sort is Sort.NAME and reverse)
    if sort is Sort.NAME:
        return named
    key = _KEYS[sort]
    known = [(value, row) for row in named if (value := key(row)) is not None]
    known.sort(key=lambda pair: pair[0] if reverse else -pair[0])
    return [row for _, row in known] + [row for row in named if key(row) is None]


@dataclass(slots=True)
class State:
    """The state of the view.

    Attributes:
        sort: Column that orders the rows.
        reverse: Whether the best row comes first.
        wanted: Filter text; only entities whose names contain it are shown.
        typing: Whether typed keys are added to *wanted*.
        paused: Whether the view is frozen.
        helping: Whether the help is shown.
        inside: Whether the selected entity is shown alone.
        selected: Name of the selected entity; empty selects the first.
        span: Time span of rates, in seconds.
        over: Whether to quit.
    """

    sort: Sort = Sort.REQUESTS
    reverse: bool = False
    wanted: str = ""
    typing: bool = False
    paused: bool = False
    helping: bool = False
    inside: bool = False
    selected: str = ""
    span: float = 10.0
    over: bool = False
    top: int = field(default=0)  # index of the first row that is shown

    def rows(self, rows: Sequence[EntityRow]) -> list[EntityRow]:
        """Return the rows that match the filter, in order."""
        wanted = self.wanted.casefold()
        return ordered(
            [row for row in rows if wanted in row.name.casefold()], self.sort, reverse=self.reverse
        )

    def position(self, rows: Sequence[EntityRow]) -> int:
        """Return the position of the selected row in *rows*; 0 if the row no longer exists."""
        return next((at for at, row in enumerate(rows) if row.name == self.selected), 0)

    def press(self, key: str, rows: Sequence[EntityRow], page: int) -> None:
        """Handle *key*; *rows* are the ordered rows, *page* is the number of visible rows."""
        if self.typing:
            self._type(key)
        elif self.helping and key in {"esc", "q", "enter"}:
            self.helping = False
        elif key == "enter" and rows:
            self.inside = not self.inside
            self.selected = rows[self.position(rows)].name
        elif key in _ACTIONS:
            _ACTIONS[key](self)
        else:
            self._move(key, rows, page)

    def _help(self) -> None:
        self.helping = not self.helping

    def _leave(self) -> None:
        self.over = True

    def _back(self) -> None:
        if self.inside:
            self.inside = False
        else:
            self.wanted = ""

    def _filter(self) -> None:
        self.typing, self.inside = True, False

    def _pause(self) -> None:
        self.paused = not self.paused

    def _next(self) -> None:
        self._turn(1)

    def _previous(self) -> None:
        self._turn(-1)

    def _reverse(self) -> None:
        self.reverse = not self.reverse

    def _longer(self) -> None:
        self.span = next((span for span in SPANS if span > self.span), SPANS[0])

    def _type(self, key: str) -> None:
        if key == "enter":
            self.typing = False
        elif key == "esc":
            self.typing, self.wanted = False, ""
        elif key == "backspace":
            self.wanted = self.wanted[:-1]
        elif key == "clear":
            self.wanted = ""
        elif len(key) == 1 and key.isprintable():
            self.wanted = (self.wanted + key)[:LONGEST_FILTER]

    def _turn(self, step: int) -> None:
        columns = list(Sort)
        self.sort = columns[(columns.index(self.sort) + step) % len(columns)]
        self.reverse = False

    def _move(self, key: str, rows: Sequence[EntityRow], page: int) -> None:
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page_up": -page, "page_down": page}
        far = len(rows)
        steps |= {"home": -far, "g": -far, "end": far, "G": far}
        if key in steps and rows:
            at = min(max(self.position(rows) + steps[key], 0), far - 1)
            self.selected = rows[at].name


_ACTIONS: dict[str, Callable[[State], None]] = {
    **dict.fromkeys(("?", "h", "f1"), State._help),  # noqa: SLF001  the class's own keys
    "q": State._leave,  # noqa: SLF001
    "esc": State._back,  # noqa: SLF001
    "/": State._filter,  # noqa: SLF001
    **dict.fromkeys(("p", " "), State._pause),  # noqa: SLF001
    **dict.fromkeys(("s", ">", "right"), State._next),  # noqa: SLF001
    **dict.fromkeys(("S", "<", "left"), State._previous),  # noqa: SLF001
    "r": State._reverse,  # noqa: SLF001
    "w": State._longer,  # noqa: SLF001
}
