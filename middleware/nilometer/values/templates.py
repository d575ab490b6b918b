"""Templates of entities and labels: texts with names in braces that each request fills in."""

import re
from collections.abc import Mapping

from nilometer.values.errors import ConfigError

MODEL, VERSION, ROUTE = "model", "version", "route"
NAMES = (MODEL, VERSION, ROUTE)
ABSENT = "absent"  # replaces values that a request does not name

_NAME = re.compile(r"\{([A-Za-z_]+)\}")


def names_in(text: str) -> frozenset[str]:
    """Return the names in braces in *text*; without any, it is not a template."""
    return frozenset(_NAME.findall(text)).intersection(NAMES)


def checked(text: str, setting: str) -> str:
    """Check the names in braces in *text*, and return it.

    Raises:
        ConfigError: If a name is not one of `NAMES`.
    """
    for name in _NAME.findall(text):
        if name not in NAMES:
            known = ", ".join(f"{{{one}}}" for one in NAMES)
            raise ConfigError(f"{setting} = {text!r}: {{{name}}} is unknown: must be {known}")
    return text


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with its names replaced by *values*; an empty value becomes `ABSENT`."""
    return _NAME.sub(
        lambda found: found[0] if found[1] not in values else values[found[1]] or ABSENT, text
    )
