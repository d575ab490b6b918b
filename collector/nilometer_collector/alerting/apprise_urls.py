"""Checks a URL of Apprise before it is stored, as far as the library tells what it means."""

import importlib.util

from nilometer.values.errors import ConfigError
from nilometer_collector.access.apprise_plugins import Unusable, made_of
from nilometer_collector.access.destinations import Allowed, known_refusal


def check_apprise_url(key: str, value: str, allowed: Allowed) -> None:
    """Refuse a URL that Apprise does not understand, or one that names a forbidden address or a file.

    Not every URL names a host: ``slack://`` has a token in its place. A host is checked where the form of
    the kind has one.

    Raises:
        ConfigError: The message shows no part of the URL but its scheme and the name of a key.
    """
    if importlib.util.find_spec("apprise") is None:
        raise ConfigError(f"{key}: needs the library apprise: install nilometer[apprise]")
    try:
        made = made_of(value)
    except Unusable as error:
        raise ConfigError(f"{key}: {error}") from error
    has_host = any("{host}" in one for one in getattr(made, "templates", ()))
    host = str(getattr(made, "host", "") or "")
    if has_host and host and (refusal := known_refusal(host.strip("[]"), allowed)):
        raise ConfigError(f"{key}: {refusal}")
