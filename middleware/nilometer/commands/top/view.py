"""Rows and a size to a frame of text. Pure: no clock, no terminal.

A frame is one line for each line of the screen, a line is pieces with a style. Colour is never the
only sign of anything: what is red is also a word.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from nilometer.commands.top.rates import TREND_STEPS, AgentRow, EntityRow
from nilometer.commands.top.sources import Picture
from nilometer.commands.top.state import Sort, State
from nilometer.commands.top.text import (
    age,
    clean,
    cut,
    number,
    padded,
    seconds,
    share,
    size,
    trend,
    width,
)


class Style(Enum):
    """How a piece looks; eight colours only, so that it is readable on light and on dark."""

    PLAIN = "plain"
    BOLD = "bold"
    DIM = "dim"
    BAD = "bad"
    WARNING = "warning"
    GOOD = "good"
    HEAD = "head"
    SELECTED = "selected"


Piece: TypeAlias = tuple[str, Style]
Line: TypeAlias = tuple[Piece, ...]

LOW_COVERAGE = 0.99  # below it, coverage is coloured
HIGH_ERRORS = 0.01  # above it, errors are
SLOW_LAG = 300.0  # seconds: five windows
FULL = 0.9  # of the buffer: above it the oldest rows go
_READY = {"ready", "unset"}
_STATUS_STYLE = {
    "ALERTING": Style.BAD,
    "BREACH": Style.BAD,
    "NO_DATA": Style.WARNING,
    "OK": Style.GOOD,
}

HELP = (
    "s S > <    order by the next, the previous column",
    "r          reverse the order",
    "/          show only names with this in them; Esc shows all again",
    "up down    select an entity; also j k, PgUp PgDn, Home End",
    "Enter      look into the selected entity, and out again",
    "w          rates and percentiles over 5, 10, 30, 60 s",
    "p Space    let the picture stand, and go on",
    "h ?        this help",
    "q Ctrl-C   leave",
    "",
    "REQ/S      requests a second       ERR%   failed on the service's side",
    "COVER      inferences profiled, or sampled out on purpose",
    "DROP/S     observations lost       DRIFT  largest distance, in thresholds",
    "ALERT      the collector's word, else the agents' newest verdicts",
    "QUEUE LAG  rows that wait for the collector, age of the oldest",
    "ADDED CPU  what observing adds to a request at p99, costs in CPU time",
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        title: In the head.
        columns: Its width; the first column takes what is left.
        text: Of a row.
        style: Of a row.
        sort: By which it orders, if any.
        right: Whether it is set to the right.
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
# What 80 columns show, in their order, ...
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
# ... and what comes after them where there is room, the most useful first.
_MORE = (
    Column("TOTAL", 6, lambda row: number(row.total)),
    Column("ADDED", 6, lambda row: seconds(row.added_p99)),
    Column("CPU", 6, lambda row: seconds(row.cpu_per_request)),
    Column("UNDEC/S", 7, lambda row: number(row.undecodable)),
    Column("HELD", 5, lambda row: share(row.share)),
    Column("WORST", 28, lambda row: clean(_worst(row)), right=False),
)
_LEAST = (Sort.REQUESTS, Sort.P99, Sort.ALERT)  # what is left where even 80 are not there
_NAME_WIDE = 24  # the name's column before another one comes in


def frame(picture: Picture, state: State, columns: int, lines: int, clock: str) -> list[Line]:
    """Exactly *lines* lines of at most *columns* columns; *clock* is the time of day, as text."""
    head = [_title(picture, state, clock), *_agents(picture, columns, lines)]
    foot = [_foot(state)]
    room = max(lines - len(head) - len(foot), 0)
    rows = state.rows(picture.entities)
    if state.helping:
        body: list[Line] = [((one, Style.PLAIN),) for one in HELP]
    elif state.inside and rows:
        body = inside(rows[state.position(rows)], picture)
    else:
        body = _table(rows, picture, state, columns, room)
    body = [*body[:room], *[()] * (room - len(body))]
    return [_within(line, columns) for line in (*head, *body, *foot)][: max(lines, 0)]


def page(picture: Picture, columns: int, lines: int) -> int:
    """How many entities are shown at once."""
    return max(lines - 3 - len(_agents(picture, columns, lines)), 1)


def plain(picture: Picture, state: State, columns: int) -> list[str]:
    """The same as a table of any length, without style: for pipes and terminals that know none."""
    rows = state.rows(picture.entities)
    drawn = [
        *_agents(picture, columns, 10_000),
        *_table(rows, picture, state, columns, len(rows) + 2, marked=False),
    ]
    return ["".join(text for text, _ in line).rstrip() for line in drawn]


def _title(picture: Picture, state: State, clock: str) -> Line:
    entities = len(picture.entities)
    shown = len(state.rows(picture.entities))
    of = f"{shown} of {entities}" if shown != entities else f"{entities}"
    of += " entity" if entities == 1 else " entities"
    pieces: list[Piece] = [
        ("nilometer top", Style.BOLD),
        (f"  {clock}  {of}  over {state.span:g} s", Style.PLAIN),
    ]
    if picture.entities:
        requests = [row.requests for row in picture.entities if row.requests is not None]
        pieces.append((f"  {number(sum(requests)) if requests else '-'} req/s", Style.PLAIN))
    if state.paused:
        pieces.append(("  PAUSED", Style.WARNING))
    return tuple(pieces)


def _foot(state: State) -> Line:
    if state.typing:
        return (("/" + clean(state.wanted), Style.BOLD), ("_", Style.BOLD))
    pieces: list[Piece] = []
    for key, what in (
        ("q", "quit"),
        ("h", "help"),
        ("s", f"by {state.sort.value}"),
        ("r", "reverse"),
        ("/", f"filter: {clean(state.wanted)}" if state.wanted else "filter"),
        ("p", "go on" if state.paused else "pause"),
        ("w", "span"),
        ("Enter", "out" if state.inside else "into"),
    ):
        pieces += [
            ("  " if pieces else "", Style.PLAIN),
            (key, Style.BOLD),
            (f" {what}", Style.DIM),
        ]
    return tuple(pieces)


def _agents(picture: Picture, columns: int, lines: int) -> list[Line]:
    """A line for each agent and one for the collector; the rest in one line where room is short."""
    most = max(lines // 4, 1)
    # Those that are away, and those that have something to say, first.
    agents = sorted(picture.agents, key=lambda one: (one.up, not _troubles(one)))
    drawn = [_agent(one, columns) for one in agents[:most]]
    if len(agents) > most:
        left = agents[most:]
        away = sum(not one.up for one in left)
        drawn.append(((f"and {len(left)} agents more, {away} of them away", Style.DIM),))
    collector = picture.collector
    if collector.url:
        name = f"collector {clean(collector.url)}"
        if not collector.reason:
            many = len(collector.open_episodes)
            style = Style.BAD if many else Style.PLAIN
            drawn.append(((name, Style.BOLD), (f"  open episodes: {many}", style)))
        else:
            drawn.append(((name, Style.BOLD), (f"  away: {clean(collector.reason)}", Style.BAD)))
    return drawn


def _agent(agent: AgentRow, columns: int) -> Line:
    name: Piece = (f"agent {cut(clean(agent.name), max(columns // 4, 12))}", Style.BOLD)
    if not agent.up:
        asked = agent.reason != "not asked yet"
        since = f" for {age(agent.away_seconds)}" if agent.away_seconds is not None else ""
        told = f"  away{since}: {clean(agent.reason)}" if asked else "  ..."
        return (name, (told, Style.BAD if asked else Style.DIM))
    waits = f"queue {number(agent.queue_rows)} lag {age(agent.lag_seconds)}"
    late = (agent.lag_seconds or 0) > SLOW_LAG and agent.collector_state != "unset"
    # What is wrong first: the end of a line is what a narrow terminal cuts.
    pieces: list[Piece] = [
        name,
        *((f"  {cut(text, max(columns // 2, 20))}", style) for text, style in _troubles(agent)),
        (f"  up {age(agent.uptime)}  {agent.workers} workers", Style.PLAIN),
        (f"  {number(agent.observations)} obs/s  ", Style.PLAIN),
        (waits, Style.WARNING if late else Style.PLAIN),
    ]
    if agent.collector_state == "unset":
        pieces.append(("  no collector", Style.DIM))
    cost = "-" if agent.cpu is None else f"{100 * agent.cpu:.0f}%"
    pieces.append((f"  cpu {cost} mem {size(agent.resident_bytes)}", Style.PLAIN))
    if columns > 120:
        pieces.append(
            (f"  buffer {size(agent.buffer_bytes)} of {size(agent.buffer_cap)}", Style.DIM)
        )
        pieces.append((f"  {number(agent.commits)} commits/s  {clean(agent.version)}", Style.DIM))
    return tuple(pieces)


def _troubles(agent: AgentRow) -> list[Piece]:
    """What is wrong with an agent that answers, the worst first."""
    found: list[Piece] = []
    if not agent.durable:
        found.append(("IN MEMORY", Style.BAD))
    if agent.dropped:
        found.append((f"drops {number(agent.dropped)}/s", Style.BAD))
    if agent.collector_state and agent.collector_state not in _READY:
        why = f": {clean(agent.collector_reason)}" if agent.collector_reason else ""
        style = Style.DIM if agent.collector_state == "connecting" else Style.BAD
        found.append((f"collector {clean(agent.collector_state)}{why}", style))
    if agent.duplicate:
        found.append(("two agents of this name", Style.BAD))
    if agent.buffer_cap and (agent.buffer_bytes or 0) > FULL * agent.buffer_cap:
        found.append(("buffer full", Style.BAD))
    if agent.quarantined:
        found.append((f"{number(agent.quarantined)} rows in quarantine", Style.WARNING))
    if agent.restarts:
        found.append((f"restarted {agent.restarts}x", Style.WARNING))
    return found


def layout(columns: int, *, trends: bool = True) -> list[Column]:
    """The columns that fit, the name's first with all that is left; a trend last where there is room."""
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


def _table(
    rows: Sequence[EntityRow],
    picture: Picture,
    state: State,
    columns: int,
    room: int,
    *,
    marked: bool = True,
) -> list[Line]:
    chosen = layout(columns, trends=marked)
    if not marked:  # nothing is cut from a name where lines may be long
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
    # The selected one is always among those that are shown, and the window moves no more than it must.
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
        return f"no entity has {clean(state.wanted)!r} in its name; Esc shows all"
    if picture.answered:
        return "no entity yet: nothing was observed since the agents started"
    return "nobody answers yet"


def inside(row: EntityRow, picture: Picture) -> list[Line]:
    """All there is to say of one entity."""
    lines: list[Line] = [((clean(row.name), Style.BOLD), (f"  {row.status or '-'}", Style.PLAIN))]

    def say(name: str, text: str, style: Style = Style.PLAIN) -> None:
        lines.append(((f"{name:<12} ", Style.DIM), (clean(text), style)))

    say(
        "requests",
        f"{number(row.requests)}/s, {row.total} in all"
        + ("; the collector's newest window" if row.windowed else ""),
    )
    say("outcomes", _counts(row.outcomes) or "none over this span")
    say("latency", f"p50 {seconds(row.p50)}  p99 {seconds(row.p99)}")
    say("coverage", share(row.coverage))
    if row.dropped_total:
        say("dropped", _counts(row.dropped_total), Style.BAD)
    if row.undecodable_total:
        say("undecodable", _counts(row.undecodable_total), Style.WARNING)
    say(
        "observing",
        f"{seconds(row.cpu_per_request)} of CPU a request, {seconds(row.added_p99)} added at p99, "
        f"{share(row.share)} held",
    )
    if row.agents:
        say("agents", ", ".join(row.agents))
    say("verdicts", f"{row.judged} newest, breaches: {row.breaches}")
    for judged in row.worst:
        where = f" {{{judged.labels}}}" if judged.labels else ""
        limit = f" of {judged.threshold:.4g}" if judged.threshold else ""
        say(
            "  breach" if judged.breach else "  within",
            f"{judged.alerter}: {judged.summary}{where} {judged.measure} {judged.value:.4g}{limit}",
            Style.BAD if judged.breach else Style.PLAIN,
        )
    for episode in picture.collector.open_episodes:
        if episode.entity == row.name:
            text = f"{episode.alerter}: {episode.summary}: {episode.evidence}"
            say("  episode", text, Style.BAD)
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return "  ".join(f"{name} {count}" for name, count in most if count)


def _within(line: Line, columns: int) -> Line:
    """*line*, cut at *columns*."""
    found: list[Piece] = []
    left = columns
    for text, style in line:
        if left <= 0:
            break
        short = cut(text, left)
        left -= width(short)
        found.append((short, style))
    return tuple(found)
