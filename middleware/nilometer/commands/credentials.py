"""The options for credentials, for every command that calls a collector."""

import argparse

from nilometer.settings.credentials import SYSTEM, Credentials

_OPTIONS = (
    ("--token-file", "file with a token for the collector"),
    (
        "--tls-ca",
        f"CA certificates to trust for the collector, PEM; {SYSTEM} uses those of this machine",
    ),
    ("--tls-certificate", "client certificate, if the collector asks for one, PEM"),
    ("--tls-key", "key of --tls-certificate, PEM"),
)


def add_credential_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--token-file``, ``--tls-ca``, ``--tls-certificate`` and ``--tls-key``."""
    for flag, text in _OPTIONS:
        parser.add_argument(flag, default="", metavar="FILE", help=text)


def credentials_of(arguments: argparse.Namespace) -> Credentials:
    """Return the credentials that the options of `add_credential_options` name.

    Raises:
        ConfigError: If a file is missing, or needs a second file that is missing.
    """
    found = Credentials(
        ca=arguments.tls_ca,
        certificate=arguments.tls_certificate,
        key=arguments.tls_key,
        token=arguments.token_file,
    )
    found.require_files()
    return found
