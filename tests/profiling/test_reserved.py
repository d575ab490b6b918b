"""A name means one thing: no field of a client is mixed with a column that is made of others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from nilometer.profile import FeatureProfile, FeatureSpec, ScoreProfile, SummarySample
from nilometer.profile.profiler import Batch, Profiler
from nilometer.profiling.observation import pack
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.user_profilers import Runner
from nilometer.values.labels import Labels

MINUTE = 60 * 10**9
TEXT = "a text that is longer than sixty-four characters, so that it never is a category"
NAME_OF_SCORES = "output.p.scores"


def profiling(**more: Any) -> Profiling:
    return Profiling("tested", Labels(), MINUTE, **more)


def observe(one: Profiling, *rows: tuple[object, object], label: str = "") -> None:
    """Observe requests, one batch each, with these bodies."""
    for request, response in rows:
        bodies = [msgspec.json.encode(request), msgspec.json.encode(response)]
        row = (
            *(1_700_000_040 * 10**9, 0.01, 200, "ok", "POST", "/", len(bodies[0]), len(bodies[1])),
            *("application/json", "", "application/json", "", *bodies, ""),
        )
        one.observe_packed(pack([row]))
        one.settle()


def taken(one: Profiling) -> tuple[dict[str, SummarySample], Counter[str]]:
    """The samples by summary, each of which is there once; and the unnamed cells by type."""
    (profile,) = one.take()
    samples = profile.samples()
    found = {sample.summary: sample for sample in samples}
    assert len(found) == len(samples)
    return found, Counter(profile.coverage.unnamed)


def scored(summary: str) -> FeatureSpec:
    return FeatureSpec(score=(0.5,) if summary == "output.p" else None)


SCORED = ({}, {"p": 0.25})
BOTH = ({}, {"p": 0.75, "p.scores": "x"})
FIELD = ({}, {"p.scores": "x"})


@pytest.mark.parametrize(
    "rows",
    [[BOTH, BOTH], [SCORED, BOTH], [BOTH, SCORED], [SCORED, FIELD, SCORED]],
)
def test_the_name_of_scores_is_no_fields(rows: Sequence[tuple[object, object]]) -> None:
    one = profiling(spec_of=scored)
    observe(one, *rows)
    found, unnamed = taken(one)
    scores = found[NAME_OF_SCORES].content
    assert isinstance(scores, ScoreProfile)
    assert scores.count == sum("p" in row[1] for row in rows)  # type: ignore[operator]
    assert unnamed == {"string": sum("p.scores" in row[1] for row in rows)}  # type: ignore[operator]


def test_a_field_that_came_before_loses_the_name_of_scores() -> None:
    one = profiling(spec_of=scored)
    observe(one, FIELD)
    first, _ = taken(one)
    assert isinstance(first[NAME_OF_SCORES].content, FeatureProfile)
    observe(one, BOTH, BOTH)
    later, unnamed = taken(one)
    assert isinstance(later[NAME_OF_SCORES].content, ScoreProfile)
    assert unnamed == {"string": 2}


def test_without_scores_the_name_is_a_fields() -> None:
    one = profiling()
    observe(one, BOTH, ({}, {"prediction": {"scores": [0.5, 0.5]}}))
    found, unnamed = taken(one)
    assert isinstance(found[NAME_OF_SCORES].content, FeatureProfile)
    assert "output.prediction.scores" in found
    assert not unnamed


DERIVED = {
    "text": (TEXT, "words"),
    "time": ("2024-01-01T00:00:00Z", "age"),
    "vector": ([1.0, 2.0, 3.0], "norm"),
    "tensor": ([[1.0, 2.0], [3.0, 4.0]], "mean"),
    "list": (["a", "b"], "size"),
}


def spec_of_times(summary: str) -> FeatureSpec:
    return FeatureSpec(expected="timestamp" if summary == "input.time" else "")


@pytest.mark.parametrize("name", DERIVED)
def test_a_derived_column_takes_no_cells_of_a_field(name: str) -> None:
    value, suffix = DERIVED[name]
    one = profiling(spec_of=spec_of_times)
    plain = {"a": 1, name: value}
    observe(one, *[(plain, 1)] * 3, ({**plain, f"{name}.{suffix}": "a field"}, 1))
    found, unnamed = taken(one)
    derived = found[f"input.{name}.{suffix}"].content
    assert isinstance(derived, FeatureProfile)
    assert derived.types == {"number": 4}
    assert unnamed == {"string": 1}


@pytest.mark.parametrize("name", DERIVED)
def test_a_field_that_came_first_keeps_its_name(name: str) -> None:
    value, suffix = DERIVED[name]
    one = profiling(spec_of=spec_of_times)
    field = f"{name}.{suffix}"
    observe(one, ({field: "a field"}, 1), *[({name: value, field: "a field"}, 1)] * 3)
    found, unnamed = taken(one)
    kept = found[f"input.{field}"].content
    assert isinstance(kept, FeatureProfile)
    assert kept.types == {"string": 4}
    assert not unnamed
    assert one._names.over_limit == 3


def test_label_sets_of_one_entity_agree() -> None:
    first = profiling()
    observe(first, ({"text": TEXT}, 1))
    second = profiling(names=first._names)
    observe(second, ({"text.words": "a field"}, 1))
    found, unnamed = taken(second)
    assert "input.text.words" not in found
    assert unnamed == {"string": 1}


def test_a_column_of_a_users_profiler_takes_no_cells_of_a_field() -> None:
    def lengths(batch: Batch) -> Mapping[str, object]:
        return {"length": np.ones(len(batch["input.a"]))}

    mine = Profiler(name="mine", version="1", columns=("input.a",), function=lengths)
    one = profiling(user_profilers=Runner([mine]))
    observe(one, ({"a": 1}, 1), ({"a": 1, "mine": {"length": "a field"}}, 1))
    found, unnamed = taken(one)
    made = found["input.mine.length"].content
    assert isinstance(made, FeatureProfile)
    assert made.types == {"number": 2}
    assert unnamed == {"string": 1}
