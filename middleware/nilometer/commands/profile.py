"""`nilometer profile`: profiles a table, to inspect it or to register it as a reference."""

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nilometer.commands.credentials import add_credential_options, credentials_of

if TYPE_CHECKING:
    import pyarrow

    from nilometer.profile import Reference
    from nilometer.profile.profiler import Profiler

COLLECTOR = "127.0.0.1:7501"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "profile",
        help="profile a table, to inspect it or to register it as a reference",
        description="Read a Parquet, CSV or JSON-lines file and profile its columns. Columns "
        "named input.x or output.y keep their role; all others are inputs. With --as-reference the "
        "profile goes to the collector: it contains names of categories, but no rows.",
    )
    parser.add_argument("table", type=Path, help="file to profile")
    parser.add_argument("--entity", required=True, help="name of the monitored entity")
    parser.add_argument(
        "--as-reference", metavar="NAME", help="register the profile as reference NAME"
    )
    parser.add_argument(
        "--collector",
        default=COLLECTOR,
        metavar="HOST:PORT",
        help=f"address of the collector; default {COLLECTOR}",
    )
    add_credential_options(parser)
    parser.add_argument(
        "--profilers",
        nargs="*",
        default=[],
        metavar="MODULE",
        help="modules that register profilers",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from nilometer.batch.profile import profile_of
    from nilometer.batch.read import read_table
    from nilometer.batch.reference_upload import put_reference
    from nilometer.batch.report import as_json, feature_table
    from nilometer.profile.profiler import load
    from nilometer.values.entity import entity_name

    credentials = credentials_of(arguments)
    profilers = load(arguments.profilers)
    entity, table = entity_name(arguments.entity), read_table(arguments.table)
    reference = None
    if arguments.as_reference:
        reference = _reference(arguments, entity, table, profilers)
        put_reference(reference, arguments.collector, credentials)
    profiles = profile_of(table, profilers=profilers)
    if arguments.json:
        print(json.dumps(as_json(entity, table.num_rows, profiles)))
        return 0
    print(f"{entity}: {table.num_rows} rows of {arguments.table.name}")
    print(feature_table(profiles))
    if reference is not None:
        print(f"reference {reference.name} ({reference.digest}) is at {arguments.collector}")
    return 0


def _reference(
    arguments: argparse.Namespace,
    entity: str,
    table: "pyarrow.Table",
    profilers: "tuple[Profiler, ...]",
) -> "Reference":
    """Return *table* as a reference."""
    from nilometer.batch.reference import reference_of

    return reference_of(
        table,
        entity=entity,
        name=arguments.as_reference,
        source=arguments.table.name,
        created_ns=time.time_ns(),
        profilers=profilers,
    )
