"""Checks the URL of a collector's HTTP server, and makes the TLS context for it."""

from typing import TYPE_CHECKING

from nilometer.settings.credentials import SYSTEM, Credentials
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import ssl

DEFAULT_URL = "http://127.0.0.1:7500"  # of a collector on this machine


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
