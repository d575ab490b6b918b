import pytest

from nilometer.values.entity import SERVICE, Role, entity_name, role_of, summary_name
from nilometer.values.errors import ConfigError


@pytest.mark.parametrize("name", ["a", "fraud-scorer", "team/model.v2", "9", "A_b", "x" * 128])
def test_a_name_that_is_allowed_is_taken(name: str) -> None:
    assert entity_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "/a", "a b", "a\n", "ä", "x" * 129, "a:b"])
def test_a_name_that_is_not_allowed_is_shown_with_what_is(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        entity_name(name)
    assert f"entity = {name!r}: must be 1 to 128 letters" in str(caught.value)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("feature", ["amount", "a.b", "", "ü"])
def test_the_name_of_a_summary_tells_its_role(role: Role, feature: str) -> None:
    assert role_of(summary_name(role, feature)) is role


@pytest.mark.parametrize("summary", [SERVICE, "input", "output", "other.amount", ""])
def test_what_is_no_feature_has_no_role(summary: str) -> None:
    assert role_of(summary) is None
