"""`nilometer apply`: creates and changes the objects that files declare."""

import argparse
from pathlib import Path

from nilometer.commands.collector_options import add_collector_options
from nilometer.values.errors import ConfigError, NilometerError
from nilometer_collector.commands.reason import add_reason_option, reason_asked

ANSWER_SECONDS = 120.0  # longest wait for a large document


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer apply`."""
    parser = subparsers.add_parser(
        "apply",
        help="create and change the objects that files declare",
        description="Create and change the entities, references, alerters and other objects that "
        "YAML files declare. All objects of all files change together, or none does. Objects that "
        "no file names stay as they are, unless --prune removes them. Writes to standard output "
        "only; its one request goes to the collector.",
    )
    parser.add_argument(
        "-f",
        "--file",
        type=Path,
        action="append",
        required=True,
        metavar="DIR|FILE",
        help="file, or directory of files that end in .yaml, .yml or .json; can be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the changes, and make none")
    parser.add_argument(
        "--set", metavar="NAME", default="", help="store these objects as the set NAME, for --prune"
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="remove objects of the set that the files no longer have; needs --set",
    )
    parser.add_argument(
        "--based-on",
        type=int,
        metavar="REVISION",
        help="newest revision that you have read, such as that of a dry run: change nothing if an "
        "object of the files, or the set, changed after it",
    )
    add_reason_option(parser)
    add_collector_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send the objects of all files as one document, and print what it changes."""
    from nilometer.client.errors import Problem
    from nilometer_collector.api.resources.declared_views import AppliedView
    from nilometer_collector.commands.apply_report import lines_of
    from nilometer_collector.commands.collector_client import CollectorClient
    from nilometer_collector.commands.declared_files import read_files

    if arguments.prune and not arguments.set:
        raise ConfigError("--prune: needs --set NAME, the set whose objects may be removed")
    flags = {"dry_run": arguments.dry_run, "prune": arguments.prune}
    asked = {name: "true" for name, is_set in flags.items() if is_set}
    if arguments.set:
        asked["set"] = arguments.set
    if arguments.based_on is not None:
        if arguments.based_on < 0:
            raise ConfigError(f"--based-on = {arguments.based_on}: must be 0 or larger")
        asked["based_on"] = str(arguments.based_on)
    asked |= reason_asked(arguments)
    files = read_files(arguments.file)
    client = CollectorClient.of(arguments)
    try:
        applied = client.call(
            "POST",
            "/api/v1/apply",
            AppliedView,
            parameters=asked,
            body=files.document,
            seconds=ANSWER_SECONDS,
        )
    except Problem as error:
        if error.field == "based_on":
            raise NilometerError(f"--based-on: {error.detail}") from error
        located = files.located(error.detail, error.field)
        if located == error.detail:
            raise
        raise ConfigError(located) from error
    for line in lines_of(applied):
        print(line)
    return 0
