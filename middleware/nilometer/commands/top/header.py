"""The lines around the table: title, agents, collector, and keys."""

from nilometer.commands.top.agents import AgentRow
from nilometer.commands.top.pieces import Line, Piece, Style
from nilometer.commands.top.sources import Picture
from nilometer.commands.top.state import State
from nilometer.commands.top.text import age, clean, cut, number, size

SLOW_LAG = 300.0  # seconds: five windows of the default length
FULL = 0.9  # share of the buffer above which the oldest rows are dropped
_READY = {"ready", "unset"}


def title_line(picture: Picture, state: State, clock: str) -> Line:
    """Return time, entities and requests; *clock* is the time of day, as text."""
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


def foot_line(state: State) -> Line:
    """Return the keys and their current meaning, or the filter that is being typed."""
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


def agent_lines(picture: Picture, columns: int, lines: int) -> list[Line]:
    """Return a line per agent and one for the collector; if there is no room, a summary."""
    most = max(lines // 4, 1)
    # Agents that are away or have a problem come first.
    agents = sorted(picture.agents, key=lambda one: (one.up, not _troubles(one)))
    drawn = [_agent(one, columns) for one in agents[:most]]
    if len(agents) > most:
        left = agents[most:]
        away = sum(not one.up for one in left)
        drawn.append(((f"and {len(left)} more agents, {away} of them away", Style.DIM),))
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
    # Problems come first, because a narrow terminal cuts the end of a line.
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
    """Return the problems of an agent that answers, the worst first."""
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
        found.append(("two agents have this name", Style.BAD))
    if agent.buffer_cap and (agent.buffer_bytes or 0) > FULL * agent.buffer_cap:
        found.append(("buffer full", Style.BAD))
    if agent.quarantined:
        found.append((f"{number(agent.quarantined)} rows in quarantine", Style.WARNING))
    if agent.restarts:
        found.append((f"restarted {agent.restarts}x", Style.WARNING))
    return found
