"""Finds the model of a request: the name and version in its path or in its bodies.

The path takes precedence over the bodies, and the request over its response. Servers complete what
a client omits: a response of the Open Inference Protocol names the version that was used.
"""

import re
from collections.abc import Collection
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
# are forms, but `model` in them is the name of the model. Applications of users have such paths, too,
# where `model` may be a feature: the name of a car. So the body must have a field of that API.
_NAMES_MODEL = re.compile(
    r"(?:.*/)?(?P<of>rerank|score|pooling|classify|moderations|api/embed(?:dings)?"
    r"|audio/(?:speech|transcriptions|translations)|images/(?:generations|edits|variations))/?"
)
_FIELDS = {
    "rerank": {"query", "documents", "texts"},
    "score": {"text_1", "text_2", "queries"},
    "pooling": {"input", "messages"},
    "classify": {"input", "messages"},
    "moderations": {"input"},
    "api/embed": {"input"},
    "api/embeddings": {"prompt"},
    "audio/speech": {"input"},
    "audio/transcriptions": {"file.bytes", "url"},
    "audio/translations": {"file.bytes"},
    "images/generations": {"prompt"},
    "images/edits": {"prompt"},
    "images/variations": {"image.bytes"},
}
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


def names_model(path: str, fields: Collection[str]) -> bool:
    """Return whether the field `model` of free JSON or of a form names the model.

    Args:
        path: Path of the request.
        fields: Fields of its body. A file of a form has the field ``name.bytes``.
    """
    marks = fields_beside_model(path)
    return not marks.isdisjoint(fields)


@lru_cache(maxsize=1024)
def fields_beside_model(path: str) -> frozenset[str]:
    """Return the fields that bodies on *path* have if their `model` names the model; may be empty."""
    found = _NAMES_MODEL.fullmatch(path)
    return frozenset(_FIELDS[found["of"]]) if found else frozenset()


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
