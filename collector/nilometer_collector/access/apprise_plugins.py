"""Makes a receiver of the library Apprise from its URL, unless it touches the collector's own machine."""

import importlib
import logging
import re
import warnings
from typing import Any

# These kinds act on the machine of the collector and connect to nothing that can be checked.
LOCAL = frozenset(
    {"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows", "growl", "blink1"}
)
# Parts of the query with which a kind opens files of the machine: Discord, Slack, Telegram and Workflows,
# then FCM, Vapid and mail.
OPENS_FILES = frozenset({"template", "keyfile", "subfile", "pgppub", "pgpprv"})

_NEXT_URL = re.compile(r"[,;][a-z0-9]+://", re.IGNORECASE)  # where the library begins a second URL

# Its lines name parts of URLs, which are secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


class Unusable(Exception):
    """A URL that makes no receiver, or a forbidden one. The message has no part of it but known words."""


def made_of(url: str) -> Any:
    """Return the receiver, an object of the library, that Apprise makes of one *url*.

    Raises:
        Unusable: If Apprise does not understand it, if there are several, or if it would act on this
            machine or open its files.
        ImportError: If Apprise is not installed.
    """
    if _NEXT_URL.search(url):
        raise Unusable("is several URLs: make a channel for each")
    with warnings.catch_warnings():  # its plugins import modules that Python has deprecated
        warnings.simplefilter("ignore")
        apprise: Any = importlib.import_module("apprise")
        plugins: Any = importlib.import_module("apprise.plugins")
        # The library drops white space around the scheme and inside a query.
        is_plain = url.isprintable() and not any(map(str.isspace, url))
        parts = plugins.url_to_dict(url) if is_plain else None
        if parts is None:
            raise Unusable("is not a URL that apprise understands")
        kind = apprise.NotificationManager()[parts["schema"]]
        _refuse(kind, parts)
        made = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(http_redirects=False))
    if made is None:
        raise Unusable("is not a URL that apprise understands")
    return made


def _refuse(kind: Any, parts: dict[str, Any]) -> None:
    """Refuse a class of the library, and the parts of a URL as it reads them.

    A kind has several names, and a key of the query several spellings: only what the library makes of
    them counts.
    """
    if LOCAL & (_names(kind.protocol) | _names(kind.secure_protocol)):
        raise Unusable(f"{parts['schema']}:// acts on the collector's own machine")
    if keys := OPENS_FILES & {key.strip().lower() for key in parts.get("qsd", {})}:
        raise Unusable(f"{min(keys)}= opens a file of the collector's machine")


def _names(protocols: Any) -> set[str]:
    """Return the names that a plugin gives as a text, as a list, or not at all."""
    if isinstance(protocols, str):
        return {protocols}
    return set(protocols or ())
