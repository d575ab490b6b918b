"""`nilometer actions`: list the runs of actions, approve or decline one, start one by hand."""

import argparse
from typing import TYPE_CHECKING

from nilometer.commands.credentials import add_credential_options
from nilometer.values.errors import NilometerError

if TYPE_CHECKING:
    from nilometer_collector.api.resources.actions import RunView

DEFAULT_URL = "http://127.0.0.1:7500"


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer actions`."""
    parser = subparsers.add_parser(
        "actions",
        help="list, approve, decline or start actions against drift",
        description="List the runs of actions of a running collector, approve or decline one, or "
        "start one. Actions are declared with `nilometer apply`.",
    )
    verbs = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = verbs.add_parser(
        "list",
        help="list the runs",
        description="List the runs of actions, newest first, with their last change. Writes to "
        "standard output only.",
    )
    listing.add_argument("--entity", metavar="NAME", help="only runs of this entity")
    listing.add_argument("--open", action="store_true", help="only runs that are not over")
    listing.add_argument("--history", action="store_true", help="show every change of each run")
    listing.set_defaults(run=_list)
    approving = verbs.add_parser(
        "approve",
        help="approve a run",
        description="Approve a run that awaits approval. You must be one of its approvers.",
    )
    approving.set_defaults(run=_approve)
    declining = verbs.add_parser(
        "decline",
        help="decline a run",
        description="Decline a run that awaits approval. You must be one of its approvers.",
    )
    declining.set_defaults(run=_decline)
    starting = verbs.add_parser(
        "run",
        help="start an action for an open episode",
        description="Start an action for an open episode, although its condition may not hold. Its "
        "limits must hold, and it may need approval.",
    )
    starting.add_argument("name", metavar="NAME", help="name of the action")
    starting.add_argument("--entity", metavar="NAME", required=True, help="entity of the episode")
    starting.add_argument("--episode", metavar="ID", type=int, required=True, help="open episode")
    starting.set_defaults(run=_start)
    for verb in (approving, declining):
        verb.add_argument("number", metavar="RUN", type=int, help="number of the run")
    for verb in (approving, declining, starting):
        verb.add_argument("--reason", metavar="TEXT", required=True, help="reason, one sentence")
    for verb in (listing, approving, declining, starting):
        verb.add_argument(
            "--collector",
            default=DEFAULT_URL,
            metavar="URL",
            help=f"URL of a running collector; default {DEFAULT_URL}",
        )
        add_credential_options(verb)


def _list(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.actions import Runs
    from nilometer_collector.commands.collector_client import CollectorClient

    asked = {"entity": arguments.entity} if arguments.entity else {}
    if arguments.open:
        asked["open"] = "true"
    found = CollectorClient.of(arguments).call(
        "GET", "/api/v1/actions/runs", Runs, parameters=asked
    )
    for run in found.runs:
        print(_line(run))
        for turn in run.turns if arguments.history else ():
            by = f" by {turn.author}" if turn.author else ""
            print(_plain(f"    {_time(turn.at)}  {turn.state}{by}: {turn.reason}"))
    return 0


def _approve(arguments: argparse.Namespace) -> int:
    return _decide(arguments, "/api/v1/actions/approve")


def _decline(arguments: argparse.Namespace) -> int:
    return _decide(arguments, "/api/v1/actions/decline")


def _decide(arguments: argparse.Namespace, path: str) -> int:
    from nilometer_collector.api.resources.actions import RunDecision, Runs, RunView
    from nilometer_collector.commands.collector_client import CollectorClient

    client, number = CollectorClient.of(arguments), str(arguments.number)
    found = client.call("GET", "/api/v1/actions/runs", Runs, parameters={"run": number})
    if not found.runs:
        raise NilometerError(f"there is no run {number}")
    made = client.call(
        "POST",
        path,
        RunView,
        parameters={"entity": found.runs[0].entity, "run": number},
        body=RunDecision(reason=arguments.reason),
    )
    print(_line(made))
    return 0


def _start(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.actions import RunStart, RunView
    from nilometer_collector.commands.collector_client import CollectorClient

    made = CollectorClient.of(arguments).call(
        "POST",
        "/api/v1/actions/run",
        RunView,
        parameters={"entity": arguments.entity, "episode": str(arguments.episode)},
        body=RunStart(action=arguments.name, reason=arguments.reason),
    )
    print(_line(made))
    return 0


def _line(run: "RunView") -> str:
    """Return one line about *run*: what it is, its state, and why."""
    last = run.turns[-1]
    by = f" by {last.author}" if last.author else ""
    why = run.waits_for or last.reason
    line = f"{run.run}  {run.entity}  {run.action}  {run.state}{by} {_time(last.at)}: {why}"
    return _plain(line)


def _plain(text: str) -> str:
    """Return *text* without control characters, which could change the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _time(unix: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S}Z"
