"""Comparators over HTTP: their list, and the distances of a sample by each."""

import numpy as np
import pytest
from support.problems import is_problem

from nilometer.batch.reference_upload import put_reference
from nilometer.compare import COMPARATORS, compare
from nilometer.compare.comparison import Comparison, NotCompared
from nilometer.profile import Reference
from nilometer_collector.testing import ENTITY, Running, a_reference, feature_sample

AMOUNT = {"entity": ENTITY, "summary": "input.amount", "reference": "training"}


@pytest.fixture
def reference(served: Running) -> Reference:
    rng = np.random.default_rng(1)
    made = a_reference({"input.amount": rng.normal(size=900).tolist()})
    put_reference(made, served.collector.grpc_target)
    return made


def shifted(rows: int) -> list[float]:
    return [*np.random.default_rng(2).normal(0.5, 1, rows).tolist()]


def test_all_are_listed_with_what_a_reader_must_know(served: Running) -> None:
    listed = served.get("comparators")["comparators"]
    assert [one["name"] for one in listed] == list(COMPARATORS)
    psi, *_ = listed
    assert (psi["unit"], psi["highest"], psi["numbers_only"]) == ("nats", None, False)
    assert (psi["fewest_reference"], psi["fewest_current"]) == (100, 100)
    by_name = {one["name"]: one for one in listed}
    assert by_name["ks"]["highest"] == 1.0
    assert by_name["ks"]["numbers_only"]
    assert all(one["about"] and one["bias"] and one["source"] for one in listed)


def test_a_sample_has_psi_and_ks_with_noise_and_interval(
    served: Running, reference: Reference
) -> None:
    served.sender().ship(feature_sample(shifted(400)))
    (sample,) = served.get("samples", **AMOUNT)["samples"]
    assert list(sample["distances"]) == ["psi", "ks"]
    psi = sample["distances"]["psi"]
    assert psi["value"] == sample["psi"] > 0.1
    assert psi["low"] < psi["value"] < psi["high"]
    assert (psi["reason"], psi["why"]) == ("", "")
    ks = sample["distances"]["ks"]
    assert ks["value"] == sample["ks"] > ks["noise"] > 0
    assert ks["low"] is ks["high"] is None


def test_a_sample_has_the_distances_that_are_asked_for(
    served: Running, reference: Reference
) -> None:
    sent = feature_sample(shifted(600))
    served.sender().ship(sent)
    (sample,) = served.get("samples", **AMOUNT, comparator=[*COMPARATORS])["samples"]
    column = reference.columns["input.amount"]
    for name, comparator in COMPARATORS.items():
        expected, told = compare(comparator, column, sent.content), sample["distances"][name]
        if isinstance(expected, Comparison):
            assert told["value"] == pytest.approx(expected.value, abs=1e-3), name
        else:
            assert (told["value"], told["reason"]) == (None, expected.reason.value)
            assert told["why"] == expected.why


def test_figures_of_too_few_values_are_reasons(served: Running, reference: Reference) -> None:
    served.sender().ship(feature_sample(shifted(29)))
    (sample,) = served.get("samples", **AMOUNT)["samples"]
    assert sample["psi"] is sample["ks"] is None
    found = compare(
        COMPARATORS["ks"], reference.columns["input.amount"], feature_sample(shifted(29)).content
    )
    assert isinstance(found, NotCompared)
    assert sample["distances"]["ks"]["reason"] == "too_few"
    assert sample["distances"]["ks"]["why"] == found.why


def test_an_unknown_comparator_is_a_problem(served: Running, reference: Reference) -> None:
    answer = served.http.get("/api/v1/samples", params={**AMOUNT, "comparator": "wassersten"})
    problem = is_problem(answer, 422)
    assert "comparator" in problem.detail
    assert "did you mean 'wasserstein'" in problem.detail
