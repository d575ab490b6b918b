"""A table has the sums that an agent keeps of the same rows."""

import dataclasses
from collections.abc import Mapping

import pyarrow as pa

from nilometer.batch.profile import profile_of
from nilometer.batch.reference import reference_of
from nilometer.compare.components import components
from nilometer.profile import FeatureSpec, Reference
from nilometer.profile.bin_sums import BinSums, SumKey, Summed, means
from nilometer.wire.references import reference_from_bytes, reference_to_bytes

ROWS = 600
TABLE = pa.table(
    {
        "amount": [None if at % 50 == 0 else float(at % 100) for at in range(ROWS)],
        "method": [("card", "cash", "cash")[at % 3] for at in range(ROWS)],
        "output.score": [(at % 100) / 100 for at in range(ROWS)],
    }
)


def reference() -> Reference:
    return reference_of(TABLE, entity="m", name="training", source="t", created_ns=1)


def only(sums: Mapping[SumKey, BinSums]) -> BinSums:
    (found,) = sums.values()
    return found


def test_a_reference_has_the_mean_prediction_of_each_bin() -> None:
    made = reference()
    amount = only(made.columns["input.amount"].feature.sums)
    assert (amount.rows, amount.counts[amount.bins.missing]) == (ROWS, 12)
    assert means(amount)[0] < 0.05
    assert means(amount)[31] > 0.95
    method = only(made.columns["input.method"].feature.sums)
    assert method.counts[: method.bins.categories] == (400, 200, 0)
    assert not made.columns["output.score"].feature.sums
    kept = reference_from_bytes(reference_to_bytes(made))
    assert only(kept.columns["input.amount"].feature.sums) == amount
    assert kept.digest == made.digest


def test_a_later_table_is_compared_with_it() -> None:
    made = reference()

    def spec_of(summary: str) -> FeatureSpec:
        spec = made.spec(summary) or FeatureSpec()
        is_summed = summary == "output.score"
        return dataclasses.replace(spec, summed=Summed(10)) if is_summed else spec

    later = TABLE.filter(pa.array([at % 100 >= 50 for at in range(ROWS)]))
    found = profile_of(later, spec_of)
    before = only(made.columns["input.amount"].feature.sums)
    change = components(before, only(found["input.amount"].sums))
    assert change is not None
    assert abs(change.mix.sum() - 0.25) < 0.01  # the amount explains it
    method = components(
        only(made.columns["input.method"].feature.sums), only(found["input.method"].sums)
    )
    assert method is not None
    assert abs(method.within.sum() - 0.25) < 0.01  # the method does not


def test_without_an_output_to_sum_a_table_has_no_sums() -> None:
    made = reference()
    found = profile_of(TABLE, lambda summary: made.spec(summary) or FeatureSpec())
    assert not any(feature.sums for feature in found.values())
    inputs = TABLE.select(["amount", "method"])
    without = reference_of(inputs, entity="m", name="r", source="t", created_ns=1)
    assert not any(column.feature.sums for column in without.columns.values())
