"""`nilometer profile`: profiles a table, to inspect it or to register it as a reference."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nilometer.commands.collector_options import add_expires_option, expiry_of
from nilometer.commands.credentials import add_credential_options, credentials_of
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.times import time_iso, time_text

if TYPE_CHECKING:
    import pyarrow

    from nilometer.batch.history import HistoryCounts
    from nilometer.profile import Reference
    from nilometer.profile.profiler import Profiler
    from nilometer.settings.credentials import Credentials

COLLECTOR = "127.0.0.1:7501"
WINDOW_SECONDS = 300  # default length of a past window
_NO_EXPIRY = "the collector is older than this command, so the reference never expires: upgrade it"


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
    add_expires_option(parser)
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
    _add_past_windows(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run, is_grpc_quiet=True)


def _add_past_windows(parser: argparse.ArgumentParser) -> None:
    past = parser.add_argument_group(
        "past windows",
        "With --log, the rows become the windows that agents would have sent, and are stored by the "
        "collector. The same file is stored once, however often it is logged.",
    )
    past.add_argument("--log", action="store_true", help="log past windows to the collector")
    past.add_argument("--time-column", metavar="NAME", help="column with the time of each row")
    past.add_argument(
        "--time-unit",
        default="auto",
        choices=("auto", "s", "ms", "us", "ns"),
        help="unit of times that are numbers since 1970; default auto: by their magnitude",
    )
    past.add_argument(
        "--time-zone",
        default="UTC",
        metavar="ZONE",
        help="time zone of times without an offset, such as Europe/Berlin; default UTC",
    )
    past.add_argument(
        "--window",
        type=int,
        default=WINDOW_SECONDS,
        metavar="SECONDS",
        help=f"length of a window; default {WINDOW_SECONDS}",
    )
    past.add_argument(
        "--labels",
        nargs="*",
        default=[],
        metavar="KEY=COLUMN",
        help="labels of the windows, each from a column",
    )


def _run(arguments: argparse.Namespace) -> int:
    from nilometer.batch.profile import profile_of
    from nilometer.batch.read import read_table
    from nilometer.batch.reference_upload import put_reference
    from nilometer.batch.report import as_json, feature_table
    from nilometer.profile.profiler import load
    from nilometer.values.entity import entity_name

    _check_together(arguments)
    expires = expiry_of(arguments.expires)
    wanted_ns = None if expires is None else int(expires) * NANOSECONDS
    credentials = credentials_of(arguments)
    profilers = load(arguments.profilers)
    entity = entity_name(arguments.entity)
    if arguments.log and not arguments.as_reference:
        return _log(arguments, credentials, profilers)
    table = read_table(arguments.table)
    reference, expires_ns = None, None
    if arguments.as_reference:
        reference = _reference(arguments, entity, table, profilers)
        expires_ns = put_reference(reference, arguments.collector, credentials, wanted_ns)
        _warn_of(reference, is_forgotten=wanted_ns is not None and expires_ns is None)
    if arguments.log:
        _log(arguments, credentials, profilers)
    profiles = profile_of(table, profilers=profilers)
    if arguments.json:
        print(json.dumps(as_json(entity, table.num_rows, profiles)))
        return 0
    print(f"{entity}: {table.num_rows} rows of {arguments.table.name}")
    print(feature_table(profiles))
    if reference is not None:
        until = "" if expires_ns is None else f", expires {time_text(expires_ns)}"
        print(f"reference {reference.name} ({reference.digest}) is at {arguments.collector}{until}")
    return 0


def _check_together(arguments: argparse.Namespace) -> None:
    """Refuse options that need another one.

    Raises:
        ConfigError: If the other one is missing.
    """
    if arguments.log and not arguments.time_column:
        raise ConfigError("--log needs --time-column: the column with the time of each row")
    if arguments.time_column and not arguments.log:
        raise ConfigError("--time-column needs --log")
    if arguments.expires and not arguments.as_reference:
        raise ConfigError("--expires needs --as-reference: only a reference expires")


def _warn_of(reference: "Reference", *, is_forgotten: bool) -> None:
    """Write the warnings of a stored reference to standard error.

    Args:
        reference: Stored reference.
        is_forgotten: Whether the collector did not store its expiry.
    """
    from nilometer.compare import shortfalls

    for sentence in [*([_NO_EXPIRY] if is_forgotten else []), *shortfalls(reference)]:
        print(f"nilometer: warning: {sentence}", file=sys.stderr)


def _log(
    arguments: argparse.Namespace, credentials: "Credentials", profilers: "tuple[Profiler, ...]"
) -> int:
    """Log past windows of the table; print how many, and rows that were left out."""
    from nilometer.batch.collector_calls import calls_to
    from nilometer.batch.history import HistoryOptions
    from nilometer.batch.history_upload import log_history
    from nilometer.profiling.event_time import EventTimes
    from nilometer.values.time_zone import zone_named

    try:
        zone = zone_named(arguments.time_zone)
    except ValueError as error:
        raise ConfigError(f"--time-zone = {arguments.time_zone!r}: {error}") from error
    if arguments.window < 1:
        raise ConfigError(f"--window = {arguments.window}: must be at least 1 second")
    options = HistoryOptions(
        entity=arguments.entity,
        time_column=arguments.time_column,
        times=EventTimes(unit=arguments.time_unit, zone=zone),
        window_seconds=arguments.window,
        labels=_labels(arguments.labels),
        profilers=profilers,
    )
    with calls_to(arguments.collector, credentials) as calls:
        counts = log_history(arguments.table, options, calls, _show_progress)
    said = sys.stderr if arguments.json else sys.stdout
    if counts.first_ns is None or counts.last_ns is None:
        raise ConfigError(f"{arguments.table}: no row has a time in {arguments.time_column!r}")
    print(
        f"{arguments.entity}: {counts.rows} rows of {arguments.table.name} are in "
        f"{counts.windows} windows at {arguments.collector}, "
        f"from {time_iso(counts.first_ns)} to {time_iso(counts.last_ns)}",
        file=said,
    )
    if counts.untimed:
        print(
            f"{counts.untimed} rows have no time in {arguments.time_column!r} and were left out",
            file=sys.stderr,
        )
    return 0


def _labels(pairs: "list[str]") -> "dict[str, str]":
    """Return the label key and the column of each label.

    Raises:
        ConfigError: If a pair is not KEY=COLUMN with an allowed key.
    """
    from nilometer.values.labels import KEY

    found = {}
    for pair in pairs:
        key, separator, column = pair.partition("=")
        if not separator or not column or not KEY.fullmatch(key):
            raise ConfigError(f"--labels {pair!r}: must be KEY=COLUMN, KEY as [a-z][a-z0-9_]*")
        found[key] = column
    return found


def _show_progress(counts: "HistoryCounts") -> None:
    """Write the progress of the upload to one line of the terminal."""
    if sys.stderr.isatty():
        end = "" if counts.last_ns is None else f", up to {time_iso(counts.last_ns)}"
        print(f"\r{counts.rows} rows, {counts.windows} windows{end}", end="", file=sys.stderr)


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
