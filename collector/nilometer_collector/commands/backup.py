"""`nilometer backup` and `nilometer restore`: copies of the collector's SQLite store."""

import argparse
import time
from pathlib import Path

from nilometer.values.errors import ConfigError
from nilometer_collector.settings import PREFIX, CollectorSettings

_SETTINGS = (
    f"Without --database, the file is that of --config, of {PREFIX}DATABASE, or the default one."
)


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer backup`."""
    parser = subparsers.add_parser(
        "backup",
        help="copy the collector's store while it runs",
        description="Copy the collector's SQLite store to a new file, mode 0600, while a collector "
        "may be using it. The copy has everything that was acknowledged before it began. Reads "
        f"the store, and writes only the new file. {_SETTINGS}",
    )
    parser.add_argument("target", type=Path, metavar="FILE", help="new file for the backup")
    _add_store_options(parser)
    parser.set_defaults(run=run)


def add_restore(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer restore`."""
    parser = subparsers.add_parser(
        "restore",
        help="make a backup the collector's store",
        description="Make a backup the collector's SQLite store. Refuses a store that a collector "
        f"is using. Checks the backup first, and replaces the store in one step. {_SETTINGS}",
    )
    parser.add_argument("backup", type=Path, metavar="FILE", help="file made by nilometer backup")
    parser.add_argument(
        "--replace", action="store_true", help="overwrite a store that exists; its data is lost"
    )
    _add_store_options(parser)
    parser.set_defaults(run=run_restore)


def run(arguments: argparse.Namespace) -> int:
    """Back up the store, and print the size of the copy."""
    from nilometer_collector.store import back_up_store

    settings = _settings(arguments)
    size = back_up_store(settings.stored_in, arguments.target.absolute(), Turns())
    print(f"{arguments.target}: {_megabytes(size)} of {settings.database_path}")
    return 0


def run_restore(arguments: argparse.Namespace) -> int:
    """Restore the store, and print its size."""
    from nilometer_collector.store import restore_store

    settings = _settings(arguments)
    size = restore_store(
        arguments.backup, settings.stored_in, lambda: None, replace=arguments.replace
    )
    print(f"{settings.database_path}: {_megabytes(size)} of {arguments.backup}")
    return 0


class Turns:
    """Pauses after each step for as long as the step took, so that a collector gets half the time.

    The first call returns at once.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def __call__(self) -> None:
        """Pause."""
        if self._since is not None:
            time.sleep(time.monotonic() - self._since)
        self._since = time.monotonic()


def _add_store_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML or YAML file with the collector's settings",
    )
    parser.add_argument("--database", metavar="FILE", help="SQLite file of the collector")


def _settings(arguments: argparse.Namespace) -> CollectorSettings:
    from nilometer.settings.settings import load

    given = {"database": arguments.database}
    if "\0" in (arguments.database or ""):
        raise ConfigError("database: must be a path")
    return load(CollectorSettings, prefix=PREFIX, file=arguments.config, arguments=given)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
