"""`nilometer doctor`: finds problems of a set-up and says how to fix them."""

import argparse
import json
import os
import sys
from typing import Any

from nilometer.commands.unread import warn_of_unread_variables
from nilometer.settings.settings import load
from nilometer_agent.cli import add_settings, given
from nilometer_agent.settings import PREFIX, AgentSettings

COLOURS = {"ok": "32", "warning": "33", "broken": "31"}


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Register `nilometer doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="find problems of an agent and say how to fix them",
        description="Check an agent: its directory, disk, workers, counters and collector. Use the "
        "options and variables with which the agent runs. Changes nothing. Exit code: 0 no problem, "
        "1 a problem was found, 2 wrong use or configuration.",
    )
    add_settings(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run, is_grpc_quiet=True)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings."""
    from nilometer_agent.doctor.doctor import examine
    from nilometer_agent.doctor.finding import Finding, Level, verdict

    warn_of_unread_variables()
    settings = load(AgentSettings, prefix=PREFIX, file=arguments.config, arguments=given(arguments))
    found: list[Finding] = []
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for one in examine(settings, os.environ):
        found.append(one)
        if not arguments.json:
            print(_line(one.level.value, one.check, one.text, colour=colour))
            if one.remedy and one.level is not Level.OK:
                print(f"{'':20}-> {one.remedy}")
    healthy = all(one.level is Level.OK for one in found)
    if arguments.json:
        print(json.dumps({"healthy": healthy, "findings": [one.as_dict() for one in found]}))
    else:
        print(verdict(found))
    return 0 if healthy else 1


def _line(level: str, check: str, text: str, *, colour: bool) -> str:
    shown = f"{level:8}"
    if colour:
        shown = f"\x1b[{COLOURS[level]}m{shown}\x1b[0m"
    # Names from outside, such as a path or an agent's name, must not control the terminal.
    safe = "".join(each if each.isprintable() else "?" for each in text)
    return f"{shown}{check:12}{safe}"
