"""`nilometer collector`: the central side from the command line."""

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
    ("--database", "database", "SQLite file; made with mode 0600"),
    (
        "--http-address",
        "http_address",
        "host:port of API and pages; loopback, unless principals and TLS are set",
    ),
    ("--grpc-address", "grpc_address", "host:port that agents ship to; loopback only"),
    ("--metrics-address", "metrics_address", "host:port of /metrics and of the probes"),
    ("--public-url", "public_url", "how a reader of a notification reaches the pages"),
)
_ABOUT = (
    "Store what agents ship, answer the API, show the pages, notify. Writes to its database "
    "(and the .lock, -wal and -shm files beside it) only; listens on two loopback addresses, "
    "because nobody is asked who they are yet; connects to the webhook only, where one is set. "
    f"Every setting may come from a variable, such as {PREFIX}DATABASE; the webhook's URL is a "
    f"secret, so there is no option for it: {PREFIX}SLACK_WEBHOOK_URL, or the file."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The collector's options."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML or YAML file with settings"
    )
    for flag, name, text in _OPTIONS:
        parser.add_argument(flag, dest=name, default=None, help=text)


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer collector`."""
    parser = subparsers.add_parser("collector", help="run the central side", description=_ABOUT)
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; a wrong setting is one line and exit code 2."""
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
    """`python -m nilometer_collector`."""
    parser = argparse.ArgumentParser(prog="nilometer collector", description=_ABOUT)
    add_options(parser)
    return run(parser.parse_args(argv))
