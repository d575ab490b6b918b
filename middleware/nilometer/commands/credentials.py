"""The options for credentials, for every command that calls a collector."""

import argparse
from typing import TYPE_CHECKING

from nilometer.settings.credentials import SYSTEM, Credentials
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import ssl

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


def require_private_url(url: str, credentials: Credentials) -> None:
    """Refuse a URL that is not valid for a collector, or that contains a token.

    Raises:
        ConfigError: If it is refused; the message gives the reason.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"collector = {url!r}: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError(f"collector = {url!r}: must be http:// or https:// with host and port")
    if parts.username or parts.password:
        raise ConfigError("collector: the URL contains a token: put the token into a file")
    credentials.require_privacy(host, secure=parts.scheme == "https")


def tls_context(credentials: Credentials) -> "ssl.SSLContext":
    """Return the TLS context for a collector's HTTP server.

    Raises:
        ConfigError: If a file holds no certificate or key.
    """
    import ssl

    known = credentials.ca if credentials.ca != SYSTEM else ""
    try:
        context = ssl.create_default_context(cafile=known or None)
        if credentials.certificate:
            context.load_cert_chain(credentials.certificate, credentials.key or None)
    except OSError as error:  # includes ssl.SSLError
        raise ConfigError(f"tls_ca, tls_certificate or tls_key: {error}") from error
    return context
