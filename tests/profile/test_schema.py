from typing import Any

import numpy as np
import pytest
from support import strategies

from nilometer.compare import exact_reference_column
from nilometer.profile import Coverage, FeatureProfile, Reference, SummarySample
from nilometer.profile.schema import Schema
from nilometer.values.entity import SCHEMA
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window

WINDOW = Window(0, 60 * 10**9)


def sample(summary: str, cells: list[Any]) -> SummarySample:
    return SummarySample(
        entity="tested",
        summary=summary,
        labels=Labels.of(region="eu"),
        window=WINDOW,
        coverage=Coverage(profiled=len(cells)),
        content=strategies.feature_of(cells),
    )


def reference() -> Reference:
    columns: dict[str, list[Any]] = {
        "input.amount": [1.0, 2.0, 3.0, 4.0],
        "input.country": ["de", "fr", "de", None],
        "input.note": ["x", None, None, None],
        "output.score": [0.1, 0.2, 0.3, 0.4],
    }
    return Reference(
        entity="tested",
        name="training",
        rows=4,
        created_ns=0,
        source="train",
        columns={
            name: exact_reference_column(
                strategies.feature_of(cells),
                np.array([cell for cell in cells if isinstance(cell, float)]),
                4,
            )
            for name, cells in columns.items()
        },
        digest="",
    )


GOOD: dict[str, list[Any]] = {
    "input.amount": [1.0] * 10,
    "input.country": ["de"] * 10,
    "output.score": [0.5] * 10,
}


def changes(**columns: list[Any]) -> dict[str, int]:
    cells = GOOD | {name.replace("__", "."): column for name, column in columns.items()}
    features = {name: strategies.feature_of(column) for name, column in cells.items()}
    return Schema.of_reference(reference()).changes(features)


def test_what_the_reference_has_is_no_change_nor_is_an_optional_field_that_stays_away() -> None:
    assert changes() == {}
    assert changes(input__note=["x"] * 10) == {}


def test_a_new_field_a_vanished_one_and_another_type_are_changes_by_cells() -> None:
    assert changes(input__zip=["1", None, "2"]) == {"new:input.zip": 2}
    assert changes(input__country=[None] * 10) == {"vanished:input.country": 10}
    assert changes(input__amount=["1"] * 6 + [1.0] * 4) == {"changed:input.amount:number>string": 6}
    assert changes(input__amount=["1"] * 5 + [1.0] * 5) == {}


def test_without_any_field_of_a_role_nothing_of_it_has_vanished() -> None:
    schema = Schema.of_reference(reference())
    only_inputs = {name: strategies.feature_of(GOOD[name]) for name in GOOD if "input" in name}
    assert schema.changes(only_inputs) == {}
    assert schema.changes({}) == {}


def test_the_sample_counts_the_changes_and_a_window_without_one_counts_none() -> None:
    schema = Schema.of_reference(reference())
    samples = [sample(name, cells) for name, cells in GOOD.items()]
    fine = schema.sample(samples)
    assert fine is not None
    assert (fine.summary, fine.content.count, fine.labels) == (SCHEMA, 0, samples[0].labels)
    broken = schema.sample([*samples, sample("input.zip", ["1"] * 10)])
    assert broken is not None
    assert isinstance(broken.content, FeatureProfile)
    assert broken.content.categories.frequent.counts == {"new:input.zip": 10}
    assert schema.sample([]) is None


def test_a_declared_schema_says_what_is_optional_and_what_may_be_anything() -> None:
    schema = Schema.declared({"input.a": "number", "input.b": "string?", "input.c": "any"})
    features = {"input.a": strategies.feature_of([1.0]), "input.c": strategies.feature_of([[1]])}
    assert schema.changes(features) == {}
    assert schema.changes({"input.c": features["input.c"]}) == {"vanished:input.a": 1}


@pytest.mark.parametrize("fields", [{"amount": "number"}, {"input.a": "float"}, {"input.a": ""}])
def test_a_declaration_that_means_nothing_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="schema"):
        Schema.declared(fields)
