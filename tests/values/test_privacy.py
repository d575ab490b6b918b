import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.values.privacy import BY_DEFAULT, LAXEST, Disclosure, Privacy

disclosures = st.builds(Disclosure, st.sampled_from(Privacy), st.integers(0, 100))


@pytest.mark.parametrize(
    ("disclosure", "values", "pseudonyms"),
    [
        (LAXEST, 1, 1),
        (BY_DEFAULT, 1, 5),
        (Disclosure(Privacy.STRICT), 20, 20),
        (Disclosure(Privacy.POD, 8), 8, 8),
        (Disclosure(Privacy.STRICT, 8), 20, 20),
        (Disclosure(Privacy.STRICT, 50), 50, 50),
        (Disclosure(Privacy.POD, 1), 1, 1),
    ],
)
def test_how_many_observations_a_number_and_a_pseudonym_stand_for(
    disclosure: Disclosure, values: int, pseudonyms: int
) -> None:
    assert (disclosure.fewest_values, disclosure.fewest_of_a_pseudonym) == (values, pseudonyms)
    assert disclosure.coarsens == (values > 1)


@given(disclosures, disclosures)
def test_what_is_tightened_is_never_looser(ours: Disclosure, theirs: Disclosure) -> None:
    both = ours.tightened(theirs)
    assert both == theirs.tightened(ours)
    assert both.tightened(ours) == both
    assert both.fewest_values == max(ours.fewest_values, theirs.fewest_values)
    assert ours.tightened(LAXEST) == ours
    told = both.patterns(("input.country",))
    for one in (ours, theirs):
        allowed = one.patterns(("input.country",))
        assert "*" in allowed or set(told) <= set(allowed)


def test_a_level_of_a_later_version_is_taken_for_the_strictest() -> None:
    assert Privacy.named("pod") is Privacy.POD
    assert Privacy.named("sealed") is Privacy.STRICT
