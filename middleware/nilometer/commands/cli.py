"""`nilometer`: the commands of the library; the agent's and the collector's join by entry point.

Exit codes: 0 fine, 1 the answer is no, 2 wrong use or configuration.
"""

import argparse
import json
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import nilometer
from nilometer.commands import run
from nilometer.commands.config import add as add_config
from nilometer.commands.decode import add as add_decode
from nilometer.commands.top.cli import add as add_top
from nilometer.values.entity import entity_name
from nilometer.values.errors import ConfigError, NilometerError

COLLECTOR = "127.0.0.1:7501"
EXIT_NO = 1
EXIT_WRONG_USE = 2


def main(argv: list[str] | None = None) -> int:
    """Parse, run, and turn errors of ours into one line."""
    parser = argparse.ArgumentParser(
        prog="nilometer", description="Watch a served model against its reference."
    )
    parser.add_argument("--version", action="version", version=f"nilometer {nilometer.__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    _add_profile(commands)
    run.add(commands)
    add_config(commands)
    add_decode(commands)
    add_top(commands)
    for entry in sorted(entry_points(group="nilometer.commands"), key=lambda e: e.name):
        entry.load()(commands)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ConfigError as error:
        print(f"nilometer: {error}", file=sys.stderr)
        return EXIT_WRONG_USE
    except ModuleNotFoundError as error:
        # Every command is listed; what it needs beyond the library comes with its extra.
        name = arguments.command
        print(
            f"nilometer: {name} needs {error.name}: pip install 'nilometer[{name}]'",
            file=sys.stderr,
        )
        return EXIT_WRONG_USE
    except NilometerError as error:
        print(f"nilometer: {error}", file=sys.stderr)
        return EXIT_NO


def _add_profile(commands: "argparse._SubParsersAction[Any]") -> None:
    parser = commands.add_parser(
        "profile",
        help="profile a table, for a look or as a reference",
        description="Read a Parquet, CSV or JSON-lines file and profile its columns. Columns "
        "named input.x or output.y keep their role, any other is an input. With --as-reference "
        "the profile - category names included, no row - goes to the collector.",
    )
    parser.add_argument("table", type=Path, help="the file")
    parser.add_argument("--entity", required=True, help="name of the monitored entity")
    parser.add_argument("--as-reference", metavar="NAME", help="register at the collector as NAME")
    parser.add_argument(
        "--collector", default=COLLECTOR, metavar="HOST:PORT", help=f"default {COLLECTOR}"
    )
    parser.add_argument(
        "--profilers", nargs="*", default=[], metavar="MODULE", help="that register profilers"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_profile)


def _profile(arguments: argparse.Namespace) -> int:
    from nilometer.batch.reference import as_json, profile_of, read_table, reference_of
    from nilometer.profile.profiler import load

    profilers = load(arguments.profilers)
    entity, table = entity_name(arguments.entity), read_table(arguments.table)
    reference = None
    if arguments.as_reference:
        from nilometer.batch.register import put_reference

        reference = reference_of(
            table,
            entity=entity,
            name=arguments.as_reference,
            source=arguments.table.name,
            created_ns=time.time_ns(),
            profilers=profilers,
        )
        put_reference(reference, arguments.collector)
    profiles = profile_of(table, profilers=profilers)
    if arguments.json:
        print(json.dumps(as_json(entity, table.num_rows, profiles)))
        return 0
    from nilometer.batch.report import feature_table

    print(f"{entity}: {table.num_rows} rows of {arguments.table.name}")
    print(feature_table(profiles))
    if reference is not None:
        print(f"reference {reference.name} ({reference.digest}) is at {arguments.collector}")
    return 0
