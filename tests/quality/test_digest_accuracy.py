"""Rank errors that the t-digest's docstring promises, on shapes that served features have."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support import oracles

from nilometer.sketch import TDigest

Floats = np.ndarray[Any, np.dtype[np.float64]]

ROWS = 100_000
SHAPES = ("normal", "lognormal", "gamma", "poisson", "bimodal", "zeros")
MIDDLE = tuple(np.linspace(0.01, 0.99, 197).tolist())
TAILS = (0.001, 0.999)


def bounds(rows: int) -> tuple[tuple[tuple[float, ...], float], ...]:
    """Return the stated bounds of the rank error of *rows* observations, by shares."""
    return (MIDDLE, 0.001 + 0.2 / rows**0.5), (TAILS, 0.0005 + 0.02 / rows**0.5)


def rows_of(shape: str, count: int = ROWS, seed: int = 17) -> Floats:
    rng = np.random.default_rng(seed)
    match shape:
        case "normal":
            values = rng.normal(size=count)
        case "lognormal":
            values = rng.lognormal(0.0, 1.0, count)
        case "gamma":
            values = rng.gamma(0.3, 1.0, count)
        case "poisson":
            values = rng.poisson(3.0, count).astype(np.float64)
        case "bimodal":
            values = rng.normal(size=count) + np.where(rng.random(count) < 0.5, -1.5, 1.5)
        case "gap":
            values = rng.normal(size=count) + np.where(rng.random(count) < 0.5, -5.0, 5.0)
        case _:
            values = np.where(rng.random(count) < 0.6, 0.0, rng.lognormal(0.0, 1.0, count))
    return np.asarray(values)


def digests_of(values: Floats) -> dict[str, TDigest]:
    """Of the whole, of 1,000 parts at once, and of 1,000 parts one after the other."""
    parts = [TDigest.of(part) for part in np.array_split(values, 1000)]
    running = TDigest()
    for part in parts:
        running = running.merge(part)
    return {"whole": TDigest.of(values), "at once": TDigest.merge_all(parts), "running": running}


@pytest.mark.parametrize("shape", SHAPES)
def test_rank_error_is_smallest_at_the_tails(shape: str) -> None:
    values = rows_of(shape)
    ordered = np.sort(values)
    for way, digest in digests_of(values).items():
        assert digest.count == ROWS
        for shares, bound in bounds(ROWS):
            for q in shares:
                error = oracles.rank_error(ordered, float(digest.quantile(q)), q)
                assert error <= bound, f"{way}: rank error {error:.5f} at q = {q}"


@pytest.mark.parametrize("parts", [1, 64])
@pytest.mark.parametrize("rows", [1, 30, 300, 3000, 12_800])
def test_few_rows_keep_the_bound_in_one_part_as_in_many(rows: int, parts: int) -> None:
    for seed, shape in enumerate(SHAPES):
        values = rows_of(shape, rows, seed)
        ordered = np.sort(values)
        digest = TDigest.merge_all(map(TDigest.of, np.array_split(values, parts)))
        for shares, bound in bounds(rows):
            for q, found in zip(shares, digest.quantile(shares).tolist(), strict=True):
                assert oracles.rank_error(ordered, found, q) <= bound, (shape, q)


@pytest.mark.parametrize("shape", SHAPES)
def test_ranks_are_as_good_as_quantiles(shape: str) -> None:
    values = rows_of(shape)
    ordered = np.sort(values)
    at = np.quantile(ordered, np.linspace(0.001, 0.999, 499))
    exact = np.searchsorted(ordered, at, "right") / ROWS
    for way, digest in digests_of(values).items():
        error = float(np.abs(digest.rank(at) - exact).max())
        assert error <= bounds(ROWS)[0][1], f"{way}: rank error {error:.5f}"


def test_an_empty_gap_between_modes_costs_at_most_one_centroid() -> None:
    """One centroid spans the gap; it holds at most ``pi / (2.5 * compression)`` of the weight."""
    values = rows_of("gap")
    ordered = np.sort(values)
    for compression in (100.0, 200.0):
        digest = TDigest.of(values, compression)
        for q in np.linspace(0.4, 0.6, 201):
            error = oracles.rank_error(ordered, float(digest.quantile(q)), float(q))
            assert error <= np.pi / (2.5 * compression)


def test_sorted_rows_are_no_harder() -> None:
    values = np.sort(rows_of("lognormal"))
    for digest in digests_of(values).values():
        for q in (*MIDDLE, *TAILS):
            assert oracles.rank_error(values, float(digest.quantile(q)), q) <= bounds(ROWS)[0][1]


def test_more_compression_is_more_accurate() -> None:
    values = rows_of("normal")
    ordered = np.sort(values)
    shares = np.linspace(0.01, 0.99, 197)
    errors = [
        max(
            oracles.rank_error(ordered, float(value), float(q))
            for q, value in zip(
                shares, TDigest.of(values, compression).quantile(shares), strict=True
            )
        )
        for compression in (20.0, 100.0, 400.0)
    ]
    assert errors[0] > 2 * errors[1]
    assert errors[1] > errors[2]


FLIGHTS = Path(__file__).resolve().parents[2] / "examples" / "flights" / "data" / "train.parquet"


@pytest.mark.parametrize("column", ["minute", "distance", "dep_delay"])
def test_whole_numbers_of_real_flights_keep_their_ranks(column: str) -> None:
    """Minutes, miles: values that repeat are steps, and may not be smeared over their neighbours."""
    table = pq.read_table(FLIGHTS)
    (name,) = (name for name in table.column_names if name.rpartition(".")[2] == column)
    values = table.column(name).drop_null().to_numpy().astype(np.float64)
    ordered = np.sort(values)
    parts = [TDigest.of(part) for part in np.array_split(values, 250)]
    hours = [TDigest.merge_all(parts[at : at + 12]) for at in range(0, len(parts), 12)]
    for digest in (TDigest.of(values), TDigest.merge_all(parts), TDigest.merge_all(hours)):
        for shares, bound in bounds(values.size):
            for q in shares:
                assert oracles.rank_error(ordered, float(digest.quantile(q)), q) <= bound
