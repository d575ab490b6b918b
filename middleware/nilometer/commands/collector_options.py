"""The options of commands that call a collector over HTTP."""

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
