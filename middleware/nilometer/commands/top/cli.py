"""`nilometer top`: shows agents and entities, updated live."""

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nilometer.commands.credentials import add_credential_options, credentials_of
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    from nilometer.commands.top.sources import Picture, Sources
    from nilometer.commands.top.state import State

EXIT_NOBODY = 1
ONCE_SECONDS = 8.0  # longest wait for two responses, to print a table once
COLUMNS = 132  # width of a table that is not printed to a terminal
SORTS = ("name", "requests", "errors", "p50", "p99", "coverage", "drops", "alert", "drift")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "top",
        help="watch agents and entities, live",
        description="Show requests, errors, latency, coverage, drops, queue, lag, alerts and drift "
        "in a terminal, every second; h shows the keys. Without a terminal, print tables one "
        "after another. Asks agents over their sockets and, with --collector, a collector over "
        "HTTP. Writes no files.",
    )
    parser.add_argument(
        "--agent",
        action="append",
        default=[],
        metavar="SOCKET",
        help="socket of an agent, or its directory; may be repeated; default: the one that "
        "NILOMETER_AGENT or the agent's own settings name, else this user's",
    )
    parser.add_argument(
        "--collector", default="", metavar="URL", help="URL of the collector's HTTP API"
    )
    add_credential_options(parser)
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="time between updates; default 1",
    )
    parser.add_argument(
        "--over",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="time span of rates and percentiles; default 10",
    )
    parser.add_argument(
        "--sort", choices=SORTS, default="requests", help="order of the entities; default requests"
    )
    parser.add_argument(
        "--filter", default="", metavar="TEXT", help="show only entities whose name contains TEXT"
    )
    parser.add_argument("--once", action="store_true", help="print one table and exit")
    parser.add_argument("--json", action="store_true", help="print JSON, one object per line")
    parser.set_defaults(run=_run, is_grpc_quiet=True)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 60.0:
        raise argparse.ArgumentTypeError(f"{text}: must be 0.1 to 60 seconds")
    return value


def _run(arguments: argparse.Namespace) -> int:
    from nilometer.commands.top.agent_source import agent_address
    from nilometer.commands.top.collector_source import CollectorSource
    from nilometer.commands.top.sources import Sources
    from nilometer.commands.top.state import Sort, State

    state = State(sort=Sort(arguments.sort), wanted=arguments.filter, span=arguments.over)
    changes = _Changes()
    if arguments.token_file and not arguments.collector:
        raise ConfigError("--token-file: needs --collector")
    credentials = credentials_of(arguments)
    agents = [agent_address(one) for one in arguments.agent]
    if not agents:
        here = _default_socket()
        if not arguments.collector or os.path.exists(here):  # noqa: PTH110  never raises
            agents = [agent_address(str(here))]
    if arguments.collector:
        collector = CollectorSource(
            arguments.collector,
            credentials=credentials,
            seconds=arguments.interval,
            windows=True,
            on_change=changes,
        )
    else:
        collector = None
    sources = Sources(list(dict.fromkeys(agents)), collector, arguments.interval, changes)
    sources.start()
    try:
        if arguments.once or arguments.json or not _drawable():
            return _print(arguments, sources, state, changes)
        return _live(sources, state, changes)
    finally:
        sources.stop()


def _drawable() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in {"", "dumb", "unknown"}


def _default_socket() -> Path:
    """Return the socket of this environment's agent: in this container, or of its sidecar."""
    from nilometer.handoff.settings import PREFIX, SOCKET_NAME, CaptureSettings
    from nilometer.settings.settings import load

    environment = os.environ
    if f"{PREFIX}AGENT" not in environment:
        if own := environment.get(f"{PREFIX}AGENT_SOCKET"):
            return Path(own)
        if home := environment.get(f"{PREFIX}AGENT_DIRECTORY"):
            return Path(home) / SOCKET_NAME
    settings = load(CaptureSettings, prefix=PREFIX, arguments={"entity": "top"})
    return settings.socket_path


class _Changes:
    """Signals new data to the current listener."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.listener: Callable[[], None] | None = None

    def __call__(self) -> None:
        self.event.set()
        listener = self.listener
        if listener is not None:
            listener()


def _print(
    arguments: argparse.Namespace, sources: "Sources", state: "State", changes: _Changes
) -> int:
    """Print tables or JSON, once or until interrupted."""
    deadline = time.monotonic() + ONCE_SECONDS + arguments.interval
    try:
        # A rate is a difference, so it needs two responses.
        while sources.asked() < 2 and time.monotonic() < deadline:
            changes.event.wait(0.2)
            changes.event.clear()
        while True:
            picture = sources.picture(state.span)
            _show(arguments, picture, state)
            if arguments.once:
                return 0 if picture.answered else EXIT_NOBODY
            time.sleep(arguments.interval)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # The reader has closed the pipe. Buffered text must not be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _show(arguments: argparse.Namespace, picture: "Picture", state: "State") -> None:
    from nilometer.commands.top.report import as_json
    from nilometer.commands.top.text import to_ascii
    from nilometer.commands.top.view import plain

    if arguments.json:
        told = as_json(picture, state.span, time.time_ns() / 1e9)
        print(msgspec.json.encode(told).decode(), flush=True)  # msgspec writes NaN as null
        return
    columns = shutil.get_terminal_size((COLUMNS, 24)).columns
    lines = plain(picture, state, columns)
    if (sys.stdout.encoding or "").replace("-", "").lower() != "utf8":
        lines = [to_ascii(line) for line in lines]
    end = "" if arguments.once else "\n"
    print("\n".join(lines) + end, flush=True)


def _live(sources: "Sources", state: "State", changes: _Changes) -> int:
    """Show the view until the user presses q or a signal arrives."""
    from nilometer.commands.top.screen import Screen
    from nilometer.commands.top.view import frame, page

    with Screen(os.environ, sys.stdout.encoding or "ascii") as screen:
        changes.listener = screen.wake
        picture = sources.picture(state.span)
        shown_span = state.span
        while not state.over and screen.ended is None:
            # A key changes the view, but the data stays the same.
            new = changes.event.is_set() or state.span != shown_span
            if new and not state.paused:
                changes.event.clear()
                shown_span = state.span
                picture = sources.picture(shown_span)
            columns, lines = screen.size()
            clock = time.strftime("%H:%M:%S")
            screen.draw(frame(picture, state, columns, lines, clock))
            for key in screen.wait(1.0):
                rows = state.rows(picture.entities)
                state.press(key, rows, page(picture, columns, lines))
        changes.listener = None
        ended = screen.ended
    if ended is not None and ended != signal.SIGINT:
        # The process ends as if the signal was not handled, so the sender sees the expected status.
        signal.signal(ended, signal.SIG_DFL)
        os.kill(os.getpid(), ended)
    return 0
