import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.profile import FeatureRecorder
from nilometer.profile.derived import Derivation, Kind
from nilometer.profile.derived.text import is_prompt, text_columns
from nilometer.profile.derived.timestamps import timestamp_columns, unix_seconds
from nilometer.profile.derived.vectors import Embedding, tensor_columns, vector_columns
from nilometer.values.steps import finished


@given(st.lists(st.text(max_size=30), min_size=1, max_size=10))
def test_text_is_its_lengths_and_shares_as_each_text_alone_has_them(texts: list[str]) -> None:
    columns = finished(text_columns(texts))
    for at, text in enumerate(texts):
        size = max(len(text), 1)
        expected = {
            "characters": len(text),
            "words": text.count(" ") + text.count("\n") + 1 if text else 0,
            "lines": text.count("\n") + 1 if text else 0,
            "digit_share": sum(c in "0123456789" for c in text) / size,
            "upper_share": sum(c.isascii() and c.isupper() for c in text) / size,
            "whitespace_share": sum(c.isascii() and c.isspace() for c in text) / size,
            "non_ascii_share": sum(not c.isascii() for c in text) / size,
        }
        for name, value in expected.items():
            assert columns[name][at] == pytest.approx(value), (name, text)


def test_a_column_is_text_from_its_first_long_string_on() -> None:
    derivation = Derivation()
    assert derivation.columns("input.a", ["short"] * 100) == {}
    found = derivation.columns("input.a", ["short", "x" * 65])
    assert found["input.a.characters"].tolist() == [5, 65]  # type: ignore[union-attr]  # an array
    assert derivation.kind("input.a", ["short"], "") is Kind.TEXT
    assert derivation.kind("input.b", ["short"], "") is Kind.PLAIN


def test_times_are_their_hour_weekday_and_age() -> None:
    cells = [
        datetime(2026, 11, 23, 6, 30, tzinfo=UTC),
        None,
        date(2026, 11, 22),
        "2026-11-23T00:00",
    ]
    now = int(datetime(2026, 11, 23, 7, tzinfo=UTC).timestamp()) * 10**9
    columns = timestamp_columns(cells, now)
    assert np.asarray(columns["hour"]).tolist() == [6.5, 0.0, 0.0]
    assert columns["weekday"] == ["mon", "sun", "mon"]
    assert np.asarray(columns["age"]).tolist() == [1800.0, 31 * 3600.0, 7 * 3600.0]
    assert timestamp_columns([None, "soon", 7], 0) == {}


@pytest.mark.parametrize("cell", [np.datetime64("NaT"), "not a time", 1.5, None, [], "9999-99-99"])
def test_what_is_no_time_has_no_row(cell: Any) -> None:
    assert unix_seconds(cell) is None


@pytest.mark.parametrize(
    "name",
    [
        "prompt",
        "user_message",
        "generatedText",
        "generated_text",
        "a.b.content",
        "system-prompt",
        "TEXT",
    ],
)
def test_a_column_with_the_name_of_a_prompt_is_text_at_once(name: str) -> None:
    summary = f"input.{name}"
    assert is_prompt(summary)
    found = Derivation().columns(summary, ["hi", None, "hi there"])
    assert found[f"{summary}.words"].tolist() == [1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["promptness", "context_id", "text_color", "country", "messages.0"]
)
def test_other_names_are_no_prompts(name: str) -> None:
    assert not is_prompt(f"input.{name}")


def test_text_that_should_be_times_is_read_as_times() -> None:
    found = Derivation().columns("input.at", ["2026-11-23T06:00:00Z"], expected="timestamp")
    assert set(found) == {"input.at.hour", "input.at.weekday", "input.at.age"}


def embeddings(count: int, shift: float = 0.0) -> Any:
    rng = np.random.default_rng(7)
    latent = rng.normal(size=(count, 24)) * np.linspace(3, 0.5, 24)
    latent[:, 0] += shift
    return latent @ np.linalg.qr(np.random.default_rng(1).normal(size=(64, 24)))[0].T


def test_vectors_are_their_norm_and_their_coordinates_in_the_reference() -> None:
    vectors = embeddings(500)
    embedding = Embedding.of(vectors)
    assert embedding is not None
    columns = vector_columns(vectors, embedding)
    assert set(columns) == {"norm", "cosine", *(f"pc{at:02d}" for at in range(1, 17))}
    assert columns["norm"] == pytest.approx(np.linalg.norm(vectors, axis=1))
    centred = vectors - vectors.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2]
    for at in range(16):
        ours = columns[f"pc{at + 1:02d}"]
        assert np.abs(ours) == pytest.approx(np.abs(centred @ directions[at]), abs=1e-4)
    deviations = [columns[f"pc{at + 1:02d}"].std() for at in range(16)]
    assert deviations == sorted(deviations, reverse=True)


def test_a_shift_of_one_direction_is_seen_in_a_coordinate() -> None:
    embedding = Embedding.of(embeddings(2000))
    moved = vector_columns(embeddings(2000, shift=1.5), embedding)
    still = vector_columns(embeddings(2000), embedding)
    shifts = [
        abs(moved[name].mean() - still[name].mean()) / still[name].std()
        for name in moved
        if name.startswith("pc")
    ]
    assert max(shifts) > 0.4


def test_vectors_of_another_size_than_the_reference_have_reductions() -> None:
    embedding = Embedding.of(embeddings(100))
    assert set(vector_columns(np.ones((3, 5)), embedding)) == {"norm", "mean", "std", "zero_share"}


@pytest.mark.parametrize(
    ("cells", "names", "sizes"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], {"size", "norm", "mean", "std", "zero_share"}, [2, 2]),
        ([[1.0], [1.0, 2.0]], {"size", "norm", "mean", "std", "zero_share"}, [1, 2]),
        ([[], [1.0]], {"size", "norm", "mean", "std", "zero_share"}, [0, 1]),
        ([[], []], {"size"}, [0, 0]),
        ([["a", "b"], ["c"]], {"size"}, [2, 1]),
        ([[1.0, [2.0]]], {"size"}, [2]),
        ([[[1.0, 2.0]], [[3.0, 4.0]]], {"size", "mean", "std", "min", "max", "zero_share"}, [1, 1]),
        (np.zeros((2, 0)), {"size"}, [0, 0]),
        (np.zeros((2, 3, 4)), {"size", "mean", "std", "min", "max", "zero_share"}, [3, 3]),
        (np.array([["a", "b"]]), {"size"}, [2]),
    ],
)
def test_ragged_empty_and_odd_tensors_are_counted(cells: Any, names: set[str], sizes: Any) -> None:
    found = Derivation().columns("input.x", cells)
    assert {name.removeprefix("input.x.") for name in found} == names
    assert np.asarray(found["input.x.size"]).tolist() == sizes


@given(strategies.columns)
def test_any_cells_give_columns_that_can_be_profiled(cells: list[Any]) -> None:
    for column in Derivation().columns("input.x", cells).values():
        recorder = FeatureRecorder()
        recorder.observe(column)
        assert recorder.profile().cells == len(column)


def test_images_are_reduced_as_asked_for() -> None:
    images = np.arange(24, dtype=np.float64).reshape(2, 2, 2, 3)
    found = tensor_columns(images, ("range", "l1"))
    assert found["range"].tolist() == [11.0, 11.0]
    assert found["l1"].tolist() == [66.0, 210.0]


def test_infinities_and_nan_in_vectors_become_numbers_of_no_value() -> None:
    found = vector_columns(np.array([[math.nan, 1.0], [math.inf, 1.0]]), None)
    recorder = FeatureRecorder()
    recorder.observe(found["norm"])
    assert recorder.profile().non_finite == 2
