"""Sums of the prediction by bin of each input, for rows of the same request."""

import dataclasses
import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.decode import Side
from nilometer.profile import Bounds, FeatureProfile, FeatureSpec
from nilometer.profile.bin_sums import BinSums, SumKey, Summed, means
from nilometer.profile.category import Dictionary
from nilometer.profile.cell_bins import CellBins
from nilometer.profiling.found import Found, aligned
from nilometer.profiling.observation import Observation, pack
from nilometer.profiling.predicted import values_of
from nilometer.profiling.profiling import Profiling
from nilometer.values.labels import Labels
from nilometer.values.steps import finished

MINUTE = 60 * 10**9
START = 1_700_000_040 * 10**9
EDGES = (0.0, 10.0, 20.0)
METHODS = Dictionary(("cash", "card"))
BITS = 10
SPECS = {
    "input.amount": FeatureSpec(bounds=Bounds(edges=EDGES)),
    "input.method": FeatureSpec(dictionary=METHODS),
    "output.score": FeatureSpec(bounds=Bounds(edges=(0.25, 0.5, 0.75)), summed=Summed(BITS)),
}
AMOUNT = CellBins(EDGES, None)
METHOD = CellBins((), METHODS)
Row = tuple[dict[str, Any], dict[str, Any]]  # one input row and its output row


def spec_of(summary: str) -> FeatureSpec:
    return SPECS.get(summary, FeatureSpec())


def request(inputs: Any, outputs: Any, path: str = "/predict") -> Observation:
    body, answer = json.dumps(inputs).encode(), json.dumps(outputs).encode()
    return Observation(
        arrival_ns=START, latency=0.25, status=200, outcome="ok", method="POST", path=path,
        request_size=len(body), response_size=len(answer), request_type="application/json",
        request_encoding="", response_type="application/json", response_encoding="",
        request_body=body, response_body=answer,
    )  # fmt: skip


def kserve(rows: list[Row]) -> Observation:
    inputs, outputs = [row[0] for row in rows], [row[1] for row in rows]
    return request({"instances": inputs}, {"predictions": outputs}, "/v1/models/m:predict")


def profiles(profiling: Profiling) -> dict[str, FeatureProfile]:
    found: dict[str, list[FeatureProfile]] = {}
    for profile in profiling.take():
        for sample in profile.samples():
            if isinstance(sample.content, FeatureProfile):
                found.setdefault(sample.summary, []).append(sample.content)
    return {summary: FeatureProfile.merge_all(parts) for summary, parts in found.items()}


def profiled(*batches: list[Observation], specs: dict[str, FeatureSpec] = SPECS) -> dict[str, Any]:
    profiling = Profiling(
        "m", Labels(), MINUTE, spec_of=lambda summary: specs.get(summary, FeatureSpec())
    )
    for batch in batches:
        profiling.observe_packed(pack(batch))
    return profiles(profiling)


def sums_of(feature: FeatureProfile, bins: CellBins, value: str = "output.score") -> BinSums:
    return feature.sums[SumKey(value, bins.bins)]


def expected(rows: list[Row], name: str, bins: CellBins) -> dict[int, tuple[int, int]]:
    """The rows and the sum of each bin, one row at a time."""
    found: dict[int, tuple[int, int]] = {}
    for inputs, outputs in rows:
        (place,) = bins.places([inputs.get(name)]).tolist()
        count, total = found.get(place, (0, 0))
        found[place] = count + 1, total + round(outputs["score"] * 2**BITS)
    return found


def by_bin(sums: BinSums) -> dict[int, tuple[int, int]]:
    return {at: (sums.counts[at], sums.sums[at]) for at, n in enumerate(sums.counts) if n}


def rows_of(count: int, seed: int = 3) -> list[Row]:
    rng = random.Random(seed)
    return [
        (
            {
                "amount": rng.choice([-5.0, 0.0, 9.5, 10.0, 35.0]),
                "method": rng.choice(["cash", "card", "cheque"]),
            },
            {"score": rng.random()},
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("at_once", [1, 5, 64])
def test_each_prediction_counts_in_the_bin_of_its_own_row(at_once: int) -> None:
    rows = rows_of(64)
    requests = [request(*row) for row in rows]
    batches = [requests[at : at + at_once] for at in range(0, 64, at_once)]
    found = profiled(*batches)
    amount, method = found["input.amount"], found["input.method"]
    assert by_bin(sums_of(amount, AMOUNT)) == expected(rows, "amount", AMOUNT)
    assert by_bin(sums_of(method, METHOD)) == expected(rows, "method", METHOD)
    assert sums_of(amount, AMOUNT).counts[:4] == amount.numbers.binned.counts
    assert not found["output.score"].sums


columns = st.fixed_dictionaries(
    {"row": st.just(1.0)},
    optional={
        "amount": st.sampled_from([-5.0, 3.0, 10.0, None, "n/a", [1.0]]),
        "method": st.sampled_from(["cash", "card", "cheque", None, 3]),
    },
)
scored = st.fixed_dictionaries({"score": st.floats(0.0, 1.0)})
some_rows = st.lists(st.tuples(columns, scored), min_size=1, max_size=4)


@strategies.few
@given(st.lists(some_rows, max_size=8), st.randoms(use_true_random=False))
def test_no_order_of_requests_changes_a_bit(
    requests: list[list[Row]], order: random.Random
) -> None:
    """Requests of any shapes, single or batched: each side may keep its rows in another order."""
    rows = [row for part in requests for row in part]
    made = [kserve(part) if len(part) > 1 else request(*part[0]) for part in requests]
    order.shuffle(made)
    cut = order.randint(0, len(made))
    found = profiled(made[:cut], made[cut:])
    for name, bins in (("amount", AMOUNT), ("method", METHOD)):
        feature = found.get(f"input.{name}")
        if feature is None:
            continue
        every, kept = expected(rows, name, bins), by_bin(sums_of(feature, bins))
        # Rows of a route count as missing only once the route is known to have the column.
        for counted in (every, kept):
            counted.pop(bins.bins.missing, None)
        assert kept == every


def test_rows_of_different_shapes_keep_their_predictions() -> None:
    """The cells of a column are grouped by the names of their rows, the predictions are not."""
    rows: list[Row] = [
        (
            {"amount": float(at)} | ({"method": "card"} if at % 2 else {}),
            {"score": at / 32} | ({"reason": 1.0} if at % 3 else {}),
        )
        for at in range(31)
    ]
    for made in ([request(*row) for row in rows], [kserve(rows)]):
        found = profiled(made)
        assert by_bin(sums_of(found["input.amount"], AMOUNT)) == expected(rows, "amount", AMOUNT)
        assert by_bin(sums_of(found["input.method"], METHOD)) == expected(rows, "method", METHOD)


def test_rows_that_do_not_match_are_counted() -> None:
    two = [{"amount": 1.0}, {"amount": 15.0}]
    batch = [
        request({"instances": two}, {"predictions": [{"score": 0.5}]}, "/v1/models/m:predict"),
        kserve([({"amount": 1.0}, {"score": 0.25})]),
    ]
    sums = sums_of(profiled(batch)["input.amount"], AMOUNT)
    assert by_bin(sums) == {1: (1, 256)}
    assert (sums.unmatched, sums.left_out) == (2, 0)


def test_predictions_that_are_no_numbers_are_left_out() -> None:
    rows = [({"amount": 1.0}, {"score": score}) for score in (0.5, None, "a", 1e300)]
    sums = sums_of(profiled([request(*row) for row in rows])["input.amount"], AMOUNT)
    assert (by_bin(sums), sums.left_out) == ({1: (1, 512)}, 3)


def test_without_an_output_to_sum_nothing_is_kept() -> None:
    off = {name: dataclasses.replace(spec, summed=None) for name, spec in SPECS.items()}
    found = profiled([request(*row) for row in rows_of(40)], specs=off)
    assert not any(feature.sums for feature in found.values())


def test_an_input_without_a_reference_has_no_sums() -> None:
    found = profiled([request({"amount": 1.0, "new": 2.0}, {"score": 0.5})] * 20)
    assert found["input.amount"].sums
    assert not found["input.new"].sums


def test_a_private_sum_consists_of_published_values() -> None:
    spec = dataclasses.replace(SPECS["output.score"], summed=Summed(BITS, is_public=True))
    rows = rows_of(200)
    found = profiled([request(*row) for row in rows], specs={**SPECS, "output.score": spec})
    sums = sums_of(found["input.amount"], AMOUNT)
    assert sums.is_public
    middles = {round(middle * 2**BITS) for middle in (0.25, 0.375, 0.625, 0.75)}
    one = profiled([request(*rows[0])], specs={**SPECS, "output.score": spec})
    assert sum(sums_of(one["input.amount"], AMOUNT).sums) in middles
    assert found["input.amount"].coarsened(20).sums


def test_a_private_output_without_published_bins_is_not_summed() -> None:
    spec = FeatureSpec(summed=Summed(BITS, is_public=True))
    assert values_of("output.score", [0.5], spec) == {}


def test_classes_are_counted() -> None:
    spec = FeatureSpec(dictionary=Dictionary(("no", "yes", "maybe")), summed=Summed(BITS))
    found = values_of("output.label", ["yes", "no", None, "new", "yes"], spec)
    assert found.keys() == {"output.label=no", "output.label=yes"}
    yes = found["output.label=yes"]
    np.testing.assert_array_equal(yes.numbers, [1.0, 0.0, np.nan, 0.0, 1.0])
    assert yes.bits == 0


def test_probabilities_of_a_row_become_one_value_or_classes() -> None:
    spec = FeatureSpec(score=(), summed=Summed(BITS))
    (two,) = values_of("output.p", [[0.25, 0.75], [0.5, 0.5]], spec).values()
    assert two.numbers.tolist() == [0.75, 0.5]
    three = values_of("output.p", np.array([[0.1, 0.7, 0.2], [0.8, 0.1, 0.1]]), spec)
    ragged = values_of("output.p", [[0.1, 0.7, 0.2], [0.8], "0.5", [0.2, None, 0.1]], spec)
    np.testing.assert_array_equal(ragged["output.p=1"].numbers, [1.0, np.nan, np.nan, np.nan])
    assert three["output.p=1"].numbers.tolist() == [1.0, 0.0]
    assert len(three) == 3


@given(
    st.lists(st.sampled_from([0.5, 1, True, None, "0.5", "a", [0.25, 0.75], 10**400]), min_size=1)
)
def test_the_value_of_a_cell_does_not_depend_on_other_cells(cells: list[Any]) -> None:
    spec = FeatureSpec(score=(), summed=Summed(BITS))
    (whole,) = values_of("output.p", cells, spec).values()
    apart = [values_of("output.p", [cell], spec)["output.p"].numbers[0] for cell in cells]
    np.testing.assert_array_equal(whole.numbers, apart)


def test_the_mean_of_a_bin_is_that_of_its_rows() -> None:
    rows = rows_of(300, seed=8)
    sums = sums_of(profiled([request(*row) for row in rows])["input.amount"], AMOUNT)
    low = [out["score"] for inputs, out in rows if inputs["amount"] < 0.0]
    assert means(sums)[0] == pytest.approx(sum(low) / len(low), abs=2**-BITS)


def test_columns_for_user_profilers_have_the_order_of_the_rows() -> None:
    side = Side()
    side.add_rows([{"a": at, "b": at} if at % 2 else {"a": at} for at in range(6)])
    present = finished(side.present_in_steps())
    found = {name: Found(name, side, cells) for name, cells in present.items()}
    columns = aligned(found.items())
    assert columns["a"] == [0, 1, 2, 3, 4, 5]
    assert columns["b"] == [None, 1, None, 3, None, 5]
