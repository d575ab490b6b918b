"""The report of a backtest as text for a terminal."""

from collections.abc import Iterable, Iterator, Sequence

from nilometer.values.clock import nanoseconds
from nilometer.values.times import time_text
from nilometer_collector.api.resources.backtests import (
    BacktestView,
    FiringView,
    ReplayView,
)

MOST_SHOWN = 20  # most episodes shown for one alerter

_HEADINGS = ("entity", "alerter", "episodes/mo", "messages/mo", "open", "found", "delay", "false")


def lines_of(found: BacktestView) -> Iterator[str]:
    """Return the lines of the report: a table of alerters, then their episodes and notes."""
    days = (found.end - found.start) / 86_400
    yield f"{_time(found.start)} to {_time(found.end)}, {days:.3g} days"
    yield ""
    if not found.alerters:
        yield "no alerter and no data to test"
        return
    yield from _table([_HEADINGS, *map(_row, found.alerters)])
    for one in found.alerters:
        yield from _details(one)


def _row(one: ReplayView) -> tuple[str, ...]:
    score = one.score
    known, delay, false = "-", "-", "-"
    if score is not None:
        known = f"{len(score.found)}/{len(score.found) + len(score.missed)}"
        delays = sorted(incident.delay for incident in score.found)
        delay = _duration(delays[(len(delays) - 1) // 2]) if delays else "-"
        false = str(score.false_alarms)
    return (
        _plain(one.entity),
        _plain(one.alerter),
        f"{one.episodes_a_month:.1f}",
        f"{one.messages_a_month:.1f}",
        _duration(one.open_seconds),
        known,
        delay,
        false,
    )


def _details(one: ReplayView) -> Iterator[str]:
    score = one.score
    missed = [] if score is None else score.missed
    outside = [] if score is None else score.outside
    notes = [
        *one.notes,
        *(f"missed: {name}" for name in missed),
        *(f"outside of the time that has data: {name}" for name in outside),
    ]
    if not one.firings and not notes:
        return
    yield ""
    windows = f"{one.judged} windows judged, {one.not_judged} not judged"
    yield f"{_plain(one.entity)} / {_plain(one.alerter)}: {windows} in {one.days:.3g} days"
    for note in notes:
        yield f"  {_plain(note)}"
    if one.firings:
        rows = [_firing(firing) for firing in one.firings[:MOST_SHOWN]]
        headings = ("opened", "for", "worst", "severity", "summary", "incident")
        yield from (f"  {line}" for line in _table([headings, *rows]))
    if one.episodes > MOST_SHOWN:
        yield f"  and {one.episodes - MOST_SHOWN} more: --json lists up to 200"


def _firing(one: FiringView) -> tuple[str, ...]:
    labels = ",".join(f"{key}={value}" for key, value in one.labels.items())
    return (
        _time(one.opened),
        "still open" if one.closed is None else _duration(one.closed - one.opened),
        f"{one.worst:.3g}",
        one.severity,
        _plain(f"{one.summary} [{labels}]" if labels else one.summary),
        _plain(", ".join(one.incidents)),
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Return the lines of a table with columns as wide as their content."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _time(at: float) -> str:
    return time_text(nanoseconds(at))


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _plain(text: str) -> str:
    """Return *text* without control characters, which could change the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)
