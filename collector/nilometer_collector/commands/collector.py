"""`nilometer collector`: run the collector."""

import argparse
import sys
from pathlib import Path

from nilometer.commands.stderr_log import log_to_stderr
from nilometer.commands.unread import warn_of_unread_variables
from nilometer.settings.settings import load
from nilometer.values.errors import ConfigError
from nilometer_collector.settings import PREFIX, CollectorSettings

EXIT_WRONG_USE = 2

_OPTIONS = (
    ("--database", "database", "SQLite file; created with mode 0600"),
    (
        "--store",
        "store",
        "URL of a PostgreSQL database, postgresql://user@host/name, instead of a SQLite file",
    ),
    (
        "--http-address",
        "http_address",
        "host:port of the API and the pages; loopback only, unless principals and TLS are set",
    ),
    (
        "--grpc-address",
        "grpc_address",
        "host:port that agents ship to; loopback only, unless principals and TLS are set",
    ),
    ("--metrics-address", "metrics_address", "host:port of /metrics and of the probes"),
    ("--public-url", "public_url", "URL of the pages for links in notifications"),
)
_ABOUT = (
    "Store the rows that agents ship, serve the API and the pages, and send notifications. Writes "
    "to its database and the .lock, -wal and -shm files beside it, and nowhere else. Listens on two loopback "
    "addresses, unless principals and TLS are set. Connects only to the database of --store, the "
    "webhook and the OTLP endpoint, if they are set. "
    f"Every setting can also come from an environment variable, such as {PREFIX}DATABASE. The URL "
    f"of the webhook and a URL with a password are secrets: set them in {PREFIX}SLACK_WEBHOOK_URL and "
    f"{PREFIX}STORE, or in the file."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the collector's options to *parser*."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML or YAML file with settings"
    )
    for flag, name, text in _OPTIONS:
        parser.add_argument(flag, dest=name, default=None, help=text)


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer collector`."""
    parser = subparsers.add_parser("collector", help="run the collector", description=_ABOUT)
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; for a wrong setting, print one line and return 2."""
    from nilometer_collector.server import run as serve

    log_to_stderr()
    warn_of_unread_variables()
    given = {name: getattr(arguments, name) for _, name, _ in _OPTIONS}
    try:
        settings = load(CollectorSettings, prefix=PREFIX, file=arguments.config, arguments=given)
        return serve(settings, sys.stdout)
    except ConfigError as error:
        print(f"nilometer collector: {error}", file=sys.stderr)
        return EXIT_WRONG_USE


def main(argv: list[str] | None = None) -> int:
    """Run the collector for `python -m nilometer_collector`."""
    parser = argparse.ArgumentParser(prog="nilometer collector", description=_ABOUT)
    add_options(parser)
    return run(parser.parse_args(argv))
