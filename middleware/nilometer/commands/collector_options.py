"""The options of commands that call a collector, that choose samples, and that store references."""

import argparse
from typing import TYPE_CHECKING

from nilometer.commands.credentials import add_credential_options, credentials_of
from nilometer.settings.collector_url import DEFAULT_URL
from nilometer.values.clock import NANOSECONDS, SystemClock
from nilometer.values.errors import ConfigError
from nilometer.values.times import duration_of, time_of

if TYPE_CHECKING:
    from nilometer.client.client import Client


LAST_SECONDS = (1 << 62) // NANOSECONDS  # last time that a collector stores, in the year 2116


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


def add_expires_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--expires``, the time at which a reference expires."""
    parser.add_argument(
        "--expires",
        metavar="TIME",
        help="time from which no window is compared with it, such as 2027-01-01 or 90d; default never",
    )


def expiry_of(text: str | None) -> float | None:
    """Return the Unix seconds of a time, or of a duration from now; None for None.

    Raises:
        ConfigError: If *text* is neither, or the time is after the year 2116.
    """
    if text is None:
        return None
    if text[-1:].isalpha() and text[-1:] != "Z":
        expires = SystemClock().now_ns() // NANOSECONDS + duration_of("--expires", text)
    else:
        expires = time_of("--expires", text)
    if not 1 <= expires < LAST_SECONDS:
        raise ConfigError(f"--expires = {text!r}: must be between 1970 and 2116")
    return expires


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
