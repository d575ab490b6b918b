"""Declared summaries: what a summary means, and how far it may be from normal."""

import math
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from nilometer.values.entity import NAME
from nilometer.values.errors import ConfigError
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, NO_CONTROL
from nilometer_collector.limits.references import MAX_EDGES

KIND = "summary"  # name of the kind among declared objects
MOST_DESCRIPTION = 4000  # characters
MOST_UNIT = 64  # characters

DataType: TypeAlias = Literal[
    "",
    "distribution",
    "categories",
    "number",
    "string",
    "table",
    "matrix",
    "line",
    "confusion_matrix",
    "score_histogram",
]


class SummaryDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user says about a summary. It may be declared before its first sample.

    Attributes:
        entity: Name of the entity.
        name: Name of the summary, such as ``input.amount``.
        data_type: Type of its samples; empty leaves it open.
        unit: Unit of its numbers, such as ``EUR``.
        description: Meaning, in one line.
        tolerance: Largest distance from normal that is not drift for the default alerter, in standard
            deviations of the reference; None leaves it to the rules of the default alerter.
        share_tolerance: The same for shares, such as the share of missing cells.
        edges: Edges of its numbers in references that are computed from stored windows, ascending;
            without any, they are quantiles.
    """

    entity: Annotated[str, Meta(pattern=f"^{NAME.pattern}$")]
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)]
    data_type: DataType = ""
    unit: Annotated[str, Meta(max_length=MOST_UNIT, pattern=NO_CONTROL)] = ""
    description: Annotated[str, Meta(max_length=MOST_DESCRIPTION, pattern=NO_CONTROL)] = ""
    tolerance: Annotated[float, Meta(gt=0, le=100)] | None = None
    share_tolerance: Annotated[float, Meta(gt=0, le=1)] | None = None
    edges: Annotated[list[float], Meta(max_length=MAX_EDGES)] = []

    def check(self) -> None:
        """Refuse edges that are not ascending, or that the data type does not have.

        Raises:
            ConfigError: The message begins with the key.
        """
        if not all(map(math.isfinite, self.edges)):
            raise ConfigError("edges: must be finite numbers")
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ConfigError("edges: must be strictly ascending")
        if self.edges and self.data_type not in {"", "distribution"}:
            raise ConfigError(f"edges: a summary of the type {self.data_type} has none")
