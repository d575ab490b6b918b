"""The resource attributes of the exporting process, from standard variables and the pod.

``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` take precedence. The manifests in `deploy/`
fill the latter from the downward API, for example `k8s.pod.name`.
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
    """Return the attributes of the exporting process.

    Args:
        service: Service name, such as ``nilometer-agent``, if the environment has none.
        instance: Identifier that is unique among equal processes.
        environment: Environment variables; default: those of the process.
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
