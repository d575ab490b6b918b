"""Finds the model of a request: the name and version in its path or in its bodies.

The path takes precedence over the bodies, and the request over its response. Servers complete what
a client omits: a response of the Open Inference Protocol names the version that was used.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from nilometer.decode.facts import Facts

_VERBS = (
    "infer|predict|explain|classify|regress|generate|generate_stream|invoke|invocations|ready|stats"
    "|config|metadata|chat/completions|completions|embeddings|responses"
)
_PATHS = re.compile(
    # KServe, TensorFlow Serving, Triton, MLServer, Vertex and Gemini, SageMaker multi-model
    # endpoints
    r"(?:.*/)?models/(?P<model>[^/:]+)(?:/(?:versions|labels)/(?P<version>[^/:]+))?"
    rf"(?:(?::\w+|/(?:{_VERBS}))/?)?"
    # Azure
    rf"|(?:.*/)?deployments/(?P<deployment>[^/:]+)/(?:{_VERBS})/?"
    # TorchServe
    r"|/(?:predictions|explanations)/(?P<served>[^/:]+)(?:/(?P<of_served>[^/:]+))?/?"
)
# Other endpoints of OpenAI-style servers and of Ollama. Their bodies have the shape of free JSON, or
# are forms, but `model` in them is the name of the model.
_NAMES_MODEL = re.compile(
    r"(?:.*/)?(?:rerank|score|pooling|classify|moderations|api/embed(?:dings)?"
    r"|audio/(?:speech|transcriptions|translations)|images/(?:generations|edits|variations))/?"
)
_PARTS = (("model", "version"), ("deployment", ""), ("served", "of_served"))


class Said(NamedTuple):
    """The model that a request names.

    Attributes:
        model: Name of the model; may be empty.
        version: Version of the model; may be empty.
    """

    model: str = ""
    version: str = ""


NOTHING_SAID = Said()


@lru_cache(maxsize=1024)
def said_by_path(path: str) -> Said:
    """Return the model that the path of a request names."""
    found = _PATHS.fullmatch(path)
    if found is None:
        return NOTHING_SAID
    for model, version in _PARTS:
        if found[model]:
            return Said(found[model], (version and found[version]) or "")
    return NOTHING_SAID


@lru_cache(maxsize=1024)
def names_model(path: str) -> bool:
    """Return whether the field `model` of free JSON or of a form on this path names the model."""
    return _NAMES_MODEL.fullmatch(path) is not None


def said_by(path: str, request: Facts | None, response: Facts | None) -> Said:
    """Return the model that a request and its response name together.

    Args:
        path: Path of the request.
        request: Facts of the request body; None if it was not decoded.
        response: Facts of the response body; None if it was not decoded.
    """
    model, version = said_by_path(path)
    for facts in (request, response):
        if facts is not None:
            model = model or facts.model
            version = version or facts.model_version
    return Said(model, version) if model or version else NOTHING_SAID
