"""The template of a request's route, read from the framework after the request was served."""

import re
from collections.abc import Mapping

from nilometer.capture.types import Environ, Scope

MAX_ROUTE = 256  # characters
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def route_of(scope: Scope, path: str) -> str:
    """Return the route template of Starlette or FastAPI, such as ``/items/{id}``; may be empty.

    The route in the scope may lack the prefixes of mounts and included routers. These prefixes are
    read from the start of the path, with parameter values replaced by their names.

    Args:
        scope: Scope of a request that was served.
        path: Path of the request below the root path of the application.
    """
    values = scope.get("path_params")
    named = {str(value): name for name, value in values.items()} if values else {}
    template = getattr(scope.get("route"), "path", None)
    if not isinstance(template, str):
        return _named(path, named)[:MAX_ROUTE] if named else ""
    template = _PARAMETER.sub(r"{\1}", template)
    end = _PARAMETER.sub(lambda found: str((values or {}).get(found[1], "")), template)
    if not path.endswith(end):
        return template[:MAX_ROUTE]
    return (_named(path[: len(path) - len(end)], named) + template)[:MAX_ROUTE]


def wsgi_route_of(environ: Environ) -> str:
    """Return the route template of Flask, such as ``/items/<id>``; may be empty."""
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", "")
    return rule[:MAX_ROUTE] if isinstance(rule, str) else ""


def _named(path: str, names: Mapping[str, str]) -> str:
    """Return *path* with each parameter value replaced by ``{name}``."""
    return "/".join(
        f"{{{names[part]}}}" if part and part in names else part for part in path.split("/")
    )
