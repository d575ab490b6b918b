"""Recognises endpoints that never make predictions, and endpoints that only make predictions."""

import re
from functools import lru_cache

BODYLESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_PROBES = re.compile(
    r"(?:/ping|/health|/healthz|/livez|/readyz|/metrics|/version|/info|/openapi\.json|/docs|/v2"
    r"|/v[12]/health/(?:live|ready)|/health/(?:live|liveliness|liveness|ready|readiness|startup)"
    r"|/health-?check|/api/(?:tags|ps|version)"
    r"|/v1/models/[^/:]+(?:/(?:versions|labels)/[^/:]+)?/metadata"
    r"|/v[12]/models(?:/[^/:]+(?:/versions/[^/]+)?(?:/ready|/config|/stats)?)?"
    r"|/v2/repository/.*"
    r"|/inference\.GRPCInferenceService/(?!Model(?:Stream)?Infer$).*"
    r"|/grpc\.(?:health|reflection|channelz)\..*"
    r"|/ray\.(?:rpc|serve)\..*)"
)
_ANY_METHOD = ("/v2/repository/", "/inference.GRPCInferenceService/", "/grpc.", "/ray.")
# Endpoints that manage a server, with a body, on paths that no application has by chance. For other
# paths, `nilometer.decode.management` looks at the body. Sources: the API references of Triton and
# Ollama.
_MANAGEMENT = re.compile(
    r"/v2/(?:system|cuda)sharedmemory/(?:.*/)?(?:un)?register"
    r"|/v2/(?:models/[^/:]+(?:/versions/[^/]+)?/)?trace/setting|/v2/logging"
    r"|/api/blobs/sha256:[0-9a-f]+"
)


# Endpoints that only make predictions; a body that no decoder reads there is broken.
_INFERENCE = re.compile(
    r".*/v[12]/models/[^/:]+(?:/(?:versions|labels)/[^/:]+)?"
    r"(?::\w*[Pp]redict|:(?:classify|regress|explain)|/(?:infer|generate|generate_stream))"
    r"|.*/(?:invocations|v1/(?:chat/completions|completions|embeddings|responses|messages))"
    r"|/inference\.GRPCInferenceService/Model(?:Stream)?Infer"
)


@lru_cache(maxsize=1024)
def is_inference(method: str, path: str) -> bool:
    """Return whether an endpoint of a protocol only makes predictions."""
    return method not in BODYLESS and _INFERENCE.fullmatch(path) is not None


@lru_cache(maxsize=1024)
def is_probe(method: str, path: str) -> bool:
    """Return whether a request is a probe or asks for metadata, and so is not a prediction."""
    if method not in BODYLESS and not path.startswith(_ANY_METHOD):
        return _MANAGEMENT.fullmatch(path.rstrip("/")) is not None
    return _PROBES.fullmatch(path.rstrip("/") or "/") is not None
