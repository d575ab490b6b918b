"""Settings and secrets of receivers, and the checks of their values."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address as MailAddress
from typing import TypeAlias

from nilometer.values.errors import ConfigError
from nilometer_collector.access.addresses import parse_address
from nilometer_collector.access.destinations import Allowed, known_refusal
from nilometer_collector.limits.bounds import has_control, is_plain
from nilometer_collector.limits.urls import check_url

MOST_RECIPIENTS = 50
NOT_SHOWN = "(set, not shown)"
_TOKEN = re.compile(r"[!-~]{1,512}")  # one header value without spaces
LEAST_SIGNING_KEY = 16  # characters

Check: TypeAlias = Callable[[str, str, Allowed], None]  # key, value, allowed; raises ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A setting or secret of a kind.

    Attributes:
        about: Meaning, one phrase.
        check: Function that refuses a wrong value.
        is_secret: Whether its value is never shown.
        is_required: Whether a channel must have it.
        is_address: Whether it decides where messages and secrets go.
        default: Value of a setting that is left out.
    """

    about: str
    check: Check
    is_secret: bool = False
    is_required: bool = False
    is_address: bool = False
    default: str = ""


def _url(key: str, value: str, allowed: Allowed) -> None:
    check_url(key, value, allowed)


def check_plain_url(key: str, value: str, allowed: Allowed) -> None:
    """Refuse a URL that may not be posted to. It may have the scheme http."""
    check_url(key, value, allowed, plain=True)


def check_token(key: str, value: str, allowed: Allowed) -> None:
    """Refuse a secret that is not one word of ASCII, or that repeats the text for a hidden one."""
    del allowed
    if not _TOKEN.fullmatch(value) or value == NOT_SHOWN:
        raise ConfigError(f"{key}: must be 1 to 512 ASCII characters without spaces")


def check_signing_key(key: str, value: str, allowed: Allowed) -> None:
    """Refuse a signing key that is too short, or not one word."""
    check_token(key, value, allowed)
    if len(value) < LEAST_SIGNING_KEY:
        raise ConfigError(f"{key}: must be at least {LEAST_SIGNING_KEY} characters")


def check_password(key: str, value: str, allowed: Allowed) -> None:
    """Refuse a password with control characters, or one that repeats the text for a hidden one."""
    del allowed
    if not value or has_control(value) or value == NOT_SHOWN:
        raise ConfigError(f"{key}: must be a text without control characters")


def check_nothing(key: str, value: str, allowed: Allowed) -> None:
    """Allow every value."""
    del key, value, allowed


def one_of(*words: str) -> Check:
    """Return a check that allows only *words*."""

    def check(key: str, value: str, allowed: Allowed) -> None:
        del allowed
        if value not in words:
            raise ConfigError(f"{key} = {value[:64]!r}: must be one of {', '.join(words)}")

    return check


def check_server(key: str, value: str, allowed: Allowed) -> None:
    """Refuse what is not ``host:port`` of a server that may be reached."""
    address = parse_address(key, value)
    if not address.port:
        raise ConfigError(f"{key} = {value[:128]!r}: must have a port of 1 to 65535")
    if refusal := known_refusal(address.host, allowed):
        raise ConfigError(f"{key} = {value[:128]!r}: {refusal}")


def check_plain_text(key: str, value: str, allowed: Allowed) -> None:
    """Refuse an empty text, and one with control characters."""
    del allowed
    if not value or not is_plain(value):
        raise ConfigError(f"{key}: must be a text without control characters")


def check_mail_addresses(key: str, value: str, allowed: Allowed) -> None:
    """Refuse what is not a list of 1 to `MOST_RECIPIENTS` mail addresses."""
    del allowed
    found = mail_addresses(value)
    if not 1 <= len(found) <= MOST_RECIPIENTS:
        raise ConfigError(f"{key}: must have 1 to {MOST_RECIPIENTS} addresses")
    for one in found:
        try:
            MailAddress(addr_spec=one)
        except (ValueError, IndexError, HeaderParseError) as error:
            raise ConfigError(f"{key}: {one[:64]!r} is not a mail address") from error
        if "@" not in one or has_control(one) or not one.isascii():
            raise ConfigError(f"{key}: {one[:64]!r} is not a mail address in ASCII")


def check_mail_address(key: str, value: str, allowed: Allowed) -> None:
    """Refuse what is not one mail address."""
    check_mail_addresses(key, value, allowed)
    if len(mail_addresses(value)) > 1:
        raise ConfigError(f"{key}: must be one address")


def mail_addresses(value: str) -> list[str]:
    """Return the addresses of a list that is separated by commas."""
    return [one.strip() for one in value.split(",") if one.strip()]


SECRET_URL = Field(
    about="the URL to post to", check=_url, is_secret=True, is_required=True, is_address=True
)


def service_url(url: str) -> Field:
    """Return the setting for the URL of a service, whose default is *url*."""
    return Field(about="the URL of the service", check=_url, is_address=True, default=url)
