"""The table of entities: chooses the columns that fit, and formats the rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nilometer.commands.top.entities import TREND_STEPS, EntityRow
from nilometer.commands.top.pieces import Line, Piece, Style
from nilometer.commands.top.sources import Picture
from nilometer.commands.top.state import Sort, State
from nilometer.commands.top.text import clean, number, padded, seconds, share, trend, width

LOW_COVERAGE = 0.99  # lower coverage is shown in colour
HIGH_ERRORS = 0.01  # a higher share of errors is shown in colour
_STATUS_STYLE = {
    "ALERTING": Style.BAD,
    "BREACH": Style.BAD,
    "NO_DATA": Style.WARNING,
    "OK": Style.GOOD,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table.

    Attributes:
        title: Title of the column.
        columns: Width; the first column gets the remaining width.
        text: Function that returns a row's text.
        style: Function that returns a row's style.
        sort: Sort order of the column; None without one.
        right: Whether it is aligned to the right.
    """

    title: str
    columns: int
    text: Callable[[EntityRow], str]
    style: Callable[[EntityRow], Style] = lambda _: Style.PLAIN
    sort: Sort | None = None
    right: bool = True


def _drop_style(row: EntityRow) -> Style:
    return Style.BAD if row.dropped else Style.PLAIN


def _worst(row: EntityRow) -> str:
    if not row.worst:
        return ""
    worst = row.worst[0]
    return f"{worst.measure} {number(worst.value)} {worst.summary}"


_NAME = Column("ENTITY", 14, lambda row: row.name, sort=Sort.NAME, right=False)
# The columns at a width of 80 characters, in order.
_ALWAYS = (
    Column("REQ/S", 6, lambda row: number(row.requests), sort=Sort.REQUESTS),
    Column(
        "ERR%",
        5,
        lambda row: share(row.error_ratio),
        lambda row: Style.BAD if (row.error_ratio or 0) > HIGH_ERRORS else Style.PLAIN,
        Sort.ERRORS,
    ),
    Column("P50", 5, lambda row: seconds(row.p50), sort=Sort.P50),
    Column("P99", 5, lambda row: seconds(row.p99), sort=Sort.P99),
    Column(
        "COVER",
        6,
        lambda row: share(row.coverage),
        lambda row: Style.WARNING if (row.coverage or 1) < LOW_COVERAGE else Style.PLAIN,
        Sort.COVERAGE,
    ),
    Column("DROP/S", 7, lambda row: number(row.dropped), _drop_style, Sort.DROPS),
    Column(
        "ALERT",
        8,
        lambda row: row.status or "-",
        lambda row: _STATUS_STYLE.get(row.status, Style.PLAIN),
        Sort.ALERT,
    ),
    Column(
        "DRIFT",
        6,
        lambda row: number(row.drift),
        lambda row: Style.BAD if (row.drift or 0) > 1 else Style.PLAIN,
        Sort.DRIFT,
    ),
)
# Further columns if there is room, most useful first.
_MORE = (
    Column("TOTAL", 6, lambda row: number(row.total)),
    Column("ADDED", 6, lambda row: seconds(row.added_p99)),
    Column("CPU", 6, lambda row: seconds(row.cpu_per_request)),
    Column("UNDEC/S", 7, lambda row: number(row.undecodable)),
    Column("HELD", 5, lambda row: share(row.share)),
    Column("WORST", 28, lambda row: clean(_worst(row)), right=False),
)
_LEAST = (Sort.REQUESTS, Sort.P99, Sort.ALERT)  # columns kept below a width of 80 characters
_NAME_WIDE = 24  # smallest width of the name column for which a column is added


def layout(columns: int, *, trends: bool = True) -> list[Column]:
    """Return the columns that fit: the name takes the remaining width, a trend comes last."""
    chosen = list(_ALWAYS)
    if columns < _needed(chosen) + _NAME.columns:
        chosen = [one for one in _ALWAYS if one.sort in _LEAST]
    for one in _MORE:
        if _needed([*chosen, one]) + _NAME_WIDE > columns:
            break
        chosen.append(one)
    left = columns - _needed(chosen) - _NAME_WIDE
    if trends and left > 12:
        wide = min(left - 1, TREND_STEPS)
        chosen.append(
            Column("TREND", wide, lambda row: trend(list(row.trend), wide), lambda _: Style.DIM)
        )
    left = columns - _needed(chosen)
    return [Column("ENTITY", max(left, 1), _NAME.text, sort=Sort.NAME, right=False), *chosen]


def _needed(columns: Iterable[Column]) -> int:
    return sum(one.columns + 1 for one in columns)


def table_lines(
    rows: Sequence[EntityRow],
    picture: Picture,
    state: State,
    columns: int,
    room: int,
    *,
    marked: bool = True,
) -> list[Line]:
    """Return the header and the rows that fit into *room* lines, with the selected row."""
    chosen = layout(columns, trends=marked)
    if not marked:  # names are not cut if lines may have any length
        longest = max((width(clean(row.name)) for row in rows), default=0)
        first = chosen[0]
        wide = max(longest, first.columns) if longest > first.columns else max(longest, 6)
        chosen[0] = Column(first.title, wide, first.text, sort=first.sort, right=False)
    arrow = ("▲" if state.reverse else "▼") if marked else ""
    titles = [
        padded(
            (one.title + arrow)[-one.columns :] if one.sort is state.sort else one.title,
            one.columns,
            right=one.right,
        )
        for one in chosen
    ]
    head = " ".join(titles)
    table: list[Line] = [((padded(head, columns) if marked else head, Style.HEAD),)]
    if not rows:
        return [*table, ((_nothing(picture, state), Style.DIM),)]
    at = state.position(rows)
    shown = max(room - 1, 1)
    # The selected row is always visible, with as little scrolling as possible.
    state.top = max(min(state.top, at, max(len(rows) - shown, 0)), at - shown + 1, 0)
    for position, row in enumerate(rows[state.top : state.top + shown], state.top):
        table.append(_row(row, chosen, selected=marked and position == at and bool(state.selected)))
    return table


def _row(row: EntityRow, chosen: Sequence[Column], *, selected: bool) -> Line:
    pieces: list[Piece] = []
    for one in chosen:
        style = one.style(row)
        if not row.fresh:
            style = Style.DIM
        if selected:
            style = Style.SELECTED
        text = padded(clean(one.text(row)), one.columns, right=one.right)
        if pieces:
            pieces.append((" ", Style.SELECTED if selected else Style.PLAIN))
        pieces.append((text, style))
    return tuple(pieces)


def _nothing(picture: Picture, state: State) -> str:
    if picture.entities:
        return f"no entity's name contains {clean(state.wanted)!r}; Esc shows all"
    if picture.answered:
        return "no entity yet: nothing was observed since the agents started"
    return "no agent has answered yet"
