"""Detects requests that are not predictions: probes, metadata, documentation."""

import re
from functools import lru_cache

BODYLESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_PROBES = re.compile(
    r"(?:/ping|/health|/healthz|/livez|/readyz|/metrics|/version|/info|/openapi\.json|/docs|/v2"
    r"|/v[12]/health/(?:live|ready)"
    r"|/v[12]/models(?:/[^/:]+(?:/versions/[^/]+)?(?:/ready|/config|/stats)?)?"
    r"|/v2/repository/.*"
    r"|/inference\.GRPCInferenceService/(?!Model(?:Stream)?Infer$).*"
    r"|/grpc\.(?:health|reflection)\..*)"
)
_ANY_METHOD = ("/v2/repository/", "/inference.GRPCInferenceService/", "/grpc.")


@lru_cache(maxsize=1024)
def is_probe(method: str, path: str) -> bool:
    """Return whether a request is a probe or asks for metadata, not for a prediction."""
    if method not in BODYLESS and not path.startswith(_ANY_METHOD):
        return False
    return _PROBES.fullmatch(path.rstrip("/") or "/") is not None
