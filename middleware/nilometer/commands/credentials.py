"""The options by which every command says who it is to a collector, and whom it trusts."""

import argparse
from typing import TYPE_CHECKING

from nilometer.settings.credentials import SYSTEM, Credentials
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import ssl

_OPTIONS = (
    ("--token-file", "with a token for the collector"),
    (
        "--tls-ca",
        f"certificates that may have signed the collector's, PEM; {SYSTEM} for this machine's",
    ),
    ("--tls-certificate", "for a collector that asks for one, PEM"),
    ("--tls-key", "of --tls-certificate, PEM"),
)


def add_credential_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--token-file``, ``--tls-ca``, ``--tls-certificate`` and ``--tls-key``."""
    for flag, text in _OPTIONS:
        parser.add_argument(flag, default="", metavar="FILE", help=text)


def credentials_of(arguments: argparse.Namespace) -> Credentials:
    """What the options of `add_credential_options` name.

    Raises:
        ConfigError: If a file is missing, or one needs another.
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
    """Refuse a URL that is none of a collector's, or that would give the token away.

    Raises:
        ConfigError: Saying which.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"collector = {url!r}: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError(f"collector = {url!r}: must be http:// or https://, host and port")
    if parts.username or parts.password:
        raise ConfigError("collector: put the token into a file, not into the URL")
    credentials.require_privacy(host, secure=parts.scheme == "https")


def tls_context(credentials: Credentials) -> "ssl.SSLContext":
    """How a collector's HTTP server is trusted, and what it is shown.

    Raises:
        ConfigError: If a file holds no certificate or key.
    """
    import ssl

    known = credentials.ca if credentials.ca != SYSTEM else ""
    try:
        context = ssl.create_default_context(cafile=known or None)
        if credentials.certificate:
            context.load_cert_chain(credentials.certificate, credentials.key or None)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"tls_ca, tls_certificate or tls_key: {error}") from error
    return context
