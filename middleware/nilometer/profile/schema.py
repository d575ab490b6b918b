"""Compares a window's fields with the expected schema; the changes become a summary.

The summary `schema` counts cells by the problem of their field. ``new:input.x`` is an unknown
field, ``vanished:input.y`` is a missing field, ``changed:input.z:number>string`` has another type.
A window without a problem has a count of 0, so that an alerter notices when a problem ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nilometer.profile.category import CategoryProfile
from nilometer.profile.feature import STRING, FeatureProfile
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample
from nilometer.sketch.frequent import DEFAULT_CAPACITY, Frequent
from nilometer.values.entity import SCHEMA, Role, role_of
from nilometer.values.errors import ConfigError

OPTIONAL_FROM = 0.5  # share of missing cells in a reference from which a field is optional
TYPES = frozenset({"number", "string", "boolean", "timestamp", "bytes", "list", "object"})


@dataclass(frozen=True, slots=True)
class Field:
    """The expected properties of one field.

    Attributes:
        type: Expected type, one of `TYPES`; empty allows any type.
        required: Whether it is a change if the field is absent from a whole window.
    """

    type: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """The expected fields of an entity by summary name, such as ``input.amount``."""

    fields: Mapping[str, Field]

    @classmethod
    def of_reference(cls, reference: Reference) -> "Schema":
        """Return the schema of a reference's columns."""
        fields = {}
        for summary, column in reference.columns.items():
            cells = column.feature.cells
            absent = column.feature.missing / cells if cells else 1.0
            fields[summary] = Field(column.expected, required=absent < OPTIONAL_FROM)
        return cls(fields)

    @classmethod
    def declared(cls, fields: Mapping[str, str]) -> "Schema":
        """Return the schema in ``{"input.amount": "number", "input.note": "string?"}``.

        A question mark makes a field optional; ``any`` allows every type.

        Raises:
            ConfigError: If a summary has no role or a type is unknown.
        """
        found = {}
        for summary, text in fields.items():
            kind = text.removesuffix("?")
            if role_of(summary) is None:
                raise ConfigError(
                    f"schema.{summary}: must begin with input., output. or ground_truth."
                )
            if kind != "any" and kind not in TYPES:
                raise ConfigError(
                    f"schema.{summary} = {text!r}: must be any or one of {', '.join(sorted(TYPES))}"
                )
            found[summary] = Field("" if kind == "any" else kind, required=not text.endswith("?"))
        return cls(found)

    def changes(self, features: Mapping[str, FeatureProfile]) -> dict[str, int]:
        """Return the changes in *features* of one window: their names and numbers of cells.

        A field can vanish only if other fields of its role exist; otherwise nothing was decoded.
        """
        found: dict[str, int] = {}
        rows: dict[Role | None, int] = {}
        for summary, feature in sorted(features.items()):
            present = feature.cells - feature.missing
            if not present:
                continue
            role = role_of(summary)
            rows[role] = max(rows.get(role, 0), feature.cells)
            field = self.fields.get(summary)
            if field is None:
                found[f"new:{summary}"] = present
            elif field.type:
                for kind, cells in sorted(feature.types.items()):
                    if kind != field.type and 2 * cells > present:
                        found[f"changed:{summary}:{field.type}>{kind}"] = cells
        for summary, field in sorted(self.fields.items()):
            feature = features.get(summary, FeatureProfile())
            role = role_of(summary)
            if field.required and role in rows and feature.cells == feature.missing:
                found[f"vanished:{summary}"] = rows[role]
        return found

    def sample(self, samples: Iterable[SummarySample]) -> SummarySample | None:
        """Return the `schema` sample for a window and label set; None without features."""
        features: dict[str, FeatureProfile] = {}
        first: SummarySample | None = None
        for sample in samples:
            if isinstance(sample.content, FeatureProfile):
                features[sample.summary] = sample.content
                first = first or sample
        if first is None:
            return None
        changes = self.changes(features)
        total = sum(changes.values())
        ranked = sorted(changes.items(), key=lambda item: (-item[1], item[0]))[:DEFAULT_CAPACITY]
        content = FeatureProfile(
            types={STRING: total} if total else {},
            categories=CategoryProfile(Frequent(DEFAULT_CAPACITY, total, dict(ranked))),
        )
        return SummarySample(
            entity=first.entity,
            summary=SCHEMA,
            labels=first.labels,
            window=first.window,
            coverage=first.coverage,
            content=content,
            sample=first.sample,
        )
