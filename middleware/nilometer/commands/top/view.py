"""Builds a frame of text from rows and a size. Pure: no clock, no terminal."""

from nilometer.commands.top.detail import inside
from nilometer.commands.top.header import agent_lines, foot_line, title_line
from nilometer.commands.top.pieces import Line, Piece, Style
from nilometer.commands.top.sources import Picture
from nilometer.commands.top.state import State
from nilometer.commands.top.table import table_lines
from nilometer.commands.top.text import cut, width

HELP = (
    "s S > <    order by the next, the previous column",
    "r          reverse the order",
    "/          show only names that contain this; Esc shows all again",
    "up down    select an entity; also j k, PgUp PgDn, Home End",
    "Enter      show or leave the selected entity",
    "w          rates and percentiles over 5, 10, 30, 60 s",
    "p Space    pause the view, and continue",
    "h ?        this help",
    "q Ctrl-C   leave",
    "",
    "REQ/S      requests a second       ERR%   failed on the service's side",
    "COVER      inferences profiled, or sampled out on purpose",
    "DROP/S     observations lost       DRIFT  largest distance, in thresholds",
    "ALERT      the collector's status, else the agents' newest",
    "QUEUE LAG  rows that wait for the collector, age of the oldest",
    "ADDED CPU  time added to a request at p99, CPU time per request",
)


def frame(picture: Picture, state: State, columns: int, lines: int, clock: str) -> list[Line]:
    """Return *lines* lines of at most *columns* columns; *clock* is the time of day, as text."""
    head = [title_line(picture, state, clock), *agent_lines(picture, columns, lines)]
    foot = [foot_line(state)]
    room = max(lines - len(head) - len(foot), 0)
    rows = state.rows(picture.entities)
    if state.helping:
        body: list[Line] = [((one, Style.PLAIN),) for one in HELP]
    elif state.inside and rows:
        body = inside(rows[state.position(rows)], picture)
    else:
        body = table_lines(rows, picture, state, columns, room)
    body = [*body[:room], *[()] * (room - len(body))]
    return [_within(line, columns) for line in (*head, *body, *foot)][: max(lines, 0)]


def page(picture: Picture, columns: int, lines: int) -> int:
    """Return the number of entities that are shown at once."""
    return max(lines - 3 - len(agent_lines(picture, columns, lines)), 1)


def plain(picture: Picture, state: State, columns: int) -> list[str]:
    """Return the view as plain lines of any length, for pipes and simple terminals."""
    rows = state.rows(picture.entities)
    drawn = [
        *agent_lines(picture, columns, 10_000),
        *table_lines(rows, picture, state, columns, len(rows) + 2, marked=False),
    ]
    return ["".join(text for text, _ in line).rstrip() for line in drawn]


def _within(line: Line, columns: int) -> Line:
    """Return *line*, cut at *columns*."""
    found: list[Piece] = []
    left = columns
    for text, style in line:
        if left <= 0:
            break
        short = cut(text, left)
        left -= width(short)
        found.append((short, style))
    return tuple(found)
