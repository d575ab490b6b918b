"""The GenAI conventions, read from `genai.toml`, because their names are not stable yet."""

import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from nilometer.export.metric import Metric
from nilometer.export.telemetry import METRICS


@dataclass(frozen=True, slots=True)
class GenAI:
    """The mapping from nilometer's names to the GenAI conventions.

    Attributes:
        provider: Value of `gen_ai.provider.name`.
        operations: Operations by the suffix of a path, longest suffix first.
        measures: Metrics by the measured quantity of an observation.
        tokens: Token types by summary.
    """

    provider: str
    operations: tuple[tuple[str, str], ...]
    measures: dict[str, Metric]
    tokens: dict[str, str]


@cache
def genai() -> GenAI:
    """Return the mapping that ships with nilometer."""
    raw = tomllib.loads(files("nilometer.export").joinpath("genai.toml").read_text("utf-8"))
    metrics = {metric.name: metric for metric in METRICS}
    ends = sorted(raw["operations"].items(), key=lambda item: -len(item[0]))
    return GenAI(
        provider=raw["provider"],
        operations=tuple(ends),
        measures={measure: metrics[name] for measure, name in raw["measures"].items()},
        tokens=dict(raw["tokens"]),
    )


@lru_cache(maxsize=1024)
def operation_of(path: str) -> str:
    """Return the operation of a request to *path*; empty if it is not generative."""
    return next((name for end, name in genai().operations if path.endswith(end)), "")
