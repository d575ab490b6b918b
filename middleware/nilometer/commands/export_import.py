"""`nilometer export` and `nilometer import`: history as Parquet, out of a collector and into one."""

import argparse
from pathlib import Path

from nilometer.commands.collector_options import (
    add_collector_options,
    add_summary_option,
    add_time_options,
    client_of,
)
from nilometer.commands.credentials import add_credential_options, credentials_of

STEP = "5m"  # windows of the finest roll-ups
DEFAULT_TARGET = "127.0.0.1:7501"


def add_export(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer export`."""
    parser = subparsers.add_parser(
        "export",
        help="write the history of an entity to a Parquet file",
        description="Write the history of an entity to a new Parquet file: one row for each "
        "summary, label set and window, with its statistics and all sketches. Reads a collector, "
        "and writes only the file.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="new Parquet file")
    parser.add_argument("--entity", required=True, help="name of the entity")
    add_summary_option(parser, "all")
    add_time_options(parser, None)
    parser.add_argument(
        "--predictions",
        action="store_true",
        help="write the logged predictions instead: one row for each predicted row",
    )
    parser.add_argument(
        "--step", default=STEP, metavar="DURATION", help=f"length of the windows; default {STEP}"
    )
    add_collector_options(parser)
    parser.set_defaults(run=run_export)


def add_import(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer import`."""
    parser = subparsers.add_parser(
        "import",
        help="store an exported history at a collector",
        description="Store the rows of a file that nilometer export has made at a collector. The "
        "same file is stored once, however often it is imported. A file from the collector's own store "
        "is refused. Reads the file, and sends its "
        "samples to the collector.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="Parquet file of nilometer export")
    parser.add_argument(
        "--collector",
        default=DEFAULT_TARGET,
        metavar="HOST:PORT",
        help=f"address that agents ship to; default {DEFAULT_TARGET}",
    )
    parser.add_argument(
        "--add",
        action="store_true",
        help="store the rows also at the collector that exported them, where they count twice if "
        "it still has them",
    )
    add_credential_options(parser)
    parser.set_defaults(run=run_import, is_grpc_quiet=True)


def run_export(arguments: argparse.Namespace) -> int:
    """Write the file, and print the number of its rows."""
    from nilometer.batch.export import export
    from nilometer.batch.export_predictions import export_predictions
    from nilometer.client.spans import Span, step_of
    from nilometer.values.clock import SystemClock

    span = Span.of(SystemClock(), arguments.last, arguments.start, arguments.end)
    step = step_of(arguments.step)
    with client_of(arguments) as client:
        if arguments.predictions:
            rows = export_predictions(client, arguments.entity, span, arguments.file.absolute())
            print(f"{arguments.file}: {rows} predictions")
            return 0
        made = export(
            client, arguments.entity, arguments.summaries, span, step, arguments.file.absolute()
        )
    noun = "summary" if made.summaries == 1 else "summaries"
    print(f"{arguments.file}: {made.rows} rows of {made.summaries} {noun}")
    return 0


def run_import(arguments: argparse.Namespace) -> int:
    """Store the rows of the file, and print their number."""
    from nilometer.batch.collector_calls import calls_to
    from nilometer.batch.import_upload import import_history

    with calls_to(arguments.collector, credentials_of(arguments)) as calls:
        rows = sum(import_history(arguments.file, calls, is_added=arguments.add))
    print(f"{arguments.file}: {rows} rows are at {arguments.collector}")
    return 0
