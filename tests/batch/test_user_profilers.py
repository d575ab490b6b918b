import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nilometer.batch.profile import profile_of
from nilometer.batch.reference import reference_of
from nilometer.profile import FeatureProfile, FeatureSpec
from nilometer.profile.profiler import Profiler
from nilometer.profiling.observation import Observation
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.user_profilers import Runner
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels

ROWS = [{"prompt": f"please number {at} " + "x" * (at % 90), "amount": at / 7} for at in range(200)]


def made(function: Callable[[Any], Any], *columns: str) -> Profiler:
    return Profiler(name="mine", version="1", columns=columns or ("input.*",), function=function)


def words(batch: Any) -> Any:
    return {"polite": ["please" in text for text in batch["input.prompt"]]}


def live() -> dict[str, FeatureProfile]:
    profiling = Profiling(
        "tested", Labels(), 60 * 10**9, spec_of=lambda _: FeatureSpec(readable=True),
        user_profilers=Runner([made(words, "input.prompt")]),
    )  # fmt: skip
    for row in ROWS:
        body = json.dumps(row).encode()
        kind = "application/json"
        profiling.observe(
            [
                Observation(
                    1, 0.1, 200, "ok", "POST", "/", len(body), 1, kind, "", kind, "", body, b"1"
                )
            ]
        )
    (profile,) = profiling.take()
    return {
        sample.summary: sample.content
        for sample in profile.samples()
        if isinstance(sample.content, FeatureProfile) and sample.summary.startswith("input.")
    }


def test_the_same_rows_give_the_same_profiles_live_and_in_batch() -> None:
    ours = live()
    theirs = profile_of(
        pa.table({key: [row[key] for row in ROWS] for key in ROWS[0]}),
        profilers=[made(words, "input.prompt")],
    )
    assert set(ours) == set(theirs)
    assert {"input.prompt.characters", "input.mine.polite"} <= set(ours)
    for summary, feature in ours.items():
        other = theirs[summary]
        assert feature.types == other.types
        assert feature.numbers.moments == other.numbers.moments
        assert feature.categories.frequent == other.categories.frequent


def test_a_reference_has_what_was_derived_and_what_profilers_made() -> None:
    table = pa.table(
        {
            "prompt": [row["prompt"] for row in ROWS],
            "vector": np.random.default_rng(1).normal(size=(200, 20)).tolist(),
        }
    )
    reference = reference_of(
        table, entity="tested", name="training", source="x", created_ns=0,
        profilers=[made(words, "input.prompt")],
    )  # fmt: skip
    assert reference.columns["input.prompt.characters"].edges
    assert reference.columns["input.vector"].embedding is not None
    assert reference.columns["input.vector.pc16"].edges
    assert reference.columns["input.mine.polite"].feature.categories.total == 200
    spec = reference.spec("input.vector")
    assert spec is not None
    assert spec.embedding is reference.columns["input.vector"].embedding


def boom(_: Any) -> Any:
    raise RuntimeError("boom")


def test_over_a_table_a_fault_is_an_error() -> None:
    with pytest.raises(NilometerError, match="mine \\(raised\\)"):
        profile_of(pa.table({"a": [1.0]}), profilers=[made(boom)])
