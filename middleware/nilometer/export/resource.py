"""Who exports: resource attributes of the standard environment variables and the pod.

``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` win over what we say; the manifests in
`deploy/` fill the latter from the downward API (`k8s.pod.name` and its like).
"""

import os
from collections.abc import Mapping
from importlib.metadata import version
from urllib.parse import unquote

MAX_ATTRIBUTES = 64
VERSION = version("nilometer")


def resource_attributes(
    service: str, instance: str, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Attributes of the process that exports.

    Args:
        service: Name where the environment gives none, such as ``nilometer-agent``.
        instance: What tells this process from its like.
        environment: Where the variables are; the process's own by default.
    """
    variables = os.environ if environment is None else environment
    attributes = {
        "service.name": service,
        "service.instance.id": instance,
        "service.version": VERSION,
    }
    for pair in variables.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")[:MAX_ATTRIBUTES]:
        key, separator, value = pair.partition("=")
        if separator and key.strip():
            attributes[unquote(key.strip())] = unquote(value.strip())
    attributes["service.name"] = variables.get("OTEL_SERVICE_NAME") or attributes["service.name"]
    return attributes
