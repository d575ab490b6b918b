"""The components that are installed, and the environment variables that set them."""

import re
import sys

import msgspec

GROUP = "nilometer.settings"  # the group's modules define `PREFIX` beside each class
CONFIG_VARIABLE = "NILOMETER_CONFIG"  # variable with the default settings file of all components
NAMESPACE = "NILOMETER_"  # prefix of the middleware; all other prefixes begin with it
# The longer prefixes, one for each other component.
PREFIXES = ("NILOMETER_AGENT_", "NILOMETER_COLLECTOR_")

# Kubernetes sets these in every container for every Service of the namespace, and a Service may be
# called "nilometer" or "nilometer-collector".
_SERVICE_LINK = re.compile(
    r"[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def installed() -> dict[str, tuple[str, type[msgspec.Struct]]]:
    """Return the prefix and the settings of each other component, by section."""
    from importlib.metadata import entry_points  # slow to import

    found: dict[str, tuple[str, type[msgspec.Struct]]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        kind = entry.load()
        found[entry.name] = (sys.modules[kind.__module__].PREFIX, kind)
    return found


def variables_of(prefix: str, kind: type[msgspec.Struct]) -> list[str]:
    """Return the names of the environment variables that set *kind*."""
    return [f"{prefix}{key.upper()}" for key in kind.__struct_encode_fields__]


def is_service_link(variable: str) -> bool:
    """Return whether *variable* may be one that Kubernetes sets for a Service."""
    return _SERVICE_LINK.fullmatch(variable) is not None


def belongs_to(variable: str, prefix: str) -> bool:
    """Return whether *variable* is for the component of *prefix*, and for no other."""
    if variable == CONFIG_VARIABLE or not variable.startswith(prefix):
        return False
    return not any(variable.startswith(other) for other in PREFIXES if other != prefix)
