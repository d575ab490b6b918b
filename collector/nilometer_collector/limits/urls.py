"""Checks URLs that the collector posts to, before they are stored or used."""

from urllib.parse import urlsplit

from nilometer.values.errors import ConfigError
from nilometer_collector.access.addresses import is_loopback
from nilometer_collector.access.destinations import Allowed, known_refusal
from nilometer_collector.access.secret import shown_url
from nilometer_collector.limits.bounds import has_control

MAX_URL_CHARACTERS = 2048


def check_url(setting: str, url: str, allowed: Allowed, *, plain: bool = False) -> None:
    """Refuse a URL without TLS or at a forbidden address. Errors show only its host.

    Args:
        setting: Name of the setting, for errors.
        url: URL to check.
        allowed: Addresses that its host may have, besides public ones.
        plain: Whether plain HTTP may go to an allowed private address, because the URL is no secret.

    Raises:
        ConfigError: If the URL is not allowed.
    """
    key = f"{setting} = {shown_url(url)!r}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"{key}: must be a URL") from error
    if not host or len(url) > MAX_URL_CHARACTERS or has_control(url) or {" ", "\\"} & set(url):
        raise ConfigError(f"{key}: must be a URL of at most {MAX_URL_CHARACTERS} characters")
    if parts.scheme != "https" and not (parts.scheme == "http" and (plain or is_loopback(host))):
        raise ConfigError(f"{key}: must be https, or http to a loopback host")
    if "@" in parts.netloc:
        raise ConfigError(f"{key}: must not contain a user name or a password")
    try:
        # Full stops and digits of other scripts become those of ASCII, as they do in a request.
        sent = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ConfigError(f"{key}: its host must be an address or a name") from error
    if refusal := known_refusal(sent, allowed):
        raise ConfigError(f"{key}: {refusal}")
