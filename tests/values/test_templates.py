import pytest

from nilometer.values.entity import entity_from, entity_or_template
from nilometer.values.errors import ConfigError
from nilometer.values.templates import checked, filled, names_in


def test_a_template_asks_for_names_in_braces() -> None:
    assert names_in("{model}-{version}") == {"model", "version"}
    assert names_in("eu{1}") == names_in("plain") == frozenset()
    values = {"model": "credit", "version": ""}
    assert filled("{model}:{version}:{other}", values) == "credit:absent:{other}"


@pytest.mark.parametrize("text", ["{modol}", "{model}{Version}"])
def test_an_unknown_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"labels\.v"):
        checked(text, "labels.v")


@pytest.mark.parametrize("entity", ["{model}", "shop/{model}", "fraud-scorer"])
def test_an_entity_is_a_name_or_a_template_of_one(entity: str) -> None:
    assert entity_or_template(entity) == entity


@pytest.mark.parametrize("entity", ["", "a b", "{model} b", "{modol}", "-{model}"])
def test_an_entity_that_is_neither_is_refused(entity: str) -> None:
    with pytest.raises(ConfigError):
        entity_or_template(entity)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("credit", "credit"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("llama3.1:8b", "llama3.1-8b"),
        ("../../etc", "etc"),
        ("é", ""),
        ("x" * 200, "x" * 128),
    ],
)
def test_a_model_becomes_a_name(text: str, name: str) -> None:
    assert entity_from(text) == name
