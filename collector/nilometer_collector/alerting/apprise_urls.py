"""Checks a URL of Apprise before it is stored, as far as the library tells what it means."""

import importlib
import importlib.util
import logging
import warnings
from typing import Any

from nilometer.values.errors import ConfigError
from nilometer_collector.access.destinations import Allowed, known_refusal
from nilometer_collector.limits.bounds import has_control

# These kinds act on the machine of the collector and connect to nothing that can be checked.
LOCAL = frozenset(
    {"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows", "growl", "blink1"}
)

# Its lines name parts of URLs, which are secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


def check_apprise_url(key: str, value: str, allowed: Allowed) -> None:
    """Refuse a URL that Apprise does not understand, or that names a forbidden address.

    Not every URL names a host: ``slack://`` has a token in its place. A host is checked where the form of
    the kind has one.

    Raises:
        ConfigError: The message shows no part of the URL but its scheme.
    """
    if importlib.util.find_spec("apprise") is None:
        raise ConfigError(f"{key}: needs the library apprise: install nilometer[apprise]")
    scheme = value.partition("://")[0].lower()
    if scheme in LOCAL:
        raise ConfigError(f"{key}: {scheme}:// acts on the collector's own machine")
    with warnings.catch_warnings():  # its plugins import modules that Python has deprecated
        warnings.simplefilter("ignore")
        apprise: Any = importlib.import_module("apprise")
        made = None if has_control(value) else apprise.Apprise.instantiate(value)
    if made is None:
        raise ConfigError(f"{key}: is not a URL that apprise understands")
    has_host = any("{host}" in one for one in getattr(made, "templates", ()))
    host = str(getattr(made, "host", "") or "")
    if has_host and host and (refusal := known_refusal(host.strip("[]"), allowed)):
        raise ConfigError(f"{key}: {refusal}")
