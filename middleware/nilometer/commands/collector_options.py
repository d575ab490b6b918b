"""The options of commands that call a collector over HTTP, and of those that choose samples."""

import argparse
from typing import TYPE_CHECKING

from nilometer.commands.credentials import add_credential_options, credentials_of
from nilometer.settings.collector_url import DEFAULT_URL

if TYPE_CHECKING:
    from nilometer.client.client import Client


def add_collector_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--collector`` and the options for credentials."""
    parser.add_argument(
        "--collector",
        default=DEFAULT_URL,
        metavar="URL",
        help=f"URL of a running collector; default {DEFAULT_URL}",
    )
    add_credential_options(parser)


def add_summary_option(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add ``--summary``, which may be repeated.

    Args:
        parser: Parser of a command.
        default: What the command reads without the option, for its help; None requires the option.
    """
    parser.add_argument(
        "--summary",
        dest="summaries",
        action="append",
        default=[],
        required=default is None,
        metavar="NAME",
        help="name of a summary, or a pattern such as input.*; may be repeated"
        + (f"; default {default}" if default else ""),
    )


def add_time_options(parser: argparse.ArgumentParser, default_last: str | None) -> None:
    """Add ``--last``, ``--start`` and ``--end``.

    Args:
        parser: Parser of a command.
        default_last: Duration until now that the command reads without options; None for all times.
    """
    whole = default_last is None
    last = (
        "time until now, such as 365d"
        if whole
        else f"time until now, such as 30d; default {default_last}"
    )
    start = (
        "start of the time; default the oldest" if whole else "start of the time, instead of --last"
    )
    parser.add_argument("--last", metavar="DURATION", help=last)
    parser.add_argument("--start", metavar="TIME", help=start)
    parser.add_argument(
        "--end", metavar="TIME", help=f"end of the time; default {'the newest' if whole else 'now'}"
    )


def client_of(arguments: argparse.Namespace) -> "Client":
    """Return the client for ``--collector`` with the credentials of the command line.

    Raises:
        ConfigError: If the URL or a credential file cannot be used.
    """
    from nilometer.client.client import Client

    files = credentials_of(arguments)
    return Client(
        arguments.collector,
        token_file=files.token,
        tls_ca=files.ca,
        tls_certificate=files.certificate,
        tls_key=files.key,
        attempts=1,  # a person waits for the error
    )
