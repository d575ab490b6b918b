"""The receiver of the agent's own alerts: one file, which nobody hands over.

The collector never sends it, and it is in no plan, so that a collector that is taken over learns no
secret of it and cannot redirect alerts.
"""

import tomllib
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from nilometer.settings.loopback import is_this_machine
from nilometer.values.errors import ConfigError

MAX_BYTES = 65_536
MOST_SECRET_CHARACTERS = 512
URLS = {"pagerduty": "https://events.pagerduty.com", "opsgenie": "https://api.opsgenie.com"}


class DirectChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receiver that keeps incidents by key.

    Attributes:
        kind: Kind of the receiver.
        key: Integration key of the service, the same as that of the collector's channel.
        url: URL of the service; empty for the usual one of the kind.
    """

    kind: Literal["pagerduty", "opsgenie"]
    key: str
    url: str = ""

    @property
    def base(self) -> str:
        """URL of the service, without a final slash."""
        return (self.url or URLS[self.kind]).rstrip("/")

    def __repr__(self) -> str:
        return f"DirectChannel(kind={self.kind!r})"


def read_channel(path: str) -> DirectChannel:
    """Return the channel in the TOML file *path*.

    Raises:
        ConfigError: If the file cannot be read or has a wrong value. The message shows no secret.
    """
    where = f"direct_channel_file = {path!r}"
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{where}: is over {MAX_BYTES} bytes")
        raw = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}") from error
    except ValueError:
        raise ConfigError(f"{where}: is not TOML") from None  # its text may be the secret
    try:
        channel = msgspec.convert(raw, DirectChannel)
    except msgspec.ValidationError as error:
        known = ", ".join(DirectChannel.__struct_fields__)
        reason = str(error).partition(" - at")[2] or "a name or a value is wrong"
        raise ConfigError(f"{where}: it has {known}: {reason.strip()}") from None
    _check(where, channel)
    return channel


def _check(where: str, channel: DirectChannel) -> None:
    key = channel.key
    if not 0 < len(key) <= MOST_SECRET_CHARACTERS or not key.isascii() or not key.isprintable():
        raise ConfigError(f"{where}: key: must be 1 to {MOST_SECRET_CHARACTERS} ASCII characters")
    try:
        parts = urlsplit(channel.base)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"{where}: url: must be a URL") from None
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))
    if not host or "@" in parts.netloc or parts.query or not channel.base.isprintable():
        raise ConfigError(f"{where}: url: must be a URL without a user, a password or a query")
    if not is_safe:
        raise ConfigError(f"{where}: url: must be https, or http to a loopback host")
